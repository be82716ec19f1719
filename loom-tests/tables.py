#!/usr/bin/env python3
"""Writes the tables of docs/TESTING.md anew from loom-tests/manifest.tsv and loom-tests/plants.tsv.

usage: loom-tests/tables.py [--check]: with --check, fails if the document is not what would be written."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def rows(name):
    with open(os.path.join(ROOT, 'loom-tests', name)) as table:
        return [line.rstrip('\n').split('\t') for line in table]


def table(head, body):
    lines = ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in body])


models = rows('manifest.tsv')[1:]
models = table(['model / sleeps', 'bound', 'executions', 'seconds'], models)
plants = table(['planted', 'in', 'guarantees', 'caught by', 'seconds, build included'], rows('plants.tsv'))
path = os.path.join(ROOT, 'docs/TESTING.md')
old = new = open(path).read()
for name, body in [('models', models), ('plants', plants)]:
    part = f'<!-- {name} -->\n{body}\n<!-- /{name} -->'
    new = re.sub(f'<!-- {name} -->.*<!-- /{name} -->', lambda _: part, new, flags=re.S)
if '--check' not in sys.argv[1:]:
    open(path, 'w').write(new)
elif old != new:
    sys.exit('docs/TESTING.md is older than its tables: run loom-tests/tables.py')
