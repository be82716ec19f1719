"""Slots set aside where the system refuses threads, for every `max` and any number of threads: MAX, WAIT, END.

Threads appear only as counts: how many are at each step, with one access to shared memory between two steps. Slots
with a thread are counted too: what lies aside has none, and nothing is put aside while there is none at all.

*One thread may be counted twice.* A submitter that settles counts as what it was, with its slot if it has one, and as
a settler, who comes and goes on its own; one on the long way with a slot, in `line` and in `hand`; and a worker that
settles has given its slot back: who takes that hands it over to the same worker, and it counts in `work` again.
That forgets which comes first, so it only adds behaviours. For the same reason a submitter that surrenders its slot is
a worker here until the slot is free or bounced, and anybody may take a slot from aside to try again, at any time.

*Shares.* A settler stops after a number of slots that it fixes when it begins (`left` in the source), and the slots
that it has to put aside again come on top. `share` is the sum of what all settlers may still take from aside. One
settler's part of it is not known here: it is any number `l` that leaves the others theirs.

*Clearing `short`.* The CAS succeeds only from the very word that was loaded before nothing was found aside. So nothing
has been counted since (proof_stack.py, WORD-2), and here whoever counts a position turns away all who are about to
clear. Slots set aside meanwhile are then in the charge of those who did it. Without that (broken: `the clearer does not
compare`) many of them might have been left to the workers by then, and the clearer, which looks once more, puts back
one.

Assumed: a thread that looks at what lies aside sees all that was pushed before the change of the word that it has
read, and `threads() > 0` says that some slot has a thread. Left out: the links and the tag of the stack aside,
positions and seats, and who it is that waits. No part of the invariant rests on it that a newcomer settles, that
somebody tries again (bug `noagain` of Refused.tla), or that who is bounced is given the slot as well (`keep`): that is
for progress, which is TLC's part.
"""
from proof_terms import *

FIELDS = 'free waiting head closed watched short wave'.split()

LETTERS = {'l': 'share', 'n': 'count'}

# Who holds a slot, not aside and not free.
HOLDERS = {
    'hand': 'submitters with a slot, popped or bounced',
    'work': 'workers that will push their slot, and settle if the word has `short` then',
    'carry': 'refused submitters, about to push their slot aside',
    'ask': 'those that took a slot from aside to ask for a thread once more',
    'put': 'settlers that took a slot from aside, to push it back',
    'back': 'settlers about to push it aside again: a task waits',
}
OTHERS = {
    'line': 'submitters on the long way, that will settle before they return',
    'mark': 'submitters that have put a slot aside, and are about to set `short`',
    'begin': 'settlers about to count what lies aside',
    'load': 'settlers about to look at the word',
    'fetch': 'settlers that found nothing waiting, about to take a slot from aside',
    'peek': 'settlers that found tasks waiting and `short` clear, about to see whether anything lies aside',
    'clear': 'settlers that found nothing aside, about to clear `short`; the word has not changed its place',
    'check': 'settlers that have cleared `short`, about to see whether something has come',
    'again': 'settlers about to set `short`, and then to look again',
}

SIGNATURE = {
    'max': 'count', 'room': 'count', **{field: 'count' for field in FIELDS},
    'aside': 'count',                   # how many slots lie aside
    'manned': 'count',                  # how many slots have a thread
    **{step: 'count' for step in (*HOLDERS, *OTHERS)},
    'share': 'share',
}


def total(s, names):
    return apply('+', 0, *(getattr(s, name) for name in names.split()))


def held(s):
    return total(s, ' '.join(HOLDERS))


def without_thread(s):
    """Slots that lie aside, or come from there or go there: all vacant."""
    return total(s, 'aside carry ask put back')


def sharing(s):
    """Settlers with a part in `share`, if perhaps none."""
    return total(s, 'load fetch put back peek check again')


def looking(s):
    """Settlers that may take at least one slot more."""
    return total(s, 'load fetch peek check again')


def coming(s):
    """Who will settle, and has not counted yet: as much as lies there then."""
    return total(s, 'carry mark line begin')


def axioms(s):
    return And(s.max >= 1, s.room >= 1)


def initial(s):
    """Every slot is free and vacant; nobody is there."""
    return And(s.free == s.max, s.manned == 0, s.aside == 0, s.share == 0, s.waiting == 0, s.head >= 0,
               s.closed == 0, s.watched == 0, s.short == 0,
               *(getattr(s, step) == 0 for step in (*HOLDERS, *OTHERS)))


# --- the invariant -------------------------------------------------------------------------------------------

INVARIANT = [
    ('counts are counts', lambda s: And(
        *(getattr(s, name) >= 0 for name in ('free', 'aside', 'manned', 'waiting', *HOLDERS, *OTHERS)))),
    ('flags are flags', lambda s: And(*(Or(flag == 0, flag == 1) for flag in (s.closed, s.watched, s.short)))),
    ('MAX: every slot is free, held or aside', lambda s: s.free + s.aside + held(s) == s.max),
    ('never idle and waiting', lambda s: Or(s.free == 0, s.waiting == 0)),
    ('what lies aside has no thread', lambda s: without_thread(s) + s.manned <= s.max),
    ('nothing lies aside in a pool without threads', lambda s: If(s.manned == 0, without_thread(s) == 0)),
    ('who looks has a share', lambda s: And(s.share >= looking(s), If(sharing(s) == 0, s.share == 0))),
    ('who clears knows that nothing waits', lambda s: If(s.clear > 0, s.waiting == 0)),
    # SHORT: whoever finds nothing waiting is told, or somebody is about to see to that.
    ('SHORT: a slot aside is shown', lambda s: If(
        s.aside > 0, Or(s.short == 1, s.mark > 0, s.again > 0, s.check > 0))),
    # While the bit is clear, or may be at any moment, workers do not look: others do, and for all that lies there.
    ('unshown slots are settled without workers', lambda s: If(
        Or(s.short == 0, s.clear > 0), Or(coming(s) > 0, s.aside <= s.share))),
    ('shown slots are settled once nothing waits', lambda s: If(
        s.waiting == 0, Or(coming(s) > 0, s.work > 0, s.hand > 0, s.aside <= s.share))),
]

# --- the actions ---------------------------------------------------------------------------------------------


def word_row(event, s):
    values = Values({field: getattr(s, field) for field in FIELDS}, max=s.max, room=s.room)
    guard, changes = row('word', event, values)
    return guard, s.but(**changes)


def moved(s, **by):
    """So many more or fewer are there."""
    return s.but(**{name: getattr(s, name) + change for name, change in by.items()})


def pushed(s):
    """E-PUSH: PUSH, FILL or QUIET, whichever it is."""
    (push, pushing), (fill, filling), (quiet, quieting) = (word_row(event, s) for event in ('PUSH', 'FILL', 'QUIET'))
    after = s.but(**{field: ite(push, getattr(pushing, field), ite(fill, getattr(filling, field),
                                                                  getattr(quieting, field))) for field in FIELDS})
    return Or(push, fill, quiet), after


def shown(s):
    """SHORT; or SHOW, where the bit is set: who clears it after that sees what lies aside."""
    (short, setting), (show, showing) = word_row('SHORT', s), word_row('SHOW', s)
    return Or(short, show), s.but(**{field: ite(short, getattr(setting, field), getattr(showing, field))
                                     for field in FIELDS})


def part(s, l, least):
    """One settler's part of `share` is `l`: at least so much, and the others have theirs."""
    return And(l >= least, s.share - l >= looking(s) - least, If(sharing(s) == 1, s.share == l))


def may_be_vacant(s):
    """Some slot without a thread is not aside, nor on its way there: the one in this hand, if need be."""
    return without_thread(s) + s.manned < s.max


def newcomer(s, n):
    """The submitter comes to the long way with this step (1), or was there before (0)."""
    return And(0 <= n, n <= 1, s.line + n >= 1)


# Submitters.

def pop(s):
    """E-POP."""
    guard, after = word_row('POP', s)
    return guard, moved(after, hand=1)


def pop_again(s):
    """E-POP after the close, by a submitter that was refused a thread."""
    guard, after = word_row('REPOP', s)
    return And(s.line > 0, guard), moved(after, hand=1)


def hand_over(s):
    """To the worker of a manned slot."""
    return And(s.hand > 0, s.manned > 0), moved(s, hand=-1, work=1)


def man(s, n):
    """A vacant slot gets a thread."""
    return And(s.hand > 0, may_be_vacant(s), newcomer(s, n)), moved(s, hand=-1, work=1, manned=1, line=n)


def surrender(s, n):
    """Refused, and no thread at all: it gives the slot back as a worker would."""
    return And(s.hand > 0, may_be_vacant(s), newcomer(s, n)), moved(s, hand=-1, work=1, line=n)


def bounce(s):
    """A slot surrendered goes to the submitter whose task was claimed."""
    return And(s.work > 0, may_be_vacant(s)), moved(s, work=-1, hand=1)


def refuse(s, n):
    """Refused, and there are threads."""
    return (And(s.hand > 0, may_be_vacant(s), s.manned > 0, newcomer(s, n)),
            moved(s, hand=-1, carry=1, line=n - 1))


def put_aside(s):
    return s.carry > 0, moved(s, carry=-1, aside=1, mark=1)


def mark(s):
    """E-SHORT by a refused submitter; it enters again."""
    guard, after = shown(s)
    return And(s.mark > 0, guard), moved(after, mark=-1, line=1)


def queue_up(s):
    """A submitter that has found the pool full."""
    return And(), moved(s, line=1)


def count(s):
    """E-COUNT, for itself or for another: the tail has moved on."""
    guard, after = word_row('COUNT', s)
    return And(s.line > 0, guard), after.but(clear=0)


def count_late(s):
    """E-COUNT after the close, by such a submitter."""
    guard, after = word_row('RECOUNT', s)
    return And(s.line > 0, guard), after.but(clear=0)


def sweep(s):
    """E-TAKE of a dead position."""
    guard, after = word_row('TAKE', s)
    return And(s.line > 0, guard), after


def leave(s):
    """The end of the long way."""
    return s.line > 0, moved(s, line=-1, begin=1)


def visit(s):
    """A newcomer finds slots aside although nothing waits."""
    return And(s.waiting == 0, s.short == 1), moved(s, begin=1)


def try_again(s):
    """It has settled, and then found slots aside while tasks wait."""
    return s.aside > 0, moved(s, aside=-1, ask=1)


def granted(s):
    """A thread, with a task that does nothing."""
    return s.ask > 0, moved(s, ask=-1, work=1, manned=1)


def denied(s):
    return s.ask > 0, moved(s, ask=-1, carry=1)


# Workers.

def take(s):
    """E-TAKE: it goes on in its slot."""
    guard, after = word_row('TAKE', s)
    return And(s.work > 0, guard), after


def give(s):
    """E-PUSH; `short` was clear in the same word."""
    guard, after = pushed(s)
    return And(s.work > 0, s.short == 0, guard), moved(after, work=-1)


def give_and_settle(s):
    """E-PUSH; `short` was set. It does not settle if the pool is over."""
    guard, after = pushed(s)
    over = And(after.closed == 1, after.free == s.max)
    return And(s.work > 0, s.short == 1, guard), moved(after, work=-1, begin=ite(over, 0, 1))


# Settlers.

def count_aside(s):
    """It will take as many as lie there now, and one more."""
    return s.begin > 0, moved(s, begin=-1, load=1, share=s.aside + 1)


def find_quiet(s):
    """Nothing waits."""
    return And(s.load > 0, s.waiting == 0), moved(s, load=-1, fetch=1)


def leave_to_workers(s, l):
    """Tasks wait, and `short` is set: whoever takes the last of them will look."""
    return And(s.load > 0, s.waiting > 0, s.short == 1, part(s, l, 1)), s.but(load=s.load - 1, share=s.share - l)


def find_unshown(s):
    """Tasks wait, and `short` is clear."""
    return And(s.load > 0, s.waiting > 0, s.short == 0), moved(s, load=-1, peek=1)


def nothing_to_show(s, l):
    return And(s.peek > 0, s.aside == 0, part(s, l, 1)), s.but(peek=s.peek - 1, share=s.share - l)


def something_to_show(s):
    return And(s.peek > 0, s.aside > 0), moved(s, peek=-1, again=1)


def fetch(s):
    return And(s.fetch > 0, s.aside > 0), moved(s, fetch=-1, aside=-1, put=1, share=-1)


def put_back(s, l):
    """E-PUSH; and it goes on."""
    guard, after = pushed(s)
    return And(s.put > 0, guard, part(s, l, 0), l >= 1), moved(after, put=-1, load=1)


def put_back_last(s, l):
    """E-PUSH; it has done its share, or the pool is over."""
    guard, after = pushed(s)
    return (And(s.put > 0, guard, part(s, l, 0), Or(l == 0, And(after.closed == 1, after.free == s.max))),
            after.but(put=s.put - 1, share=s.share - l))


def find_task(s):
    """A task has come: the slot is to go aside again."""
    return And(s.put > 0, s.waiting > 0), moved(s, put=-1, back=1)


def put_aside_again(s):
    """It will look once more for it."""
    return s.back > 0, moved(s, back=-1, aside=1, again=1, share=1)


def show_again(s):
    """E-SHORT by a settler, which looks again."""
    guard, after = shown(s)
    return And(s.again > 0, guard), moved(after, again=-1, load=1)


def find_none(s, l):
    """Nothing lies aside; nor was `short` set, or its word has been overtaken."""
    return And(s.fetch > 0, s.aside == 0, part(s, l, 1)), s.but(fetch=s.fetch - 1, share=s.share - l)


def find_none_shown(s, l):
    """Nothing lies aside, and the word that said `short` still says that nothing waits."""
    return (And(s.fetch > 0, s.aside == 0, s.waiting == 0, part(s, l, 1)),
            s.but(fetch=s.fetch - 1, share=s.share - l, clear=s.clear + 1))


def clear(s, l):
    """E-UNSHORT. It has its share again if it goes on."""
    guard, after = word_row('UNSHORT', s)
    return And(s.clear > 0, guard, l >= 1), moved(after, clear=-1, check=1, share=l)


def clear_fails(s):
    """The word has changed otherwise."""
    return s.clear > 0, moved(s, clear=-1)


def nothing_came(s, l):
    return And(s.check > 0, s.aside == 0, part(s, l, 1)), s.but(check=s.check - 1, share=s.share - l)


def something_came(s):
    return And(s.check > 0, s.aside > 0), moved(s, check=-1, again=1)


# Others.

def close(s):
    return word_row('CLOSE', s)


def watch(s):
    return word_row('WATCH', s)


ACTIONS = [pop, pop_again, hand_over, man, surrender, bounce, refuse, put_aside, mark, queue_up, count, count_late,
           sweep, leave, visit, try_again, granted, denied, take, give, give_and_settle, count_aside, find_quiet,
           leave_to_workers, find_unshown, nothing_to_show, something_to_show, fetch, put_back, put_back_last,
           find_task, put_aside_again, show_again, find_none, find_none_shown, clear, clear_fails, nothing_came,
           something_came, close, watch]

# --- what follows --------------------------------------------------------------------------------------------


def somebody_looks(s):
    """Somebody is at a step that leads to taking a slot from aside, if nothing waits by then."""
    return Or(coming(s) > 0, sharing(s) > 0, And(s.short == 1, Or(s.work > 0, s.hand > 0)))


THEOREMS = [
    ('MAX: what is held is at most max', lambda s: And(held(s) >= 0, held(s) + s.aside <= s.max)),
    ('SHORT: where the bit is clear, somebody is about to set it', lambda s: If(
        And(s.aside > 0, s.short == 0), s.mark + s.again + s.check > 0)),
    ('no slot is lost: while nothing waits somebody will look', lambda s: If(
        And(s.aside > 0, s.waiting == 0), somebody_looks(s))),
    ('no slot is lost: where the bit is clear somebody will look in any case', lambda s: If(
        And(s.aside > 0, s.short == 0), Or(coming(s) > 0, sharing(s) > 0))),
    ('when all have gone, and nothing waits, every slot is free', lambda s: If(
        And(s.waiting == 0, *(getattr(s, step) == 0 for step in (*HOLDERS, *OTHERS))), s.free == s.max)),
    ('WAIT, END: no quiescence while a slot lies aside or is carried', lambda s: If(
        s.free == s.max, s.aside == 0, held(s) == 0)),
    ('tasks wait beside a slot aside only while every slot with a thread is held', lambda s: If(
        And(s.aside > 0, s.waiting > 0), s.manned >= 1, s.hand + s.work >= s.manned)),
]

STEPS = [
    ('a slot goes back to the stack only while nothing waits', None, lambda s, n: If(n.free > s.free, s.waiting == 0)),
    ('`short` is cleared by one that looks again, while nothing waits', None, lambda s, n: If(
        And(s.short == 1, n.short == 0), n.check == s.check + 1, s.waiting == 0)),
]

ASIDE = System('aside', letters=LETTERS, enums={}, signature=SIGNATURE, axioms=axioms, initial=initial,
               invariant=INVARIANT, actions=ACTIONS, theorems=THEOREMS, steps=STEPS,
               sizes={'count': range(5), 'share': range(7)})

SCENARIOS = [
    ('a slot aside, a task that waits, and one worker', lambda s: And(
        s.aside == 1, s.waiting == 1, s.work == 1, s.max == 2, coming(s) == 0, sharing(s) == 0)),
    ('nothing waits, and only the worker will look', lambda s: And(
        s.aside == 1, s.waiting == 0, s.work == 1, coming(s) == 0, sharing(s) == 0, s.clear == 0)),
    ('nothing waits, and only a settler is left', lambda s: And(
        s.aside == 2, s.waiting == 0, s.work + s.hand + coming(s) == 0, sharing(s) == 1, s.load == 1)),
    ('a submitter puts a slot aside behind one that is about to clear', lambda s: And(
        s.clear == 1, s.mark == 1, s.aside == 1, coming(s) == 1, s.short == 1)),
    ('slots aside that nobody shows yet', lambda s: And(s.aside == 2, s.short == 0, s.check == 1, s.line == 1)),
    ('two settlers carry a slot, one back, one aside again', lambda s: And(
        s.put == 1, s.back == 1, s.share == 0, s.manned == 1, s.work == 1)),
    ('closed and quiescent, with the bit left set', lambda s: And(s.closed == 1, s.free == s.max, s.short == 1)),
]

# --- broken on purpose ---------------------------------------------------------------------------------------


def once(s, l):
    """The settler that has set `short` does not look again for what it put aside: it may be at its end."""
    guard, after = shown(s)
    return And(s.again > 0, guard, part(s, l, 1), l == 1), after.but(again=s.again - 1, share=s.share - l)


def not_marked(s):
    """The refused submitter does not set `short`, or has done so before."""
    return s.carry > 0, moved(s, carry=-1, aside=1, line=1)


def cleared_for_good(s):
    """The clearer does not ask whether something has come meanwhile."""
    guard, after = word_row('UNSHORT', s)
    return And(s.clear > 0, guard), moved(after, clear=-1)


def cleared_blindly(s, l):
    """`short` is to be cleared without a look at what lies aside."""
    return (And(s.fetch > 0, s.waiting == 0, part(s, l, 1)),
            s.but(fetch=s.fetch - 1, share=s.share - l, clear=s.clear + 1))


def clear_without_comparing(s):
    """The CAS that clears may succeed although something has been counted meanwhile."""
    guard, after = word_row('COUNT', s)
    return And(s.line > 0, guard), after


def worker_does_not_settle(s):
    """It pushes its slot, and sleeps, whatever lies aside."""
    guard, after = pushed(s)
    return And(s.work > 0, s.short == 1, guard), moved(after, work=-1)


def submitter_does_not_settle(s):
    return s.line > 0, moved(s, line=-1)


def settles_one(s):
    """A settler takes one slot, however many lie there."""
    return s.begin > 0, moved(s, begin=-1, load=1, share=1)


def leaves_unshown(s, l):
    """A settler that finds tasks waiting goes, whatever `short` says."""
    return And(s.load > 0, s.waiting > 0, part(s, l, 1)), s.but(load=s.load - 1, share=s.share - l)


def dropped(s):
    """The refused submitter forgets its slot."""
    return s.carry > 0, moved(s, carry=-1, line=1)


def push_while_waiting(s, l):
    """A settler pushes its slot though a task has come."""
    return And(s.put > 0, part(s, l, 0), l >= 1), moved(s, put=-1, load=1, free=1)


def put_aside_alone(s, n):
    """A slot is put aside though there is no thread at all: its task would wait for nobody."""
    return And(s.hand > 0, may_be_vacant(s), newcomer(s, n)), moved(s, hand=-1, carry=1, line=n - 1)


WITHOUT_WORKERS = 'unshown slots are settled without workers'
WITH_WORKERS = 'shown slots are settled once nothing waits'

BROKEN = [
    ('the settler does not look again', once, 'show_again', [WITH_WORKERS]),
    ('short not set', not_marked, 'put_aside', ['SHORT: a slot aside is shown']),
    ('short cleared for good', cleared_for_good, 'clear', ['SHORT: a slot aside is shown']),
    ('short cleared blindly', cleared_blindly, 'find_none_shown', [WITHOUT_WORKERS]),
    ('the clearer does not compare', clear_without_comparing, 'count', ['who clears knows that nothing waits']),
    ('the worker does not settle', worker_does_not_settle, 'give_and_settle', [WITH_WORKERS]),
    ('the submitter does not settle', submitter_does_not_settle, 'leave', [WITHOUT_WORKERS, WITH_WORKERS]),
    ('the settler takes one slot', settles_one, 'count_aside', [WITHOUT_WORKERS, WITH_WORKERS]),
    ('the settler leaves a slot unshown', leaves_unshown, 'leave_to_workers', [WITHOUT_WORKERS]),
    ('slot dropped', dropped, 'put_aside', ['MAX: every slot is free, held or aside']),
    ('slot pushed while a task waits', push_while_waiting, 'put_back',
     ['never idle and waiting', 'a slot goes back to the stack only while nothing waits']),
    ('slot put aside without a thread', put_aside_alone, 'refuse', ['nothing lies aside in a pool without threads']),
]
