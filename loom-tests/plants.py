#!/usr/bin/env python3
"""Plants the bugs of planted.py, one at a time, in a copy of the sources and runs the check that has to catch it.

usage: loom-tests/plants.py [quick | PART OF A NAME ...]
Prints a line of evidence for each plant and fails if one survives, does not apply, or does not compile. `quick`
tries one in seventeen, by its name, and of the others looks whether they apply and their killer exists."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zlib

from planted import PLANTS

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SEARCH = 'docs/spec/protocol_search.py'
# What is built with a cfg of its own; the rest are tests of real threads.
CFG = {'models': 'loom', 'schedules': 'shuttle'}
# Seconds after which a test of real threads is taken to hang, which is a kill; a model has to say so itself.
LIMIT = {'models': 300}


def run(command, tree, **env):
    """The exit code (None after the limit) and all output."""
    limit = env.pop('limit', 600)
    child = subprocess.Popen(command, cwd=tree, env=dict(os.environ, **env), start_new_session=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')
    try:
        out, _ = child.communicate(timeout=limit)
        return child.returncode, out
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, 9)
        return None, child.communicate()[0]


def edited(edits):
    """The files as they are with the plant in them; raises ValueError if a text does not stand there once."""
    texts = {}
    for path, old, new in edits:
        text = texts.get(path) or open(os.path.join(ROOT, 'src', path)).read()
        if text.count(old) != 1:
            raise ValueError(f'does not apply: {text.count(old)} places in {path}')
        texts[path] = text.replace(old, new)
    return texts


def exists(killer):
    kind, name = killer.split(':', 1)
    if kind == 'search':
        return f"BUG == '{name.split()[0]}'" in open(os.path.join(ROOT, SEARCH)).read()
    files = glob.glob(f'{ROOT}/loom-tests/*.rs') if kind == 'models' else \
        [f'{ROOT}/tests/{kind}.rs', *glob.glob(f'{ROOT}/tests/{kind}/*.rs')]
    # Or the role of a thread that is stopped, of which a macro makes a test.
    return any(re.search(rf'#\[test\]\s+fn {name}\(|^    {name}, "', open(file).read(), re.M) for file in files)


def killed(killer, tree):
    """How the check catches what is planted in `tree` (`failed` or `hung`), or nothing; and what went wrong otherwise."""
    kind, name = killer.split(':', 1)
    if kind == 'search':
        bug, *configuration = name.split()
        _, out = run([sys.executable, os.path.join(ROOT, SEARCH), *configuration, bug], tree)
        return ('failed', None) if 'AssertionError' in out else (None, 'survives')
    env = {'ADMIT_MANIFEST': 'ignore', 'ADMIT_EVIDENCE': '/dev/null'}
    if cfg := CFG.get(kind):
        # Each has a target directory of its own, so that the builds do not undo each other.
        env |= {'CARGO_TARGET_DIR': f'{ROOT}/target/plants/{cfg}', 'RUSTFLAGS': f'--cfg {cfg}'}
        command = ['cargo', 'test', '--profile', 'mutants', '--test', kind]
    else:
        # The many packages that the tests need are there from `cargo test`, so are taken as it built them.
        env |= {'CARGO_TARGET_DIR': f'{ROOT}/target', 'RUSTFLAGS': '', 'CARGO_INCREMENTAL': '0'}
        command = ['cargo', 'test', '--test', kind]
    code, out = run([*command, '--no-run'], tree, **env)
    if code:
        return None, 'does not compile\n' + out[-1500:]
    code, out = run([*command, name], tree, limit=LIMIT.get(kind, 60), **env)
    if 'running 1 test\n' not in out:
        return None, 'has no killer: ' + out[-500:]
    if code is None:
        return (None, f'survives: no answer in {LIMIT[kind]} s') if kind == 'models' else ('hung', None)
    return ('failed', None) if code != 0 else (None, 'survives')


def main():
    quick = sys.argv[1:] == ['quick']
    words = [] if quick else sys.argv[1:]
    wanted = [plant for plant in PLANTS if not words or any(word in plant[0] for word in words)]
    bad = 0
    with tempfile.TemporaryDirectory() as tmp:
        tree = os.path.join(tmp, 'admit')
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns('target', '.git'))
        for name, guarantees, killer, *edits in wanted:
            only_look = quick and zlib.crc32(name.encode()) % 17
            start, how = time.time(), None
            try:
                texts = edited(edits)
                wrong = None if exists(killer) else f'has no killer: {killer}'
            except ValueError as error:
                texts, wrong = {}, str(error)
            if not wrong and not only_look:
                for path, text in texts.items():
                    open(os.path.join(tree, 'src', path), 'w').write(text)
                how, wrong = killed(killer, tree)
                for path in texts:
                    with open(os.path.join(ROOT, 'src', path)) as original:
                        open(os.path.join(tree, 'src', path), 'w').write(original.read())
            # A machine that is too slow for the check would look the same.
            if how == 'hung' and killed(killer, tree)[0]:
                wrong = 'hangs without the plant too'
            seconds = f'{time.time() - start:.1f}'
            if wrong:
                bad += 1
                print(f'plant "{name}" ({killer}): {wrong}', flush=True)
            elif not only_look:
                caught = killer + (', which hung' if how == 'hung' else '')
                print('evidence', 'plants', name, guarantees, caught, 1, 'killed', seconds, sep='\t', flush=True)
    print(f'{len(wanted) - bad} passed, {bad} failed')
    sys.exit(bool(bad))


main()
