"""Runs protocol_search.py over a list of configurations, and over bugs that it must refute, and reports each.

usage: search.py [full]: without `full`, the configurations that take seconds."""
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
# MAX SUBMITTERS TIMED CLOSE STOP CELLS
QUICK = ['1 2 0 0 0 2', '1 3 2 1 1 2', '1 4 2 0 0 3', '2 3 1 1 1 2', '2 4 2 1 0 2', '2 4 1 0 1 2', '2 4 1 0 1 3', '3 4 1 0 1 2']
FULL = ['1 4 4 1 1 3', '1 5 2 0 0 3', '2 5 1 0 1 3', '2 5 3 1 0 2', '3 5 1 0 1 3', '2 6 0 0 0 2']
BUGS = [('twice', '2 3 2 1 0 2'), ('noseal', '2 5 0 0 0 2'), ('leave', '1 3 1 0 0 2'),
        ('lost', '1 3 1 0 0 2'), ('overwrite', '2 5 0 0 0 2'), ('late', '2 5 0 0 0 2')]


def run(arguments):
    """What the search says, and how long it took."""
    start = time.time()
    answer = subprocess.run([sys.executable, os.path.join(HERE, 'protocol_search.py'), *arguments.split()],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return answer, time.time() - start


def report(name, guarantees, bound, count, unit, seconds):
    print(f'evidence\tsearch\t{name}\t{guarantees}\t{bound}\t{count}\t{unit}\t{seconds:.1f}', flush=True)


full = sys.argv[1:] == ['full']
configurations = QUICK + (FULL if full else [])
# Each search is one thread. The large ones need the memory for themselves.
with ThreadPoolExecutor(1 if full else os.cpu_count()) as cores:
    for configuration, (answer, seconds) in zip(configurations, cores.map(run, configurations)):
        if answer.returncode:
            sys.exit(f'{configuration}: {answer.stderr.splitlines()[-1]}')
        where, count = re.match(r'(.*?) *: (\d+) states', answer.stdout).groups()
        timed, closes, stops = (int(number) > 0 for number in configuration.split()[2:5])
        guarantees = 'MAX ONCE WAKE' + ' REFUSE' * (timed or closes) + ' PROGRESS' * stops
        report(where, guarantees, 'to the end', count, 'states', seconds)
    planted = [f'{configuration} {bug}' for bug, configuration in BUGS]
    for (bug, configuration), (answer, seconds) in zip(BUGS, cores.map(run, planted)):
        if 'AssertionError' not in answer.stderr:
            sys.exit(f'the bug {bug} was not refuted: {answer.stdout}{answer.stderr}')
        report(f'bug {bug}', 'WAKE ONCE', configuration, 1, 'refuted', seconds)
print(f'{len(configurations) + len(BUGS)} passed, 0 failed')
