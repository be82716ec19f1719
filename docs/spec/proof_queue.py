"""The queue, for every `max`, any number of threads and a ring of any size: WAKE, ONCE, RING-1 to RING-3, FIFO.

Every submitter and worker is a thread; whoever holds a slot is in `run`, `claim`, `look` or `armed` (the submitter
that pops a slot and the worker that it hands it to count as one). The steps are those of docs/PROTOCOL.md, with the
load and the CAS of each apart wherever something could happen in between. What a load finds is forgotten, and a
CAS on the word asks only for the part of the loaded word on which something is concluded (the tail or the head
is still there); the shipped CAS asks for all of it, so it has fewer behaviours.

*The ring.* `ring(p)` is the cell of position `p`. That two positions of one cell are at least one lap apart is all
that is said about it: it holds for the remainder of a division by any lap, and for a cell for each position. So
laps, holes and workers stopped for a lap are in the model, with `lap` = `room` + 1 an unknown constant.

*Ghosts.* `fate(p)` is what became of the entry at position `p`; `owner(p)` who installed it; `taker(p)` the worker
that took `p` out of the count; `hole(p)` that somebody was not able to install at `p` although nobody had: for an
older entry, or because the cell changed under its CAS from one older state to another. `place` numbers the holders
of slots from free + 1 to max, as `rank` does in proof_stack.py.
"""
from proof_terms import *

FIELDS = 'free closed watched short wave'.split()

LETTERS = {'t': 'Thread', 'u': 'Thread', 'p': 'position', 'q': 'position', 'c': 'Cell', 'm': 'place', 'x': 'seat'}

SITTING = 'seated install aim help counting asleep withdrawing gone pass'
INSTALLED = 'counting asleep withdrawing'
HOLDING = 'run claim look armed'
AT_HAND = 'claim look armed'

ENUMS = {
    # out; has a seat; has loaded the tail; its cell, free; found something there; has installed, to count; sleeps;
    # to withdraw; has withdrawn; has found the head over.
    # Holds a slot; has taken a position; has loaded its cell; has read the seat.
    'Step': 'out ' + SITTING + ' ' + HOLDING,
    'Fate': 'nothing live claimed withdrawn',
}

SIGNATURE = {
    'max': 'place', 'room': 'position', 'lap': 'position', 'start': 'position',
    'free': 'place', 'head': 'position', 'tail': 'position',                     # the word; waiting is tail - head
    'closed': 'flag', 'watched': 'flag', 'short': 'flag', 'wave': 'wave',
    'ring': ('position', 'Cell'), 'at': ('Cell', 'position'), 'seat': ('Cell', 'seat'),
    'chair': ('seat', 'Thread'), 'engaged': ('seat', 'Bool'),                    # whose task is in it, and whether
    'fate': ('position', 'Fate'), 'owner': ('position', 'Thread'), 'taker': ('position', 'Thread'),
    'hole': ('position', 'Bool'),
    'step': ('Thread', 'Step'),
    'mine': ('Thread', 'seat'),              # a submitter's seat
    'pos': ('Thread', 'position'),           # a submitter's position; the one in a worker's hand; a sweeper's head
    'place': ('Thread', 'place'), 'holder': ('place', 'Thread'),
    'seen_at': ('Thread', 'position'), 'seen_seat': ('Thread', 'seat'), 'seen_task': ('Thread', 'Thread'),
}


def axioms(s):
    return And(s.max >= 1, s.room >= 1, s.lap == s.room + 1, s.start >= 1,
               forall(lambda p, q: If(And(p < q, s.ring(p) == s.ring(q)), p + s.lap <= q)))


def initial(s):
    """Every slot is free; no cell has ever been used; nobody sits."""
    return And(s.free == s.max, s.head == s.start, s.tail == s.start, s.closed == 0, s.watched == 0, s.short == 0,
               forall(lambda c: And(s.at(c) == 0, s.seat(c) == 0)),
               forall(lambda x: Not(s.engaged(x))),
               forall(lambda p: And(s.fate(p) == 'nothing', Not(s.hole(p)))),
               forall(lambda t: s.step(t) == 'out'))


# --- the invariant -------------------------------------------------------------------------------------------


def in_hand(s, t, p):
    return And(one_of(s.step(t), AT_HAND), s.pos(t) == p)


def is_over(s, p):
    """The cell has done with `p`: closed for it, or used for a later position."""
    c = s.ring(p)
    return Or(s.at(c) > p, And(s.at(c) == p, s.seat(c) == 0))


INVARIANT = [
    ('the word', lambda s: And(
        0 <= s.free, s.free <= s.max, s.start <= s.head, s.head <= s.tail, s.tail <= s.head + s.room,
        Or(s.closed == 0, s.closed == 1))),
    ('never idle and waiting', lambda s: If(s.free > 0, s.head == s.tail)),
    ('MAX: holders have places above free', lambda s: forall(lambda t: If(
        one_of(s.step(t), HOLDING), s.free < s.place(t), s.place(t) <= s.max, s.holder(s.place(t)) == t))),
    ('MAX: places above free have holders', lambda s: forall(lambda m: If(
        And(s.free < m, m <= s.max), one_of(s.step(s.holder(m)), HOLDING), s.place(s.holder(m)) == m))),
    ('who sits has a seat of its own', lambda s: forall(lambda t: If(
        one_of(s.step(t), SITTING), s.mine(t) >= 1, s.engaged(s.mine(t)), s.chair(s.mine(t)) == t))),
    ('positions lie before the tail, or are the tail', lambda s: And(
        forall(lambda t: If(
            one_of(s.step(t), 'install aim help ' + INSTALLED), s.start <= s.pos(t), s.pos(t) <= s.tail)),
        forall(lambda c: And(s.at(c) <= s.tail, s.seat(c) >= 0)))),
    ('a cell is unused or at a position of its own', lambda s: forall(lambda c: Or(
        And(s.at(c) == 0, s.seat(c) == 0), And(s.at(c) >= s.start, s.ring(s.at(c)) == c)))),
    ('an installer has read a past state of the cell or the present one', lambda s: forall(lambda t: If(
        s.step(t) == 'aim',
        0 <= s.seen_at(t), s.seen_at(t) <= s.at(s.ring(s.pos(t))), s.seen_at(t) < s.pos(t),
        If(s.seen_at(t) == s.at(s.ring(s.pos(t))), s.seat(s.ring(s.pos(t))) == 0)))),
    ('who has installed is the owner', lambda s: forall(lambda t: If(
        one_of(s.step(t), INSTALLED),
        s.owner(s.pos(t)) == t, one_of(s.fate(s.pos(t)), 'live claimed')))),
    ('who sleeps was counted', lambda s: forall(lambda t: If(s.step(t) == 'asleep', s.pos(t) < s.tail))),
    # A live entry and the cell that shows it.
    ('a live entry stands in its cell', lambda s: forall(lambda p: If(
        s.fate(p) == 'live',
        one_of(s.step(s.owner(p)), INSTALLED), s.pos(s.owner(p)) == p, s.start <= p, p <= s.tail,
        s.at(s.ring(p)) == p, s.seat(s.ring(p)) == s.mine(s.owner(p))))),
    ('a cell with a seat shows a live entry', lambda s: forall(lambda c: If(
        s.seat(c) > 0, s.fate(s.at(c)) == 'live', s.ring(s.at(c)) == c))),
    # RING-3: an entry that was installed at `p` has the cell at `p` or later, so none comes after it.
    ('RING-3: a position is used once', lambda s: forall(lambda p: If(
        s.fate(p) != 'nothing', s.at(s.ring(p)) >= p))),
    ('what was claimed was taken', lambda s: forall(lambda p: If(s.fate(p) == 'claimed', p < s.head))),
    # RING-1: what is counted was installed, or was a hole.
    ('RING-1: counted positions were installed, or holes', lambda s: forall(lambda p: If(
        And(s.start <= p, p < s.tail), Or(s.at(s.ring(p)) >= p, s.hole(p))))),
    ('helpers have found something', lambda s: forall(lambda t: If(
        s.step(t) == 'help', Or(s.at(s.ring(s.pos(t))) >= s.pos(t), s.hole(s.pos(t)))))),
    # RING-2 and WAKE: a position that was passed is over, or in the hand of the worker that took it.
    ('RING-2: passed and not over is in its taker\'s hand', lambda s: forall(lambda p: If(
        And(s.start <= p, p < s.head), Or(is_over(s, p), in_hand(s, s.taker(p), p))))),
    ('a position is in one hand', lambda s: forall(lambda t: If(
        one_of(s.step(t), AT_HAND), s.start <= s.pos(t), s.pos(t) < s.head, s.taker(s.pos(t)) == t))),
    ('a sweeper has found its position over', lambda s: forall(lambda t: If(
        s.step(t) == 'pass', is_over(s, s.pos(t))))),
    # What a worker has read of a cell, and of the seat in it, is right if the cell still says so (RING-3).
    ('a worker has read a past entry or the present one', lambda s: forall(lambda t: If(
        one_of(s.step(t), 'look armed'),
        s.seen_at(t) <= s.pos(t), s.seen_at(t) <= s.at(s.ring(s.pos(t))), s.seen_seat(t) >= 0))),
    ('an entry read twice is the same entry', lambda s: forall(lambda t: If(
        And(s.step(t) == 'armed', s.seen_seat(t) > 0, s.at(s.ring(s.pos(t))) == s.seen_at(t),
            s.seat(s.ring(s.pos(t))) == s.seen_seat(t)),
        s.seen_task(t) == s.chair(s.seen_seat(t))))),
]

# --- the actions ---------------------------------------------------------------------------------------------


def word_row(event, s):
    values = Values({field: getattr(s, field) for field in FIELDS}, max=s.max, room=s.room, head=s.head,
                    waiting=s.tail - s.head)
    guard, changes = row('word', event, values)
    head, waiting = changes.pop('head', s.head), changes.pop('waiting', s.tail - s.head)
    return guard, s.but(head=head, tail=head + waiting, **changes)


def cell_row(event, s, c, p, mine):
    guard, changes = row('cell', event, Values(at=s.at(c), seat=s.seat(c), p=p, mine=mine))
    return guard, s.but(**{name: [(c, value)] for name, value in changes.items()})


def either(s, *events):
    """One of these rows, which make the same change."""
    (guard, after), *others = (word_row(event, s) for event in events)
    return Or(guard, *(other for other, _ in others)), after


def pop(s, t):
    """E-POP."""
    guard, after = either(s, 'POP', 'REPOP')
    return (And(guard, s.step(t) == 'out'),
            after.but(step=[(t, 'run')], place=[(t, s.free)], holder=[(s.free, t)]))


def give_back(event, s, t):
    guard, after = word_row(event, s)
    other = s.holder(s.free + 1)
    return (And(guard, s.step(t) == 'run'),
            after.but(step=[(t, 'out')], place=[(other, s.place(t))], holder=[(s.place(t), other)]))


def push(s, t):
    """E-PUSH: nothing waits; the slot goes back, and whoever has the place next to the free ones moves up."""
    return give_back('PUSH', s, t)


def fill(s, t):
    return give_back('FILL', s, t)


def quiet(s, t):
    return give_back('QUIET', s, t)


def close(s):
    return word_row('CLOSE', s)


def watch(s):
    return word_row('WATCH', s)


def short(s):
    return word_row('SHORT', s)


def unshort(s):
    return word_row('UNSHORT', s)


def sit(s, t, x):
    """Q-SIT."""
    return (And(s.step(t) == 'out', x >= 1, Not(s.engaged(x))),
            s.but(step=[(t, 'seated')], mine=[(t, x)], engaged=[(x, True)], chair=[(x, t)]))


def load_tail(s, t):
    """Busy, with room (and open, for most): the tail is the position to install at."""
    return (And(s.step(t) == 'seated', s.free == 0, s.tail - s.head < s.room),
            s.but(step=[(t, 'install')], pos=[(t, s.tail)]))


def leave_early(s, t):
    """Idle, closed or without room."""
    return s.step(t) == 'seated', s.but(step=[(t, 'out')], engaged=[(s.mine(t), False)])


def free_for(s, c, p, mine):
    return cell_row('INSTALL', s, c, p, mine)[0]


def find_free(s, t):
    """Q-INSTALL: the cell is loaded, and free for the position."""
    p, c = s.pos(t), s.ring(s.pos(t))
    return (And(s.step(t) == 'install', free_for(s, c, p, s.mine(t))),
            s.but(step=[(t, 'aim')], seen_at=[(t, s.at(c))]))


def find_taken(s, t):
    """Q-INSTALL: there is an entry, or its remains, or an older lap's entry, which makes a hole."""
    p, c = s.pos(t), s.ring(s.pos(t))
    return (And(s.step(t) == 'install', Not(free_for(s, c, p, s.mine(t)))),
            s.but(step=[(t, 'help')], hole=[(p, Or(s.hole(p), s.at(c) < p))]))


def install(s, t):
    """Q-INSTALL: the CAS, from the free cell that was loaded."""
    p, c = s.pos(t), s.ring(s.pos(t))
    guard, after = cell_row('INSTALL', s, c, p, s.mine(t))
    return (And(s.step(t) == 'aim', s.at(c) == s.seen_at(t), s.seat(c) == 0, guard),
            after.but(step=[(t, 'counting')], fate=[(p, 'live')], owner=[(p, t)]))


def install_fails(s, t):
    """The cell has changed. If it is older than the position all the same, that makes a hole."""
    p, c = s.pos(t), s.ring(s.pos(t))
    return (And(s.step(t) == 'aim', Not(And(s.at(c) == s.seen_at(t), s.seat(c) == 0))),
            s.but(step=[(t, 'help')], hole=[(p, Or(s.hole(p), s.at(c) < p))]))


def help_count(s, t):
    """E-COUNT for whatever is at the tail."""
    guard, after = either(s, 'COUNT', 'RECOUNT')
    return And(s.step(t) == 'help', s.tail == s.pos(t), guard), after.but(step=[(t, 'seated')])


def help_fails(s, t):
    return s.step(t) == 'help', s.but(step=[(t, 'seated')])


def count(s, t):
    """Q-COUNT: the tail is not beyond the position, and is counted."""
    guard, after = either(s, 'COUNT', 'RECOUNT')
    return And(s.step(t) == 'counting', s.tail <= s.pos(t), guard), after.but(step=[(t, 'asleep')])


def find_counted(s, t):
    """Q-COUNT: the tail is beyond the position."""
    return (And(s.step(t) == 'counting', s.free == 0, s.pos(t) < s.tail),
            s.but(step=[(t, 'asleep')]))


def give_up(s, t):
    """Step 3 finds the pool idle, closed or full (whatever it is by then), or the deadline passes."""
    return one_of(s.step(t), 'counting asleep'), s.but(step=[(t, 'withdrawing')])


def withdraw(s, t):
    """Q-WITHDRAW."""
    p = s.pos(t)
    guard, after = cell_row('WITHDRAW', s, s.ring(p), p, s.mine(t))
    return And(s.step(t) == 'withdrawing', guard), after.but(step=[(t, 'gone')], fate=[(p, 'withdrawn')])


def withdraw_fails(s, t):
    """Somebody has claimed it."""
    p = s.pos(t)
    guard, _ = cell_row('WITHDRAW', s, s.ring(p), p, s.mine(t))
    return And(s.step(t) == 'withdrawing', Not(guard)), s.but(step=[(t, 'asleep')])


def find_over(s, t):
    """Q-SWEEP: the head is loaded, and its cell found closed."""
    c = s.ring(s.head)
    return (And(s.step(t) == 'gone', s.head < s.tail, s.at(c) == s.head, s.seat(c) == 0),
            s.but(step=[(t, 'pass')], pos=[(t, s.head)]))


def sweep(s, t):
    """... E-TAKE for it, if it is still the head."""
    guard, after = word_row('TAKE', s)
    return And(s.step(t) == 'pass', s.head == s.pos(t), guard), after.but(step=[(t, 'gone')])


def sweep_fails(s, t):
    return s.step(t) == 'pass', s.but(step=[(t, 'gone')])


def swept(s, t):
    return s.step(t) == 'gone', s.but(step=[(t, 'out')], engaged=[(s.mine(t), False)])


def admitted(s, t):
    """Q-ADMIT, seen from the submitter."""
    return (And(s.step(t) == 'asleep', s.fate(s.pos(t)) == 'claimed'),
            s.but(step=[(t, 'out')], engaged=[(s.mine(t), False)]))


def take(s, t):
    """Q-TAKE: E-TAKE by a worker that has finished."""
    guard, after = word_row('TAKE', s)
    return (And(s.step(t) == 'run', guard),
            after.but(step=[(t, 'claim')], pos=[(t, s.head)], taker=[(s.head, t)]))


def load_cell(s, t):
    """Q-CLAIM: not later than the position, and not closed for it."""
    p, c = s.pos(t), s.ring(s.pos(t))
    return (And(s.step(t) == 'claim', Not(is_over(s, p))),
            s.but(step=[(t, 'look')], seen_at=[(t, s.at(c))], seen_seat=[(t, s.seat(c))]))


def find_dead(s, t):
    """The cell is over: the worker gives its slot back once more."""
    return And(s.step(t) == 'claim', is_over(s, s.pos(t))), s.but(step=[(t, 'run')])


def read_seat(s, t):
    return s.step(t) == 'look', s.but(step=[(t, 'armed')], seen_task=[(t, s.chair(s.seen_seat(t)))])


def still_seen(s, t):
    c = s.ring(s.pos(t))
    return And(s.step(t) == 'armed', s.at(c) == s.seen_at(t), s.seat(c) == s.seen_seat(t))


def claim(s, t):
    """Q-CLAIM: the entry of the position itself."""
    p = s.pos(t)
    guard, after = cell_row('CLAIM', s, s.ring(p), p, s.mine(t))
    return And(still_seen(s, t), guard), after.but(step=[(t, 'run')], fate=[(s.seen_at(t), 'claimed')])


def inherit(s, t):
    """Q-CLAIM: the entry of an older lap, in the stead of the worker that took it."""
    p = s.pos(t)
    guard, after = cell_row('INHERIT', s, s.ring(p), p, s.mine(t))
    return And(still_seen(s, t), guard), after.but(step=[(t, 'run')], fate=[(s.seen_at(t), 'claimed')])


def seal(s, t):
    """Q-CLAIM: nothing is there; the cell is closed for the position."""
    p = s.pos(t)
    guard, after = cell_row('SEAL', s, s.ring(p), p, s.mine(t))
    return And(still_seen(s, t), guard), after.but(step=[(t, 'run')])


def claim_fails(s, t):
    return And(s.step(t) == 'armed', Not(still_seen(s, t))), s.but(step=[(t, 'claim')])


ACTIONS = [pop, push, fill, quiet, close, watch, short, unshort, sit, load_tail, leave_early, find_free,
           find_taken, install, install_fails, help_count, help_fails, count, find_counted, give_up, withdraw,
           withdraw_fails, find_over, sweep, sweep_fails, swept, admitted, take, load_cell, find_dead, read_seat, claim, inherit, seal, claim_fails]

# --- what follows --------------------------------------------------------------------------------------------


def waits(s, t):
    return And(s.step(t) == 'asleep', s.fate(s.pos(t)) != 'claimed')


def no_laps(s):
    """A cell for each position."""
    return forall(lambda p, q: If(p != q, s.ring(p) != s.ring(q)))


THEOREMS = [
    ('WAKE: who sleeps is counted, or in a hand, or claimed', lambda s: forall(lambda t: If(
        waits(s, t), Or(And(s.head <= s.pos(t), s.pos(t) < s.tail), in_hand(s, s.taker(s.pos(t)), s.pos(t)))))),
    ('WAKE: and its entry stands in its cell', lambda s: forall(lambda t: If(
        waits(s, t), s.fate(s.pos(t)) == 'live', s.at(s.ring(s.pos(t))) == s.pos(t),
        s.seat(s.ring(s.pos(t))) == s.mine(t)))),
    ('WAKE: while positions are counted every slot is held', lambda s: If(
        s.head < s.tail, forall(lambda m: If(And(1 <= m, m <= s.max), one_of(s.step(s.holder(m)), HOLDING))))),
    ('nobody is stranded while the word is idle', lambda s: If(s.free > 0, forall(lambda t: If(
        waits(s, t), in_hand(s, s.taker(s.pos(t)), s.pos(t)))))),
    ('nobody waits at quiescence', lambda s: If(s.free == s.max, forall(lambda t: Not(waits(s, t))))),
    ('MAX: two holders have two places', lambda s: forall(lambda t, u: If(
        And(one_of(s.step(t), HOLDING), one_of(s.step(u), HOLDING), t != u), s.place(t) != s.place(u)))),
    ('a position is in one worker\'s hand', lambda s: forall(lambda t, u: If(
        And(one_of(s.step(t), AT_HAND), one_of(s.step(u), AT_HAND), t != u), s.pos(t) != s.pos(u)))),
    ('a position belongs to one submitter', lambda s: forall(lambda t, u: If(
        And(one_of(s.step(t), INSTALLED), one_of(s.step(u), INSTALLED), t != u), s.pos(t) != s.pos(u)))),
    ('a seat belongs to one submitter', lambda s: forall(lambda t, u: If(
        And(one_of(s.step(t), SITTING), one_of(s.step(u), SITTING), t != u), s.mine(t) != s.mine(u)))),
    ('an older entry is in the way only of a worker stopped for a lap', lambda s: forall(lambda c: If(
        And(s.seat(c) > 0, s.at(c) < s.tail, s.ring(s.tail) == c),
        s.at(c) + s.lap <= s.tail, s.at(c) < s.head, in_hand(s, s.taker(s.at(c)), s.at(c))))),
]

STEPS = [
    ('ONCE: an entry is installed once, and then claimed or withdrawn, once', None, lambda s, n: forall(lambda p: Or(
        n.fate(p) == s.fate(p),
        And(s.fate(p) == 'nothing', n.fate(p) == 'live'),
        And(s.fate(p) == 'live', one_of(n.fate(p), 'claimed withdrawn'))))),
    ('ONCE: a seat in the ring is its submitter\'s', None, lambda s, n: forall(lambda p: If(
        n.fate(p) == 'live', n.chair(n.seat(n.ring(p))) == n.owner(p)))),
    ('RING-3: no cell goes back', None, lambda s, n: forall(lambda c: And(
        n.at(c) >= s.at(c), If(And(n.at(c) == s.at(c), s.seat(c) != n.seat(c)), n.seat(c) == 0)))),
    ('FIFO: the head moves by one, and never back', None, lambda s, n: And(
        Or(n.head == s.head, n.head == s.head + 1), Or(n.tail == s.tail, n.tail == s.tail + 1))),
    ('FIFO: a worker takes the head', 'take', lambda s, n, t: And(n.pos(t) == s.head, n.head == s.head + 1)),
    ('only the position at the tail is counted', 'count help_count', lambda s, n, t: And(
        s.pos(t) == s.tail, n.tail == s.tail + 1)),
    ('RING-1: what is counted was installed, or is a hole', 'count help_count', lambda s, n: Or(
        s.fate(s.tail) != 'nothing', s.at(s.ring(s.tail)) >= s.tail, s.hole(s.tail))),
    ('a sweeper drops nothing that lives', 'sweep', lambda s, n: And(
        s.fate(s.head) != 'live', is_over(s, s.head))),
    ('a worker claims the task that it has read', 'claim inherit', lambda s, n, t: And(
        s.fate(s.seen_at(t)) == 'live', s.seen_task(t) == s.owner(s.seen_at(t)))),
    ('a worker claims its position', 'claim', lambda s, n, t: s.seen_at(t) == s.pos(t)),
    ('a worker inherits from one stopped for a lap', 'inherit', lambda s, n, t: And(
        s.seen_at(t) + s.lap <= s.pos(t), in_hand(s, s.taker(s.seen_at(t)), s.seen_at(t)),
        s.taker(s.seen_at(t)) != t)),
    ('a hole found is an entry whose taker has been stopped for a lap', 'find_taken', lambda s, n, t: If(
        And(n.hole(s.pos(t)), Not(s.hole(s.pos(t)))),
        s.fate(s.at(s.ring(s.pos(t)))) == 'live', s.at(s.ring(s.pos(t))) + s.lap <= s.pos(t),
        in_hand(s, s.taker(s.at(s.ring(s.pos(t)))), s.at(s.ring(s.pos(t)))))),
    ('a hole under a CAS is a cell used for an older lap meanwhile', 'install_fails', lambda s, n, t: If(
        And(n.hole(s.pos(t)), Not(s.hole(s.pos(t)))),
        s.at(s.ring(s.pos(t))) > s.seen_at(t), s.at(s.ring(s.pos(t))) + s.lap <= s.pos(t),
        s.at(s.ring(s.pos(t))) < s.head)),
    ('without laps there are no holes', 'find_taken install_fails', lambda s, n, t: If(
        no_laps(s), Iff(n.hole(s.pos(t)), s.hole(s.pos(t))))),
    ('a withdrawal fails only if the task was claimed', 'withdraw_fails', lambda s, n, t:
        s.fate(s.pos(t)) == 'claimed'),
]

# What these parts need to be kept; with all the others beside them z3 loses its way.
COUNTED = ['the word', 'never idle and waiting', 'MAX: holders have places above free',
           'MAX: places above free have holders']

QUEUE = System('queue', letters=LETTERS, enums=ENUMS, signature=SIGNATURE, axioms=axioms, initial=initial,
               invariant=INVARIANT, actions=ACTIONS, theorems=THEOREMS, steps=STEPS,
               enough={name: COUNTED for name in COUNTED},
               sizes={'Thread': 3, 'Cell': 2, 'position': range(5), 'seat': range(3), 'place': range(3),
                      'flag': range(2)})
WIDE = QUEUE.but(sizes={**QUEUE.sizes, 'Cell': 3})

SCENARIOS_WIDE = [
    ('two sleep, counted, on a full pool', lambda s: exists(lambda t, u: And(
        t != u, waits(s, t), waits(s, u), s.head + 1 < s.tail, s.head <= s.pos(t), s.head <= s.pos(u),
        s.max == 1, s.closed == 1))),
]
SCENARIOS = [
    ('one sleeps while the pool is idle, in a hand', lambda s: exists(lambda t: And(
        waits(s, t), s.free == 1, s.max == 2))),
    ('a withdrawn entry is counted', lambda s: exists(lambda p: And(
        s.fate(p) == 'withdrawn', s.head <= p, p < s.tail))),
    ('a hole is counted, with an older entry in its cell', lambda s: exists(lambda p: And(
        s.hole(p), s.head <= p, p < s.tail, s.seat(s.ring(p)) > 0, s.at(s.ring(p)) < p))),
    ('somebody installs behind the head', lambda s: exists(lambda t: And(
        s.step(t) == 'aim', s.pos(t) < s.head, s.at(s.ring(s.pos(t))) == s.seen_at(t)))),
    ('a cell changes under the CAS to another that is free', lambda s: exists(lambda t: And(
        s.step(t) == 'aim', s.at(s.ring(s.pos(t))) > s.seen_at(t), s.seat(s.ring(s.pos(t))) == 0,
        s.at(s.ring(s.pos(t))) < s.pos(t)))),
    ('a worker is armed with an entry withdrawn, its seat taken again', lambda s: exists(lambda t, u: And(
        s.step(t) == 'armed', s.seen_seat(t) > 0, s.seat(s.ring(s.pos(t))) == 0,
        s.seen_task(t) != u, one_of(s.step(u), SITTING), s.mine(u) == s.seen_seat(t)))),
    ('closed, quiescent', lambda s: And(s.closed == 1, s.free == s.max, s.start < s.head)),
]

# --- broken on purpose ---------------------------------------------------------------------------------------


def count_without_installing(s, t):
    """The submitter counts the tail that it loaded, and installs afterwards."""
    guard, after = word_row('COUNT', s)
    return And(s.step(t) == 'install', s.tail == s.pos(t), guard), after


def sleep_uncounted(s, t):
    """The submitter sleeps once it has installed."""
    return s.step(t) == 'counting', s.but(step=[(t, 'asleep')])


def withdraw_to_free(s, t):
    """The withdrawn entry leaves the cell free for the same position."""
    p = s.pos(t)
    guard, _ = cell_row('WITHDRAW', s, s.ring(p), p, s.mine(t))
    return (And(s.step(t) == 'withdrawing', guard),
            s.but(step=[(t, 'gone')], fate=[(p, 'withdrawn')], seat=[(s.ring(p), 0)], at=[(s.ring(p), p - 1)]))


def withdraw_regardless(s, t):
    """A withdrawal that failed is taken for a success: the closure goes back, and runs as well."""
    return s.step(t) == 'withdrawing', s.but(step=[(t, 'gone')], fate=[(s.pos(t), 'withdrawn')])


def leave_installed(s, t):
    """The submitter that finds the pool idle leaves its entry behind."""
    return (And(s.step(t) == 'withdrawing', s.free > 0),
            s.but(step=[(t, 'out')], engaged=[(s.mine(t), False)]))


def no_seal(s, t):
    """A worker leaves the cell of a dead position open behind it."""
    p = s.pos(t)
    guard, _ = cell_row('SEAL', s, s.ring(p), p, s.mine(t))
    return And(still_seen(s, t), guard), s.but(step=[(t, 'run')])


def overwrite(s, t):
    """An installer overwrites the unclaimed entry of an older lap."""
    p, c = s.pos(t), s.ring(s.pos(t))
    return (And(s.step(t) == 'aim', s.at(c) < p),
            s.but(step=[(t, 'counting')], fate=[(p, 'live')], owner=[(p, t)], at=[(c, p)], seat=[(c, s.mine(t))]))


def take_in_two_steps(s, t):
    """The head is read, and taken later without comparing: two workers may take the same."""
    return (And(s.step(t) == 'run', s.pos(t) < s.tail, s.start <= s.pos(t), s.head < s.tail),
            s.but(step=[(t, 'claim')], head=s.pos(t) + 1, taker=[(s.pos(t), t)]))


def sweep_unseen(s, t):
    """The sweeper does not look whether the head is over."""
    return (And(s.step(t) == 'gone', s.head < s.tail), s.but(step=[(t, 'pass')], pos=[(t, s.head)]))


def sweep_another(s, t):
    """The sweeper does not compare: it drops whatever the head is by now."""
    guard, after = word_row('TAKE', s)
    return And(s.step(t) == 'pass', guard), after.but(step=[(t, 'gone')])


def push_while_waiting(s, t):
    """The worker pushes its slot without looking whether something waits."""
    _, after = give_back('PUSH', s, t)
    return And(s.step(t) == 'run', s.free + 1 < s.max), after


def claim_without_comparing(s, t):
    """The worker closes the cell by a store, and runs the task that it has read."""
    p = s.pos(t)
    return (And(s.step(t) == 'armed', s.seen_seat(t) > 0, s.seen_at(t) == p),
            s.but(step=[(t, 'run')], seat=[(s.ring(p), 0)], at=[(s.ring(p), p)], fate=[(p, 'claimed')]))


def help_free(s, t):
    """The helper counts the tail without having tried to install there."""
    return s.step(t) == 'install', s.but(step=[(t, 'help')])


BROKEN = [
    ('count without installing', count_without_installing, 'count',
     ['RING-1: counted positions were installed, or holes', 'RING-1: what is counted was installed, or is a hole']),
    ('helper counts an empty tail', help_free, 'find_taken', ['helpers have found something']),
    ('sleep uncounted', sleep_uncounted, 'find_counted', ['who sleeps was counted']),
    ('withdrawn entry may return', withdraw_to_free, 'withdraw',
     ['RING-3: a position is used once', 'RING-3: no cell goes back',
      'a worker has read a past entry or the present one']),
    ('failed withdrawal taken for a success', withdraw_regardless, 'withdraw',
     ['a cell with a seat shows a live entry',
      'ONCE: an entry is installed once, and then claimed or withdrawn, once']),
    ('entry left when the pool is idle', leave_installed, 'withdraw', ['a live entry stands in its cell']),
    ('dead cell left open', no_seal, 'seal', ['RING-2: passed and not over is in its taker\'s hand']),
    ('older entry overwritten', overwrite, 'install', ['a live entry stands in its cell']),
    ('take in two steps', take_in_two_steps, 'take', ['a position is in one hand', 'FIFO: a worker takes the head',
                                                     'FIFO: the head moves by one, and never back']),
    ('sweep without looking', sweep_unseen, 'find_over', ['a sweeper has found its position over']),
    ('sweep without comparing', sweep_another, 'sweep', ['RING-2: passed and not over is in its taker\'s hand',
                                                        'a sweeper drops nothing that lives']),
    ('push while waiting', push_while_waiting, 'push', ['never idle and waiting']),
    ('claim without comparing', claim_without_comparing, 'claim',
     ['ONCE: an entry is installed once, and then claimed or withdrawn, once', 'RING-3: no cell goes back']),
]
