"""The word, as 64 bits: every transition of src/word.rs is its row of transitions.tsv, for every word.

The functions of src/word.rs are written down once more, as bit-vector terms with the same masks and shifts, and
the fields are cut out of the word by their places. Proved: a word that satisfies the guard of a row becomes what
the row says and nothing else; no sum runs over into the neighbour of its field; a pop restores what lay beneath
the push to the bit; head and tail count modulo 2^32, the wave modulo 4096.

word_vectors.tsv holds words and what these terms make of them, at the edges of every field and at pseudo-random
ones. tests/word.rs puts the shipped functions through it: so the terms are those of the code.
"""
import os
import random

from proof_terms import *

VECTORS = os.path.join(HERE, 'word_vectors.tsv')

# --- src/word.rs, in bits ------------------------------------------------------------------------------------

DEFINITIONS = '''
(define-sort Word () (_ BitVec 64))
(define-fun VALUE_MASK () Word #x000000000000ffff)
(define-fun MODE_IDLE () Word #x0000000000010000)
(define-fun CLOSED () Word #x0000000000020000)
(define-fun WATCHED () Word #x0000000000040000)
(define-fun SHORT () Word #x0000000000080000)
(define-fun ONE_WAVE () Word #x0000000000100000)
(define-fun WAVE_MASK () Word #x00000000fff00000)
(define-fun STAMP_SHIFT () Word #x0000000000000020)
(define-fun STAMP_MASK () Word (bvshl (bvnot #x0000000000000000) STAMP_SHIFT))
(define-fun STATE_MASK () Word (bvor STAMP_MASK MODE_IDLE VALUE_MASK))
(define-fun DEPTH_SHIFT () Word #x0000000000000010)

(define-fun wide16 ((v (_ BitVec 16))) Word ((_ zero_extend 48) v))
(define-fun wide32 ((v (_ BitVec 32))) Word ((_ zero_extend 32) v))
(define-fun encode_idle ((top (_ BitVec 16)) (push (_ BitVec 32))) Word
  (bvor (bvshl (wide32 push) STAMP_SHIFT) MODE_IDLE (wide16 top)))
(define-fun encode_busy ((waiting (_ BitVec 16)) (head (_ BitVec 32))) Word
  (bvor (bvshl (wide32 head) STAMP_SHIFT) (wide16 waiting)))
(define-fun decode_value ((w Word)) (_ BitVec 16) ((_ extract 15 0) (bvand w VALUE_MASK)))
(define-fun decode_stamp ((w Word)) (_ BitVec 32) ((_ extract 31 0) (bvlshr w STAMP_SHIFT)))
(define-fun is_idle ((w Word)) Bool (distinct (bvand w MODE_IDLE) #x0000000000000000))
(define-fun is_closed ((w Word)) Bool (distinct (bvand w CLOSED) #x0000000000000000))
(define-fun is_watched ((w Word)) Bool (distinct (bvand w WATCHED) #x0000000000000000))
(define-fun is_short ((w Word)) Bool (distinct (bvand w SHORT) #x0000000000000000))

(define-fun waiting ((w Word)) (_ BitVec 16) (ite (is_idle w) #x0000 (decode_value w)))
(define-fun tail ((w Word)) (_ BitVec 32) (bvadd (decode_stamp w) ((_ zero_extend 16) (decode_value w))))
(define-fun wave ((w Word)) Word (bvlshr (bvand w WAVE_MASK) #x0000000000000014))
(define-fun depth ((b Word)) (_ BitVec 16) ((_ extract 15 0) (bvlshr b DEPTH_SHIFT)))
(define-fun beneath ((w Word) (free (_ BitVec 16))) Word
  (bvor (bvand w (bvor STAMP_MASK VALUE_MASK)) (bvshl (wide16 (bvadd free #x0001)) DEPTH_SHIFT)))
(define-fun with_state ((w Word) (state Word)) Word (bvor (bvand w (bvnot STATE_MASK)) state))
(define-fun with_popped ((w Word) (beneath Word)) Word
  (bvor (bvand w (bvnot STATE_MASK)) (bvand beneath (bvor STAMP_MASK VALUE_MASK))
        (ite (bvugt (depth beneath) #x0001) MODE_IDLE #x0000000000000000)))
(define-fun with_pushed ((w Word) (slot (_ BitVec 16)) (push (_ BitVec 32))) Word
  (with_state w (encode_idle slot push)))
(define-fun with_counted ((w Word)) Word
  (with_state w (encode_busy (bvadd (decode_value w) #x0001) (decode_stamp w))))
(define-fun with_taken ((w Word)) Word
  (with_state w (encode_busy (bvsub (decode_value w) #x0001) (bvadd (decode_stamp w) #x00000001))))
(define-fun with_closed ((w Word)) Word (bvor w CLOSED))
(define-fun with_watched ((w Word)) Word (bvor w WATCHED))
(define-fun with_quiescence ((w Word)) Word
  (ite (is_watched w)
       (bvor (bvand w (bvnot (bvor WATCHED WAVE_MASK))) (bvand (bvadd w ONE_WAVE) WAVE_MASK))
       w))
(define-fun with_short ((w Word)) Word (bvor w SHORT))
(define-fun without_short ((w Word)) Word (bvand w (bvnot SHORT)))
(define-fun is_before ((p (_ BitVec 32)) (q (_ BitVec 32))) Bool (bvslt (bvsub p q) #x00000000))
'''

# The fields by their places: bit 0 to 15, 16, 17, 18, 19, 20 to 31, 32 to 63.
PLACES = {'value': (15, 0), 'mode': (16, 16), 'closed': (17, 17), 'watched': (18, 18), 'short': (19, 19),
          'wave': (31, 20), 'stamp': (63, 32), 'depth': (31, 16)}
MODULUS = {'head': 32, 'wave': 12}       # everything else must not wrap

# The operation of src/word.rs (or two in a row) that makes each event of the table.
OPERATIONS = {
    'POP': '(with_popped w b)',
    'REPOP': '(with_popped w b)',
    'PUSH': '(with_pushed w slot number)',
    'FILL': '(with_quiescence (with_pushed w slot number))',
    'QUIET': '(with_quiescence (with_pushed w slot number))',
    'COUNT': '(with_counted w)',
    'RECOUNT': '(with_counted w)',
    'TAKE': '(with_taken w)',
    'WATCH': '(with_watched w)',
    'CLOSE': '(with_closed w)',
    'SHORT': '(with_short w)',
    'UNSHORT': '(without_short w)',
    'SHOW': 'w',
}


class Bits(Term):
    """An unsigned number of 64 bits; the fields are so much narrower that sums of them are exact."""

    def __add__(self, other):
        return Bits(apply('bvadd', self, other).text)

    def __sub__(self, other):
        return Bits(apply('bvsub', self, other).text)

    def __lt__(self, other):
        return apply('bvult', self, other)

    def __le__(self, other):
        return apply('bvule', self, other)

    def __gt__(self, other):
        return apply('bvugt', self, other)

    def __ge__(self, other):
        return apply('bvuge', self, other)


def bits(number, width=64):
    return Bits(f'(_ bv{number} {width})')


class WordValues(Values):
    number = staticmethod(bits)


def field(name, word):
    high, low = PLACES[name]
    return Bits(f'((_ zero_extend {63 - high + low}) ((_ extract {high} {low}) {word}))')


def idle(word):
    return field('mode', word) == bits(1)


def reading(word, free):
    """The names of the table, read from a word; `free`, which stands beside the stack's top, is given."""
    return WordValues(
        free=free, waiting=Bits(ite(idle(word), bits(0), field('value', word)).text), head=field('stamp', word),
        closed=field('closed', word), watched=field('watched', word), short=field('short', word),
        wave=field('wave', word), max=Bits('max'), room=bits(65535))


def low(name, number):
    """A number as its field holds it."""
    return Term(f'((_ extract {MODULUS.get(name, 64) - 1} 0) {number.text})')


def declarations():
    return [DEFINITIONS.strip(), '(declare-const w Word)', '(declare-const b Word)', '(declare-const free Word)',
            '(declare-const max Word)', '(declare-const slot (_ BitVec 16))', '(declare-const number (_ BitVec 32))',
            '(declare-const p (_ BitVec 32))', '(declare-const q (_ BitVec 32))']


def assumptions():
    """`free` is what the stack keeps beside the top: 0 for a busy word, not 0 for an idle one, at most max."""
    return [Iff(idle('w'), Bits('free') > bits(0)), Bits('free') <= Bits('max'), Bits('max') >= bits(1),
            Bits('max') <= bits(65535),
            # What lies beneath the top is `beneath` of a word in which nothing waited and one slot less was free.
            If(idle('w'), field('depth', 'b') == Bits('free'), Or(field('depth', 'b') > bits(1), field('value', 'b') == bits(0)))]


def rows(operations):
    """For every row: the word that the operation makes is the one that the row describes."""
    conditions = Conditions('word', declarations(), assumptions())
    for (kind, event), (_, changed) in TABLE.items():
        if kind != 'word':
            continue
        before = reading('w', Bits('free'))
        guard, changes = row('word', event, before)
        free_after = changes.get('free', Bits('free'))
        new = operations[event]
        after = reading(new, free_after)
        conditions.check(f'{event}: idle if and only if a slot is free',
                         And(guard, Not(Iff(idle(new), free_after > bits(0)))))
        for name in ('waiting', 'closed', 'watched', 'short', 'wave'):
            wanted = changes.get(name, before[name])
            conditions.check(f'{event}: {name}', And(guard, low(name, after[name]) != low(name, wanted)))
        if 'free' in changes:
            if event in ('POP', 'REPOP'):
                state = And(field('value', new) == field('value', 'b'), field('stamp', new) == field('stamp', 'b'))
            else:
                state = And(Term(f'(= (decode_value {new}) slot)'), Term(f'(= (decode_stamp {new}) number)'))
            conditions.check(f'{event}: the top', And(guard, Not(state)))
        else:
            wanted = changes.get('head', before['head'])
            conditions.check(f'{event}: head, or tag', And(guard, low('head', after['head']) != low('head', wanted)))
            moved = 'waiting' in changes and 'head' not in changes      # COUNT moves the tail, TAKE does not
            tail = Term(f'(bvadd (tail w) (_ bv{int(moved)} 32))')
            conditions.check(f'{event}: tail', And(guard, Not(idle('w')), Term(f'(tail {new})') != tail))
            if 'waiting' not in changes:
                conditions.check(f'{event}: top', And(guard, field('value', new) != field('value', 'w')))
        if event == 'SHOW':
            conditions.check('SHOW: the word', Term(new) != Term('w'))
    return conditions


def laws():
    """What else src/word.rs says of itself."""
    conditions = Conditions('word', declarations() + ['(declare-const less (_ BitVec 16))'], [])
    # Fewer slots are free than there are: one of them is about to be pushed.
    quiet = And(Term('(= (waiting w) #x0000)'), Iff(idle('w'), Term('(distinct less #x0000)')),
                Term('(distinct less #xffff)'))
    conditions.check('a pop after a push restores the word', And(
        quiet, Term('(distinct (with_popped (with_pushed w slot number) (beneath w less)) w)')))
    conditions.check('what is beneath knows the depth', And(
        quiet, Term('(distinct (depth (beneath w less)) (bvadd less #x0001))')))
    conditions.check('whatever the flags did meanwhile', And(
        quiet, Term('(= b (with_closed (with_watched (with_short (with_pushed w slot number)))))'),
        Term('(distinct (with_popped b (beneath w less)) (with_closed (with_watched (with_short w))))')))
    conditions.check('a push decodes as idle with its slot and number', Or(
        Not(Term('(is_idle (with_pushed w slot number))')),
        Term('(distinct (decode_value (with_pushed w slot number)) slot)'),
        Term('(distinct (decode_stamp (with_pushed w slot number)) number)')))
    conditions.check('never idle and waiting', And(Term('(is_idle w)'), Term('(distinct (waiting w) #x0000)')))
    conditions.check('waiting is at most 65535 after a count', And(
        Not(Term('(is_idle w)')), Term('(bvult (waiting w) #xffff)'),
        Term('(distinct ((_ zero_extend 16) (waiting (with_counted w)))'
             ' (bvadd ((_ zero_extend 16) (waiting w)) #x00000001))')))
    conditions.check('a take after a count moves head and tail by one', And(
        Not(Term('(is_idle w)')), Term('(bvult (waiting w) #xffff)'), Or(
            Term('(distinct (tail (with_taken (with_counted w))) (bvadd (tail w) #x00000001))'),
            Term('(distinct (decode_stamp (with_taken (with_counted w))) (bvadd (decode_stamp w) #x00000001))'))))
    conditions.check('the wave counts modulo 4096', And(
        Term('(is_watched w)'), Term('(distinct (wave (with_quiescence w))'
                                     ' (bvurem (bvadd (wave w) #x0000000000000001) #x0000000000001000))')))
    conditions.check('quiescence leaves an unwatched word alone', And(
        Not(Term('(is_watched w)')), Term('(distinct (with_quiescence w) w)')))
    conditions.check('positions compare across the wrap', And(
        Term('(bvult q #x80000000)'), Term('(distinct (is_before p (bvadd p q)) (distinct q #x00000000))')))
    conditions.check('a state and the flags are the whole word', Term(
        '(distinct w (bvor (bvand w STATE_MASK) (bvand w (bvor CLOSED WATCHED SHORT WAVE_MASK))))'))
    conditions.check('the fields do not overlap', Term(
        '(distinct (bvadd STATE_MASK CLOSED WATCHED SHORT WAVE_MASK) (bvnot #x0000000000000000))'))
    return conditions


def enabled():
    """Every row applies to some word."""
    conditions = Conditions('word', declarations(), assumptions())
    for kind, event in TABLE:
        if kind == 'word':
            conditions.check(event, row('word', event, reading('w', Bits('free')))[0])
    return conditions


# Transitions broken on purpose: the event, and what makes it instead.
BROKEN = [
    ('wave not masked', 'QUIET',
     '(bvand (bvadd (with_pushed w slot number) ONE_WAVE) (bvnot WATCHED))'),
    ('count without its guard', 'COUNT', '(bvadd w #x000000000000ffff)'),
    ('take borrows from the neighbour', 'TAKE', '(bvsub (bvadd w #x0000000100000000) #x0000000000010001)'),
    ('pop keeps the old state', 'POP', '(bvor w b)'),
    ('push forgets the flags', 'PUSH', '(encode_idle slot number)'),
    ('push forgets the mode', 'PUSH', '(with_state w (encode_busy slot number))'),
    ('take leaves the head', 'TAKE', '(with_state w (encode_busy (bvsub (decode_value w) #x0001) (decode_stamp w)))'),
    ('watched not cleared', 'QUIET',
     '(bvor (bvand (with_pushed w slot number) (bvnot WAVE_MASK)) (bvand (bvadd w ONE_WAVE) WAVE_MASK))'),
    ('short clears its neighbours', 'UNSHORT', '(bvand w (bvnot (bvor SHORT WATCHED)))'),
]


def refute(event, operation):
    """Some condition on the row fails, in both solvers alike."""
    answers = rows({**OPERATIONS, event: operation}).answers()
    for name, answer in answers:
        wanted = [('unsat', 'unsat')] + [('sat', 'sat')] * name.startswith(event + ':')
        if answer not in wanted:
            raise Failure(f'{name}: {" and ".join(answer)}')
    return sum(answer[0] == 'sat' for _, answer in answers)


# --- vectors -------------------------------------------------------------------------------------------------

EDGES = {'value': [0, 1, 2, 0x7fff, 0x8000, 0xfffe, 0xffff],
         'stamp': [0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff],
         'wave': [0, 1, 0x7ff, 0x800, 0xffe, 0xfff]}


def inputs():
    """Words, and for each the operations whose guards it satisfies: (word, operation, first, second)."""
    generator = random.Random(1)

    def pick(name, width):
        return generator.choice(EDGES[name]) if generator.random() < 0.7 else generator.getrandbits(width)

    def word(mode, value):
        flags = generator.getrandbits(3)
        return pick('stamp', 32) << 32 | pick('wave', 12) << 20 | flags << 17 | mode << 16 | value
    for mode in (0, 1):
        for value in EDGES['value'] + [generator.getrandbits(16) for _ in range(5)]:
            for _ in range(2):
                w = word(mode, value)
                for plain in ('waiting', 'wave', 'depth', 'is_closed', 'is_watched', 'is_short', 'with_closed',
                              'with_watched', 'with_quiescence', 'with_short', 'without_short'):
                    yield w, plain, 0, 0
                if mode == 0:
                    yield w, 'tail', 0, 0
                if mode == 1:
                    depth = pick('value', 16)
                    value_beneath = pick('value', 16) if depth > 1 else 0
                    yield w, 'with_popped', pick('stamp', 32) << 32 | depth << 16 | value_beneath, 0
                if mode == 1 or value == 0:
                    yield w, 'beneath', pick('value', 16), 0
                    yield w, 'with_pushed', pick('value', 16), pick('stamp', 32)
                    yield w, 'with_pushed', pick('value', 16), pick('stamp', 32)
                if mode == 0 and value < 0xffff:
                    yield w, 'with_counted', 0, 0
                if mode == 0 and value > 0:
                    yield w, 'with_taken', 0, 0
    for _ in range(20):
        p, distance = pick('stamp', 32), generator.choice([0, 1, 2, 65535, 0x7fffffff, 0x80000001, 0xffffffff])
        yield p, 'is_before', (p + distance) & 0xffffffff, 0


def vectors():
    """The rows of the file, evaluated by both solvers."""
    given, asked = list(inputs()), []
    narrow = {'with_pushed': (16, 32), 'with_popped': (64,), 'beneath': (16,), 'is_before': (32,)}
    results = {'waiting': 48, 'tail': 32, 'depth': 48}
    for w, operation, *arguments in given:
        widths = narrow.get(operation, ())
        text = ' '.join([bits(w, 32 if operation == 'is_before' else 64).text,
                         *(bits(a, width).text for a, width in zip(arguments, widths))])
        value = f'({operation} {text})'
        if operation.startswith('is_'):
            value = f'(ite {value} {bits(1).text} {bits(0).text})'
        if operation in results:
            value = f'((_ zero_extend {results[operation]}) {value})'
        asked.append(value)
    script = ['(set-logic ALL)', '(set-option :produce-models true)', DEFINITIONS.strip()]
    script += [f'(declare-const r{i} Word)\n(assert (= r{i} {value}))' for i, value in enumerate(asked)]
    script += ['(check-sat)', f'(get-value ({" ".join(f"r{i}" for i in range(len(asked)))}))']
    columns = []
    for solver, answer in ask_all('\n'.join(script)):
        values = dict(re.findall(r'\((r\d+) (#[xb][0-9a-f]+)\)', answer))
        if not answer.startswith('sat') or len(values) != len(asked):
            raise Failure(f'vectors: {solver} says {answer[:300]}')
        columns.append([int('0' + values[f'r{i}'][1:], 0) for i in range(len(asked))])
    if any(column != columns[0] for column in columns):
        raise Failure('vectors: the solvers evaluate differently')
    lines = ['word\toperation\tfirst\tsecond\tresult']
    for (w, operation, first, second), result in zip(given, columns[0]):
        lines.append(f'{w:#018x}\t{operation}\t{first:#x}\t{second:#x}\t{result:#018x}')
    return '\n'.join(lines) + '\n'


def write_vectors():
    with open(VECTORS, 'w') as file:
        file.write(vectors())


def check_vectors():
    """The file is what these definitions give; how many rows it has."""
    text = vectors()
    if not os.path.exists(VECTORS) or open(VECTORS).read() != text:
        raise Failure('word_vectors.tsv is out of date: proof.py --write')
    return len(text.splitlines()) - 1
