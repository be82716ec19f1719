#!/usr/bin/env python3
"""Writes the tables of docs/TESTING.md anew from what `.ci/evidence` has recorded in this folder.

usage: docs/evidence/tables.py [--check]: with --check, fails if the document is not what would be written."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# column of the matrix: the methods in it
COLUMNS = {
    'proved (z3 and cvc5)': ['proof'],
    'specification (TLC), search': ['tlc', 'search'],
    'loom': ['loom'],
    'every schedule': ['states'],
    'shuttle': ['shuttle'],
    'real threads': ['test', 'progress', 'linear', 'disturbed', 'soak', 'fuzz'],
    'sanitizers, valgrind, Miri': ['tsan', 'asan', 'lsan', 'valgrind', 'miri'],
}
# What is counted by those that show that a check can fail, or that a proof is not of nothing.
CONTROLS = ['states until refuted', 'counter-models', 'models', 'refuted', 'killed']


def rows(name):
    path = os.path.join(HERE, name)
    if not os.path.exists(path):
        return []
    with open(path) as table:
        return [line.rstrip('\n').split('\t') for line in table][1:]


def number(n):
    return f'{int(n):,}'


def table(head, body):
    lines = ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in body])


# The full run's figure where there is one.
known = {(row[0], row[1], row[7]): row + ['quick'] for row in rows('quick.tsv')}
known.update({(row[0], row[1], row[7]): row + ['full'] for row in rows('full.tsv')})
known = [known[key] for key in sorted(known)]
unseen = dict(rows('unseen.tsv'))


def matrix():
    body = []
    for guarantee in unseen:
        cells = []
        for methods in COLUMNS.values():
            found = [row for row in known
                     if row[0] in methods and guarantee in row[2].split() and row[5] not in CONTROLS]
            units = {}
            for row in found:
                units[row[5]] = units.get(row[5], 0) + int(row[4])
            counted = ', '.join(f'{number(count)} {unit}' for unit, count in sorted(units.items()))
            cells.append(f'{len(found)}: {counted}' if found else '')
        caught = sum(row[5] in CONTROLS and guarantee in row[2].split() for row in known)
        body.append([f'**{guarantee}**', *cells, str(caught or ''), unseen[guarantee]])
    return table(['guarantee', *COLUMNS, 'controls', 'what none of them sees'], body)


def details(methods):
    body = [[row[0], row[1], row[2], row[3], f'{number(row[4])} {row[5]}', row[6], row[8], row[9]]
            for row in known if row[0] in methods]
    return table(['method', 'check', 'guarantees', 'bound', 'explored', 'seconds', 'date', 'run'], body)


def orderings():
    body = [[f'`{row[0]}`', row[1], row[2], f'{row[3]} → {row[4]}', row[5]] for row in rows('orderings.tsv')]
    return table(['where', 'operation', 'ordering of', 'weakened', 'killed by'], body)


def mutants():
    body = rows('mutants.tsv')
    return table(['file', 'mutants', 'caught', 'timeout', 'unviable', 'missed'], body)


PARTS = {
    'matrix': matrix,
    'spec': lambda: details(['proof', 'tlc', 'search']),
    'loom': lambda: details(['loom']),
    'trace': lambda: details(['trace']),
    'states': lambda: details(['states']),
    'schedules': lambda: details(['shuttle']),
    'threads': lambda: details(['progress', 'linear', 'disturbed', 'soak', 'fuzz', 'tsan', 'asan', 'lsan', 'valgrind', 'miri']),
    'tests': lambda: details(['test', 'coverage']),
    'plants': lambda: details(['plants']),
    'orderings': orderings,
    'mutants': mutants,
}
path = os.path.join(ROOT, 'docs/TESTING.md')
old = new = open(path).read()
for name, write in PARTS.items():
    if f'<!-- {name} -->' not in old:
        sys.exit(f'docs/TESTING.md has no place for {name}')
    part = f'<!-- {name} -->\n{write()}\n<!-- /{name} -->'
    new = re.sub(f'<!-- {name} -->.*<!-- /{name} -->', lambda _: part, new, flags=re.S)
if '--check' not in sys.argv[1:]:
    open(path, 'w').write(new)
elif old != new:
    sys.exit('docs/TESTING.md is older than what was recorded: run docs/evidence/tables.py')
