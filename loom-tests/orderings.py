#!/usr/bin/env python3
"""Weakens every atomic ordering in src/ by one step, success and failure apart, and runs the models until one fails.

usage: loom-tests/orderings.py [PART OF A PLACE ...]
One build serves all: the probe around the atomics replaces the ordering at one place (`ADMIT_WEAKEN`). The places
are those that the models meet; an ordering in the sources that no model meets fails the run. The models run as
shipped (not all-RMW, which is strong), shortest first, two mutants at a time. What a former run of the same
sources has found is kept in target/orderings.json. A run of all writes loom-tests/orderings.tsv, from which
docs/TESTING.md is made."""
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
TARGET = os.path.join(ROOT, 'target', 'loom')
WEAKER = {'AcqRel': ['Acquire', 'Release'], 'Acquire': ['Relaxed'], 'Release': ['Relaxed']}
# What no model needs and stays all the same: (place, role, weaker) -> why.
ARGUED = {}
MODES = ['restless', 'asleep']


def sources():
    names = sorted(n for n in os.listdir(os.path.join(ROOT, 'src')) if n.endswith('.rs') and n != 'sync.rs')
    return {n: open(os.path.join(ROOT, 'src', n)).read() for n in names}


def build():
    env = dict(os.environ, RUSTFLAGS='--cfg loom', CARGO_TARGET_DIR=TARGET)
    out = subprocess.run(['cargo', 'test', '--test', 'models', '--no-run', '--message-format=json'], cwd=ROOT, env=env,
                         stdout=subprocess.PIPE, check=True, text=True).stdout
    return next(m['executable'] for m in map(json.loads, out.splitlines()) if m.get('executable'))


def run(binary, test, mode, limit, **env):
    """How one model answers: 'passed', 'failed' or 'no answer'."""
    env = dict(os.environ, ADMIT_MANIFEST='ignore', ADMIT_MODE=mode, **env)
    try:
        done = subprocess.run([binary, '--exact', test], cwd=ROOT, env=env, timeout=limit,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return 'passed' if done.returncode == 0 else 'failed'
    except subprocess.TimeoutExpired:
        return 'no answer'


def place(text, line, column):
    """Function and operation: what stays the same when lines are added elsewhere."""
    lines = text.splitlines()
    function = next(m[1] for m in (re.search(r'\bfn (\w+)', l) for l in reversed(lines[:line])) if m)
    operation = re.match(r'\w+', lines[line - 1][column - 1:])[0]
    return function, operation


def main():
    texts = sources()
    binary = build()
    digest = hashlib.sha256(open(binary, 'rb').read()).hexdigest()
    cache_path = os.path.join(ROOT, 'target', 'orderings.json')
    cache = json.load(open(cache_path)) if os.path.exists(cache_path) else {}
    if cache.get('binary') != digest:
        cache = {'binary': digest, 'tests': None, 'sites': None, 'found': {}}
    lock = threading.Lock()

    def keep():
        with lock:
            json.dump(cache, open(cache_path, 'w'), indent=1)

    if not cache['tests']:
        listed = subprocess.run([binary, '--list'], stdout=subprocess.PIPE, text=True).stdout
        times, sites = {}, set()
        for test in re.findall(r'^(\S+): test$', listed, re.M):
            if test.startswith('canary'):
                continue
            start = time.time()
            met = os.path.join(ROOT, 'target', 'sites.txt')
            if run(binary, test, MODES[0], 900, ADMIT_SITES=met) != 'passed':
                sys.exit(f'{test} fails without any change')
            times[test] = time.time() - start
            sites |= set(open(met).read().split())
        cache.update(tests=times, sites=sorted(sites))
        keep()
    tests = sorted(cache['tests'], key=cache['tests'].get)
    mutants, met = [], {}
    for site in cache['sites']:
        where, order = site.split('=')
        name, line, column, role = where.split(':')
        if name not in texts:
            continue
        function, operation = place(texts[name], int(line), int(column))
        met.setdefault(name, set()).add((line, column, role))
        for weaker in WEAKER.get(order, []):
            mutants.append((f'{name[:-3]}::{function}', operation, role, order, weaker, where))
    for name, text in texts.items():
        there = sum(len(re.findall(r'Ordering::\w+', l.split('//')[0])) for l in text.splitlines()
                    if not l.startswith('use '))
        if there != len(met.get(name, ())):
            sys.exit(f'{name}: {there} orderings, of which the models meet {len(met.get(name, ()))}')
    wanted = [m for m in mutants if not sys.argv[1:] or any(a in m[0] for a in sys.argv[1:])]

    def try_one(mutant):
        where, weaker = mutant[5], mutant[4]
        wish = f'{where}={weaker}'
        if wish not in cache['found']:
            start, killer = time.time(), None
            # The short ones first, in both modes.
            for test in tests:
                for mode in MODES:
                    if run(binary, test, mode, 20 * cache['tests'][test] + 60, ADMIT_WEAKEN=wish) != 'passed':
                        killer = f'{test.split("::")[-1]} ({mode})'
                        break
                if killer:
                    break
            cache['found'][wish] = [killer, round(time.time() - start, 1)]
            keep()
        killer, seconds = cache['found'][wish]
        row = mutant[:5] + (killer or ARGUED.get(mutant[:3] + (weaker,)) or '**survives**', str(seconds))
        print('evidence\torderings\t' + f'{mutant[0]} {mutant[1]} {mutant[2]}: {mutant[3]} to {weaker}' +
              f'\t\t{row[5]}\t{0 if "**" in row[5] else 1}\t{"killed" if killer else "argued"}\t{seconds}', flush=True)
        return row

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(try_one, wanted))
    survivors = sum('**' in row[5] for row in rows)
    if len(wanted) == len(mutants):
        with open(os.path.join(ROOT, 'loom-tests/orderings.tsv'), 'w') as table:
            table.writelines('\t'.join(row) + '\n' for row in rows)
    if survivors or not rows:
        sys.exit(f'{survivors} of {len(rows)} weakened orderings were not caught')
    print(f'{len(rows)} passed, 0 failed')


main()
