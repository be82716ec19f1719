#!/usr/bin/env python3
"""Weakens every atomic ordering in src/ by one step, success and failure apart, and runs the models until one fails.

usage: loom-tests/orderings.py [quick | PART OF A PLACE ...]
One build serves all: the probe around the atomics replaces the ordering at one place (`ADMIT_WEAKEN`). The model that
killed the mutant last time runs first, then the shortest; as many mutants at a time as there are cores. `quick` runs only the model that is recorded for each. What an
interrupted run of the same sources has found is kept in target/orderings.json. A run of all writes
docs/evidence/orderings.tsv, from which docs/TESTING.md is made."""
import collections
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECORD = os.path.join(ROOT, 'docs/evidence/orderings.tsv')
WEAKER = {'AcqRel': ['Acquire', 'Release'], 'Acquire': ['Relaxed'], 'Release': ['Relaxed']}
MODES = ['restless', 'asleep, rmw', 'asleep']
CALL = re.compile(r'\.(load|store|swap|compare_exchange(?:_weak)?|fetch_\w+)\(')


def mutants():
    """(place, operation, role, ordering, weaker, wish) for each ordering that can be weakened."""
    for name in sorted(os.listdir(os.path.join(ROOT, 'src'))):
        if not name.endswith('.rs') or name == 'sync.rs':
            continue
        text = open(os.path.join(ROOT, 'src', name)).read()
        # Comments out of the way, every character in its place.
        text = re.sub(r'//[^\n]*', lambda m: ' ' * len(m[0]), text)
        found, calls = 0, collections.Counter()
        for call in CALL.finditer(text):
            depth, end = 1, call.end()
            while depth:
                depth += {'(': 1, ')': -1}.get(text[end], 0)
                end += 1
            orders = re.findall(r'Ordering::(\w+)', text[call.end():end])
            found += len(orders)
            line = text.count('\n', 0, call.start(1)) + 1
            column = call.start(1) - text.rfind('\n', 0, call.start(1))
            function = re.findall(r'\bfn (\w+)', text[:call.start()])[-1]
            calls[function, call[1]] += 1
            nth = calls[function, call[1]]
            operation = call[1] if nth == 1 else f'{call[1]} {nth}'
            for role, order in zip(['only'] if len(orders) == 1 else ['success', 'failure'], orders):
                for weaker in WEAKER.get(order, []):
                    wish = f'{name}:{line}:{column}:{role}={weaker}'
                    yield f'{name[:-3]}::{function}', operation, role, order, weaker, wish
        if found != len(re.findall(r'Ordering::\w', re.sub(r'\n *use [^;]*;', '', text))):
            sys.exit(f'{name}: an ordering stands outside of a call')


def build():
    env = dict(os.environ, RUSTFLAGS='--cfg loom', CARGO_TARGET_DIR=os.path.join(ROOT, 'target/loom'))
    out = subprocess.run(['cargo', 'test', '--test', 'models', '--no-run', '--message-format=json'], cwd=ROOT, env=env,
                         stdout=subprocess.PIPE, check=True, text=True).stdout
    return next(m['executable'] for m in map(json.loads, out.splitlines()) if m.get('executable'))


def fails(binary, test, mode, limit, wish=''):
    env = dict(os.environ, ADMIT_MANIFEST='ignore', ADMIT_MODE=mode, ADMIT_EVIDENCE='/dev/null')
    if wish:
        env['ADMIT_WEAKEN'] = wish
    try:
        return subprocess.run([binary, '--exact', test], cwd=ROOT, env=env, timeout=limit,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0
    except subprocess.TimeoutExpired:
        return False


def main():
    quick = sys.argv[1:] == ['quick']
    parts = [] if quick else sys.argv[1:]
    everything = list(mutants())
    wanted = [m for m in everything if not parts or any(part in m[0] for part in parts)]
    if not wanted:
        sys.exit(f'no ordering stands at {" or ".join(parts)}')
    recorded = {}
    if os.path.exists(RECORD):
        for line in open(RECORD).read().splitlines()[1:]:
            row = line.split('\t')
            recorded.setdefault(tuple(row[:5]), []).append(row[5])
    binary = build()
    digest = hashlib.sha256(open(binary, 'rb').read()).hexdigest()
    kept = os.path.join(ROOT, 'target/orderings.json')
    cache = json.load(open(kept)) if os.path.exists(kept) else {}
    if cache.get('binary') != digest:
        cache = {'binary': digest, 'times': {}, 'found': {}}
    lock = threading.Lock()

    def keep():
        with lock, open(kept, 'w') as file:
            json.dump(cache, file, indent=1)

    listed = subprocess.run([binary, '--list'], stdout=subprocess.PIPE, text=True).stdout
    tests = [t for t in re.findall(r'^(\S+): test$', listed, re.M) if not t.startswith('canary')]
    short = {t.split('::')[-1]: t for t in tests}
    for test in [] if quick else tests:
        if test not in cache['times']:
            start = time.time()
            if fails(binary, test, MODES[0], 1800):
                sys.exit(f'{test} fails without any change')
            cache['times'][test] = time.time() - start
            keep()
    tests.sort(key=lambda t: cache['times'].get(t, 0))

    def try_one(mutant):
        wish = mutant[5]
        if wish not in cache['found'] or quick:
            start, killer = time.time(), None
            first = [tuple(known[:-1].split(' (')) for known in recorded.get(mutant[:5], []) if known.endswith(')')]
            first = [(short[test], mode) for test, mode in first if test in short and mode in MODES]
            rest = [] if quick else [(test, mode) for test in tests for mode in MODES]
            for test, mode in first + rest:
                if fails(binary, test, mode, 10 * cache['times'].get(test, 20) + 60, wish):
                    killer = f'{test.split("::")[-1]} ({mode})'
                    break
            cache['found'][wish] = [killer, round(time.time() - start, 1)]
            keep()
        killer, seconds = cache['found'][wish]
        verdict = killer or '**survives**'
        name = f'{mutant[0]}, {mutant[1]}, {mutant[2]}: {mutant[3]} to {mutant[4]}'
        with lock:
            print(f'evidence\torderings\t{name}\t\t{verdict}\t{int(bool(killer))}\tkilled\t{seconds}', flush=True)
        return [*mutant[:5], verdict, str(seconds)]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(try_one, wanted))
    survivors = sum('**' in row[5] for row in rows)
    if not parts and not quick:
        with open(RECORD, 'w') as table:
            table.write('place\toperation\trole\tordering\tweaker\tkilled by\tseconds\n')
            table.writelines('\t'.join(row) + '\n' for row in rows)
    if survivors or not rows:
        sys.exit(f'{survivors} of {len(rows)} weakened orderings were not caught')
    print(f'{len(rows)} passed, 0 failed')


main()
