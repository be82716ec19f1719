"""Turns transitions.tsv, the table of the protocol's transitions, into the TLA+ module Transitions.

Every row becomes two operators: `PopEnabled(w)`, its guard, and `PopDo(w)`, its change.

usage: generate.py [--check]: with --check, fails if the committed module is not what the table says.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, 'transitions.tsv')
MODULE = os.path.join(HERE, 'Transitions.tla')

# The record that an object is, its fields, and what else its guards and changes may name.
OBJECTS = {
    'word': ('w', ('free', 'waiting', 'head', 'closed', 'watched', 'wave', 'short')),
    'cell': ('c', ('at', 'seat')),
}
CONSTANTS = {'max': 'Max', 'room': 'Room'}
PARAMETERS = ('p', 'mine')


def rows():
    with open(TABLE, encoding='utf-8') as table:
        lines = [line.rstrip('\n').split('\t') for line in table if line.strip()]
    header, *body = lines
    assert header == ['object', 'event', 'guard', 'change', 'who'], header
    for line in body:
        assert len(line) == len(header), line
    return body


def operators(thing, event, guard, change, who):
    record, fields = OBJECTS[thing]
    used = set()

    def expression(text):
        def name(match):
            word = match.group()
            if word in fields:
                return f'{record}.{word}'
            if word in CONSTANTS:
                return CONSTANTS[word]
            assert word in PARAMETERS, f'{event}: what is {word}?'
            used.add(word)
            return word
        return re.sub(r'[a-z]+', name, text.strip())

    def parts(text):
        return [part.strip() for part in text.split(',') if part.strip()]

    def head(suffix):
        arguments = ', '.join([record] + [each for each in PARAMETERS if each in used])
        return f'{event.capitalize()}{suffix}({arguments})'

    conditions = ' /\\ '.join(expression(part) for part in parts(guard)) or 'TRUE'
    enabled = f'{head("Enabled")} == {conditions}'
    used.clear()
    changes = []
    for part in parts(change):
        field, value = part.split(':=')
        assert field.strip() in fields, part
        changes.append(f'!.{field.strip()} = {expression(value)}')
    result = f'[{record} EXCEPT {", ".join(changes)}]' if changes else record
    return f'\\* {event}: {who}.\n{enabled}\n{head("Do")} == {result}\n'


def module():
    title = ' MODULE Transitions '
    text = [title.center(78, '-'),
            '(* Written by generate.py from transitions.tsv; not to be edited.             *)',
            '(* w is the word, c the cell of position p, mine the seat of the submitter.   *)',
            'EXTENDS Integers',
            'CONSTANTS Max,   \\* how many slots there are',
            '          Room   \\* how many positions can be counted\n']
    text += [operators(*row) for row in rows()]
    return '\n'.join(text) + '=' * 78 + '\n'


def main():
    wanted = module()
    if sys.argv[1:] == ['--check']:
        with open(MODULE, encoding='utf-8') as committed:
            if committed.read() != wanted:
                sys.exit('Transitions.tla is not what transitions.tsv says: run generate.py')
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        with open(MODULE, 'w', encoding='utf-8') as committed:
            committed.write(wanted)


if __name__ == '__main__':
    main()
