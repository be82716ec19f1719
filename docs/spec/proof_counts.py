"""Counts, quiescence and the end, for every `max` and any number of threads: MAX, WAIT, END.

The word is its row of transitions.tsv: numbers, and a step for each row, by whoever may. Threads that push and pop
appear only as counts; those that wait for quiescence one by one. Each advance of the wave owes a notification,
made in two steps (the ticket, then the wake-up) at any later time; it is known by the wave it ended, `debt`.
Waves and tickets are taken as integers that do not wrap.
"""
from proof_terms import *

FIELDS = 'free waiting head closed watched short wave'.split()

LETTERS = {'t': 'Thread', 'u': 'Thread', 'w': 'wave'}

ENUMS = {
    # out; W-WATCH made; a ticket taken; the wave looked at, and found to be the one kept; asleep; back from `wait`
    'Step': 'out watching ticketed looked asleep answered',
    # the wave not ended yet; ended, ticket to be raised; raised, sleepers to be woken; done
    'Debt': 'none raise wake done',
}

SIGNATURE = {
    'max': 'count', 'room': 'count',
    **{field: 'count' for field in FIELDS}, 'wave': 'wave',
    'held': 'count',                    # how many slots are not free: their tasks run, or soon will; or they lie aside
    'admitted': 'count',                # how many submitters held a slot that they had no thread for, and go on
    'overs': 'count',                   # how often a CAS has brought about `closed` and quiescent
    'ticket': 'ticket',
    'step': ('Thread', 'Step'), 'kept': ('Thread', 'wave'), 'paper': ('Thread', 'ticket'),
    'debt': ('wave', 'Debt'),
}


def axioms(s):
    return And(s.max >= 1, s.room >= 1)


def initial(s):
    """Every slot is free, nobody waits."""
    return And(s.free == s.max, s.held == 0, s.admitted == 0, s.waiting == 0, s.head >= 0, s.closed == 0, s.watched == 0,
               s.short == 0, s.wave == 0, s.overs == 0, s.ticket == 0,
               forall(lambda t: s.step(t) == 'out'), forall(lambda w: s.debt(w) == 'none'))


# --- the invariant -------------------------------------------------------------------------------------------

INVARIANT = [
    # MAX: every slot is free or held; so what runs is max - free, and never more than max.
    ('MAX: held and free are max', lambda s: And(s.free + s.held == s.max, s.free >= 0, s.held >= 0)),
    ('counts are counts', lambda s: s.admitted >= 0),
    ('never idle and waiting', lambda s: Or(s.free == 0, s.waiting == 0)),
    ('waiting is in its range', lambda s: And(s.waiting >= 0, s.waiting <= s.room, s.head >= 0)),
    ('flags are flags', lambda s: And(*(Or(flag == 0, flag == 1) for flag in (s.closed, s.watched, s.short)))),
    # Over: one CAS brought about `closed` and quiescent, if that is so, and none otherwise.
    ('over once', lambda s: s.overs == ite(And(s.closed == 1, s.free == s.max), term(1), term(0))),
    # WAIT: at quiescence no watch stands; whoever keeps the present wave has set the watch.
    ('quiescence clears the watch', lambda s: If(s.free == s.max, s.watched == 0)),
    ('the present wave is watched', lambda s: forall(lambda t: If(
        one_of(s.step(t), 'watching ticketed looked asleep'),
        s.kept(t) >= 0, s.kept(t) <= s.wave, If(s.kept(t) == s.wave, s.watched == 1)))),
    ('who was answered saw a later wave', lambda s: forall(lambda t: If(
        s.step(t) == 'answered', s.kept(t) < s.wave))),
    ('waves that ended owe a notice', lambda s: And(s.wave >= 0, forall(lambda w: If(
        w >= 0, Iff(w < s.wave, s.debt(w) != 'none'))))),
    ('tickets are old or new', lambda s: forall(lambda t: If(
        one_of(s.step(t), 'ticketed looked'), s.paper(t) <= s.ticket))),
    # A waiter that is about to sleep holds a ticket that will be raised after its wave ended, or has been.
    ('the ticket is raised after the look', lambda s: forall(lambda t: If(
        s.step(t) == 'looked', Or(one_of(s.debt(s.kept(t)), 'none raise'), s.paper(t) < s.ticket)))),
    # Who sleeps will be woken: its wave has not ended, or the one that ended it has not woken its sleepers yet.
    ('who sleeps will be woken', lambda s: forall(lambda t: If(
        s.step(t) == 'asleep', one_of(s.debt(s.kept(t)), 'none raise wake')))),
]

# --- the actions ---------------------------------------------------------------------------------------------


def word_row(event, s):
    """A row of the table over this state, and what it changes."""
    values = Values({field: getattr(s, field) for field in FIELDS}, max=s.max, room=s.room)
    guard, changes = row('word', event, values)
    after = s.but(**changes)
    brought = And(after.closed == 1, after.free == s.max, Not(And(s.closed == 1, s.free == s.max)))
    return guard, after.but(overs=ite(brought, s.overs + 1, s.overs))


def pop(s):
    """E-POP: a submitter has a slot from here on."""
    guard, after = word_row('POP', s)
    return guard, after.but(held=s.held + 1)


def go_on(s):
    """A submitter has no thread for its slot, which goes aside: it goes on as one that is admitted."""
    return s.held > 0, s.but(admitted=s.admitted + 1)


def come_through(s):
    """It has another slot, or a worker has its task; or it gives up."""
    return s.admitted > 0, s.but(admitted=s.admitted - 1)


def pop_again(s):
    """E-POP after the close, by such a submitter."""
    guard, after = word_row('REPOP', s)
    return And(guard, s.admitted > 0), after.but(held=s.held + 1)


def push(s):
    """E-PUSH, not the last: somebody who holds a slot puts it back."""
    guard, after = word_row('PUSH', s)
    return And(guard, s.held > 0), after.but(held=s.held - 1)


def fill(s):
    """E-PUSH of the last slot, nobody watching."""
    guard, after = word_row('FILL', s)
    return And(guard, s.held > 0), after.but(held=s.held - 1)


def quiet(s):
    """W-QUIET: the last slot, the end of the watch and the next wave in one CAS. The notification is owed."""
    guard, after = word_row('QUIET', s)
    return And(guard, s.held > 0), after.but(held=s.held - 1, debt=[(s.wave, 'raise')])


def count(s):
    return word_row('COUNT', s)


def count_late(s):
    """E-COUNT after the close, by such a submitter."""
    guard, after = word_row('RECOUNT', s)
    return And(guard, s.admitted > 0), after


def take(s):
    return word_row('TAKE', s)


def close(s):
    return word_row('CLOSE', s)


def short(s):
    return word_row('SHORT', s)


def unshort(s):
    return word_row('UNSHORT', s)


def watch(s, t):
    """W-WATCH by the first: its CAS sets the bit and keeps the wave of the word it replaced."""
    guard, after = word_row('WATCH', s)
    return And(guard, s.step(t) == 'out'), after.but(step=[(t, 'watching')], kept=[(t, s.wave)])


def join_watch(s, t):
    """W-WATCH by another: the bit is set; the CAS shows that the depth it read belongs to the word."""
    guard, after = word_row('SHOW', s)
    return (And(guard, s.free < s.max, s.watched == 1, s.step(t) == 'out'),
            after.but(step=[(t, 'watching')], kept=[(t, s.wave)]))


def listen(s, t):
    return s.step(t) == 'watching', s.but(step=[(t, 'ticketed')], paper=[(t, s.ticket)])


def look(s, t):
    """The wave is the one kept: nothing happened yet."""
    return And(s.step(t) == 'ticketed', s.wave == s.kept(t)), s.but(step=[(t, 'looked')])


def answered(s, t):
    return And(s.step(t) == 'ticketed', s.wave != s.kept(t)), s.but(step=[(t, 'answered')])


def sleep(s, t):
    """The futex compares and sleeps at once."""
    return And(s.step(t) == 'looked', s.ticket == s.paper(t)), s.but(step=[(t, 'asleep')])


def refuse_sleep(s, t):
    return And(s.step(t) == 'looked', s.ticket != s.paper(t)), s.but(step=[(t, 'watching')])


def wake_early(s, t):
    """A futex may return for no reason; the waiter goes round again."""
    return s.step(t) == 'asleep', s.but(step=[(t, 'watching')])


def give_up(s, t):
    """The deadline passes, or the call returns."""
    return one_of(s.step(t), 'looked asleep answered'), s.but(step=[(t, 'out')])


def notify(s, w):
    """The clearer of wave `w` makes all tickets stale."""
    return And(w >= 0, s.debt(w) == 'raise'), s.but(ticket=s.ticket + 1, debt=[(w, 'wake')])


def wake(s, w):
    """... and wakes all that sleep."""
    return (And(w >= 0, s.debt(w) == 'wake'),
            s.but(debt=[(w, 'done')], step=lambda t: ite(s.step(t) == 'asleep', term('watching'), s.step(t))))


ACTIONS = [pop, go_on, come_through, pop_again, push, fill, quiet, count, count_late, take, close, short, unshort,
           watch, join_watch, listen, look, answered, sleep, refuse_sleep, wake_early, give_up, notify, wake]

# --- what follows --------------------------------------------------------------------------------------------

THEOREMS = [
    ('MAX: never more than max run', lambda s: And(s.held >= 0, s.held <= s.max)),
    ('while tasks wait every slot is held', lambda s: If(s.waiting > 0, s.held == s.max, s.held >= 1)),
    ('WAIT: at quiescence every waiter keeps an old wave', lambda s: If(s.free == s.max, forall(lambda t: If(
        one_of(s.step(t), 'watching ticketed looked asleep'), s.kept(t) < s.wave)))),
    ('WAIT: nobody sleeps past its quiescence once the notices are given', lambda s: If(
        forall(lambda w: If(w >= 0, Not(one_of(s.debt(w), 'raise wake')))),
        forall(lambda t: If(s.step(t) == 'asleep', s.kept(t) == s.wave, s.free < s.max)))),
    ('over at most once', lambda s: And(s.overs >= 0, s.overs <= 1)),
    ('over when closed and nothing is held', lambda s: If(And(s.closed == 1, s.held == 0), s.overs == 1)),
]

STEPS = [
    ('the wave changes only when every slot becomes free', None, lambda s, n: Or(
        n.wave == s.wave,
        And(n.wave == s.wave + 1, s.free < s.max, n.free == n.max, s.watched == 1, n.watched == 0))),
    ('a quiescence that is watched changes the wave', None, lambda s, n: If(
        And(s.free < s.max, n.free == n.max, s.watched == 1), n.wave == s.wave + 1)),
    ('CLOSE: nothing is admitted or counted after the close, but by the admitted', None, lambda s, n: If(
        s.closed == 1, n.closed == 1, Or(s.admitted > 0, And(
            n.free >= s.free, n.head + n.waiting == s.head + s.waiting)))),
    ('over is for ever', None, lambda s, n: If(
        And(s.closed == 1, s.free == s.max), n.closed == 1, n.free == n.max, n.waiting == 0, n.head == s.head)),
    ('WORD-2: head and tail never move back, and move only while busy', None, lambda s, n: And(
        n.head >= s.head, n.head + n.waiting >= s.head + s.waiting,
        If(s.free > 0, n.head == s.head, n.waiting == s.waiting))),
    ('MAX: what runs changes by one slot at most', None, lambda s, n: And(
        n.held <= s.held + 1, n.held >= s.held - 1)),
]

COUNTS = System('counts', letters=LETTERS, enums=ENUMS, signature=SIGNATURE, axioms=axioms, initial=initial,
                invariant=INVARIANT, actions=ACTIONS, theorems=THEOREMS, steps=STEPS,
                sizes={'Thread': 2, 'wave': range(4), 'ticket': range(4), 'count': range(4)})

SCENARIOS = [
    ('a waiter is asleep and its wave goes on', lambda s: exists(lambda t: And(
        s.step(t) == 'asleep', s.kept(t) == s.wave, s.free == 1, s.max == 3))),
    ('a waiter is asleep past its wave, the notice owed', lambda s: exists(lambda t: And(
        s.step(t) == 'asleep', s.kept(t) < s.wave, s.free == s.max))),
    ('two waiters with different waves', lambda s: exists(lambda t: exists(lambda u: And(
        t != u, s.step(t) == 'looked', s.step(u) == 'asleep', s.kept(t) < s.kept(u))))),
    ('the pool is over', lambda s: And(s.overs == 1, s.max == 2)),
    ('one more is counted after the close', lambda s: And(
        s.closed == 1, s.admitted == 1, s.free == 0, s.waiting == 1, s.max == 2)),
    ('closed while two wait', lambda s: And(s.closed == 1, s.waiting == 2, s.overs == 0)),
]

# --- broken on purpose ---------------------------------------------------------------------------------------


def push_while_waiting(s):
    """The push does not ask whether anything waits."""
    return And(s.held > 0, s.free + 1 < s.max), s.but(free=s.free + 1, held=s.held - 1)


def take_in_two_steps(s):
    """The number waiting is read, and one taken from it later, whatever it is then."""
    return s.free == 0, s.but(waiting=s.waiting - 1, head=s.head + 1)


def watch_cleared_before_the_wave(s):
    """W-QUIET clears `watched`; the wave is advanced some time later, outside the CAS."""
    guard, _ = word_row('QUIET', s)
    return And(guard, s.held > 0), s.but(free=s.free + 1, held=s.held - 1, watched=0)


def watch_forgotten(s):
    """The last push overlooks that somebody watches."""
    guard, after = word_row('PUSH', s.but(max=s.max + 1))
    return And(guard, s.held > 0), after.but(held=s.held - 1, max=s.max)


def pop_after_close(s):
    """A submitter looks at `closed`, then at the word, in two steps."""
    return s.free > 0, s.but(free=s.free - 1, held=s.held + 1)


def pop_when_over(s):
    """The admitted do not look whether the pool is over."""
    return And(s.admitted > 0, s.closed == 1, s.free > 0), s.but(free=s.free - 1, held=s.held + 1)


def sleep_without_comparing(s, t):
    """The ticket is read after the wave, when it says nothing any more."""
    return s.step(t) == 'looked', s.but(step=[(t, 'asleep')])


def wake_before_ticket(s, w):
    """The clearer wakes the sleepers and raises the ticket afterwards."""
    return (And(w >= 0, s.debt(w) == 'raise'),
            s.but(debt=[(w, 'wake')], step=lambda t: ite(s.step(t) == 'asleep', term('watching'), s.step(t))))


BROKEN = [
    ('push while waiting', push_while_waiting, 'push', ['never idle and waiting']),
    ('take in two steps', take_in_two_steps, 'take', ['waiting is in its range']),
    ('wave advanced outside the CAS', watch_cleared_before_the_wave, 'quiet',
     ['the present wave is watched', 'a quiescence that is watched changes the wave']),
    ('last push overlooks the watch', watch_forgotten, 'push',
     ['quiescence clears the watch', 'a quiescence that is watched changes the wave']),
    ('pop after close', pop_after_close, 'pop',
     ['over once', 'CLOSE: nothing is admitted or counted after the close, but by the admitted']),
    ('admitted take a slot when it is over', pop_when_over, 'pop_again', ['over once', 'over is for ever']),
    ('ticket read after the wave', sleep_without_comparing, 'sleep', ['who sleeps will be woken']),
    ('wake-up before the ticket', wake_before_ticket, 'notify', ['the ticket is raised after the look']),
]
