"""The stack of free slots, for every `max` and any number of threads: WORD-1, no slot lost or owned twice.

A Treiber stack whose top and tag are in the word. The tag is the number of the push of that slot; a pushed slot
remembers in its link the whole state that the word had, with how many slots are then free. Threads load
the word, read a link, write their own, and CAS, each in a step of its own; a CAS succeeds if the state in the word (mode,
top and tag, or mode, count and head) is the one loaded: the other fields could only make it fail. Push numbers and
positions are integers that do not wrap.

`rank` numbers the slots from 1 to max: the free ones from the bottom of the stack, then those held. Being one to one,
it is what makes `free` the number of free slots and `max - free` the number of slots held, without any counting.
"""
from proof_terms import *

LETTERS = {'t': 'Thread', 'u': 'Thread', 'x': 'Slot', 'r': 'rank'}

ENUMS = {
    'Step': ' '.join([
        'out',
        'pop_loaded', 'pop_linked',                  # the word was idle; the link of its top is read
        'look_loaded', 'look_deep',                  # waiters and closers: the depth of the word loaded is read
        'flag_loaded',                               # settlers: a word in which nothing waits, to clear `short` in it
        'popped',                                    # owns a slot, whose next push has no number yet
        'hold',                                      # owns a slot
        'push_loaded', 'push_deep', 'push_ready',
    ]),
}
PUSHING = 'push_loaded push_deep push_ready'
NUMBERED = 'hold ' + PUSHING
HOLDING = 'popped ' + NUMBERED
QUIET = 'pop_loaded pop_linked flag_loaded ' + PUSHING          # has loaded a word in which nothing waited
LOADED = 'look_loaded look_deep ' + QUIET
DEEP = 'pop_linked look_deep push_deep push_ready'

# What a link holds besides the depth: top and tag, or the head with count 0. The depth says which.
PACKED = ('top', 'tag', 'head')

SIGNATURE = {
    'max': 'rank',
    'idle': 'Bool', 'top': 'Slot', 'tag': 'tag', 'head': 'position', 'waiting': 'position',      # the word
    'free': 'depth', 'line': 'position',             # how many slots are free; where the line of positions begins
    'link_top': ('Slot', 'Slot'), 'link_tag': ('Slot', 'tag'),
    'link_head': ('Slot', 'position'), 'depth': ('Slot', 'depth'),
    'pushes': ('Slot', 'tag'),
    'pushed': ('Slot', 'tag'),                       # the number of its last push that succeeded
    'rank': ('Slot', 'rank'), 'ranked': ('rank', 'Slot'),
    'owner': ('Slot', 'Thread'),
    'step': ('Thread', 'Step'), 'mine': ('Thread', 'Slot'),
    'seen_idle': ('Thread', 'Bool'), 'seen_top': ('Thread', 'Slot'), 'seen_tag': ('Thread', 'tag'),
    'seen_head': ('Thread', 'position'),             # the word that was loaded
    'seen_tail': ('Thread', 'position'),             # ghost: the tail of the line by then
    'read_top': ('Thread', 'Slot'), 'read_tag': ('Thread', 'tag'),
    'read_head': ('Thread', 'position'),             # the link that was read
    'read_depth': ('Thread', 'depth'),               # the depth that was read, 0 for a busy word
}


def axioms(s):
    return s.max >= 1


def in_stack(s, slot):
    return s.rank(slot) <= s.free


def beneath_is_below(s, slot):
    """The link of a slot in the stack names the slot one below, in its last push, or the line's head."""
    return ite(s.rank(slot) > 1,
               And(s.rank(s.link_top(slot)) == s.rank(slot) - 1, s.link_tag(slot) == s.pushed(s.link_top(slot))),
               s.link_head(slot) == s.line)


def initial(s):
    """All slots in one pile."""
    return And(s.free == s.max, s.idle, s.rank(s.top) == s.max, s.tag == 1, s.waiting == 0,
               forall(lambda x: And(s.rank(x) >= 1, s.rank(x) <= s.max, s.ranked(s.rank(x)) == x)),
               forall(lambda r: If(And(1 <= r, r <= s.max), s.rank(s.ranked(r)) == r)),
               forall(lambda x: And(beneath_is_below(s, x), s.depth(x) == s.rank(x))),
               forall(lambda x: s.pushes(x) == 1), forall(lambda x: s.pushed(x) == 1),
               forall(lambda t: s.step(t) == 'out'))


# --- the invariant -------------------------------------------------------------------------------------------


def names_present_push(s, t):
    """The word that `t` loaded names a push after which the slot has not been popped."""
    return And(s.seen_idle(t), in_stack(s, s.seen_top(t)), s.seen_tag(t) == s.pushed(s.seen_top(t)))


INVARIANT = [
    ('idle is that a slot is free', lambda s: And(
        0 <= s.free, s.free <= s.max, Iff(s.idle, s.free > 0), s.waiting >= 0, Or(Not(s.idle), s.waiting == 0))),
    ('the word names the top in its last push', lambda s: ite(
        s.idle, And(s.rank(s.top) == s.free, s.tag == s.pushed(s.top)), s.head == s.line)),
    # No gap, one to one: ranks are a numbering of all slots.
    ('every slot has its rank', lambda s: forall(lambda x: And(
        s.rank(x) >= 1, s.rank(x) <= s.max, s.ranked(s.rank(x)) == x))),
    ('every rank has its slot', lambda s: forall(lambda r: If(
        And(1 <= r, r <= s.max), s.rank(s.ranked(r)) == r))),
    ('links lead down', lambda s: forall(lambda x: If(in_stack(s, x), beneath_is_below(s, x)))),
    ('depth is rank', lambda s: forall(lambda x: If(in_stack(s, x), s.depth(x) == s.rank(x)))),
    ('the last push is numbered last', lambda s: forall(lambda x: And(
        s.pushed(x) <= s.pushes(x), If(in_stack(s, x), s.pushed(x) == s.pushes(x))))),
    ('a slot held is in no stack and has one owner', lambda s: forall(lambda t: If(
        one_of(s.step(t), HOLDING), Not(in_stack(s, s.mine(t))), s.owner(s.mine(t)) == t))),
    ('a slot in no stack is held', lambda s: forall(lambda x: If(
        Not(in_stack(s, x)), one_of(s.step(s.owner(x)), HOLDING), s.mine(s.owner(x)) == x))),
    # The tag: what was loaded is an old push or the present one, never one to come.
    ('loaded pushes have been made', lambda s: forall(lambda t: If(
        And(one_of(s.step(t), LOADED), s.seen_idle(t)), s.seen_tag(t) <= s.pushed(s.seen_top(t))))),
    ('a pop has loaded an idle word', lambda s: forall(lambda t: If(
        one_of(s.step(t), 'pop_loaded pop_linked'), s.seen_idle(t)))),
    ('a new push has a new number', lambda s: forall(lambda t: If(
        one_of(s.step(t), NUMBERED), s.pushes(s.mine(t)) > s.pushed(s.mine(t))))),
    # WORD-2: a word that is there again has kept its place in the line: while its top lay in the stack, or by its head.
    ('WORD-2: the tail of the word that was loaded', lambda s: forall(lambda t: If(
        one_of(s.step(t), QUIET),
        If(Not(s.seen_idle(t)), s.seen_tail(t) == s.seen_head(t)),
        If(names_present_push(s, t), s.seen_tail(t) == s.line)))),
    # WORD-1: as long as the CAS can succeed, what was read is what stands there.
    ('WORD-1: the link that was read', lambda s: forall(lambda t: If(
        And(s.step(t) == 'pop_linked', names_present_push(s, t)),
        *(getattr(s, 'read_' + part)(t) == getattr(s, 'link_' + part)(s.seen_top(t)) for part in PACKED)))),
    ('WORD-1: the depth that was read', lambda s: forall(lambda t: If(
        one_of(s.step(t), DEEP),
        If(Not(s.seen_idle(t)), s.read_depth(t) == 0),
        If(names_present_push(s, t), s.read_depth(t) == s.depth(s.seen_top(t)))))),
    ('the link is written', lambda s: forall(lambda t: If(
        s.step(t) == 'push_ready',
        *(getattr(s, 'link_' + part)(s.mine(t)) == getattr(s, 'seen_' + part)(t) for part in PACKED)))),
    ('the depth is written', lambda s: forall(lambda t: If(
        s.step(t) == 'push_ready', s.depth(s.mine(t)) == s.read_depth(t) + 1))),
]

# --- the actions ---------------------------------------------------------------------------------------------


def loaded(s, t, step):
    return s.but(step=[(t, step)], seen_idle=[(t, s.idle)], seen_top=[(t, s.top)], seen_tag=[(t, s.tag)],
                 seen_head=[(t, s.head)], seen_tail=[(t, s.line + s.waiting)])


def still_seen(s, t):
    """The CAS of `t` succeeds: the state in the word is the one it loaded, with nothing waiting."""
    return ite(s.seen_idle(t), And(s.idle, s.top == s.seen_top(t), s.tag == s.seen_tag(t)),
               And(Not(s.idle), s.head == s.seen_head(t), s.waiting == 0))


def load_for_pop(s, t):
    return And(s.step(t) == 'out', s.idle), loaded(s, t, 'pop_loaded')


def read_link(s, t):
    """Of a slot that may be anybody's by now."""
    top = s.seen_top(t)
    return s.step(t) == 'pop_loaded', s.but(
        step=[(t, 'pop_linked')], read_depth=[(t, s.depth(top))], read_top=[(t, s.link_top(top))],
        read_tag=[(t, s.link_tag(top))], read_head=[(t, s.link_head(top))])


def popped(s, t):
    return s.but(idle=s.read_depth(t) > 1, top=s.read_top(t), tag=s.read_tag(t), head=s.read_head(t), free=s.free - 1,
                 step=[(t, 'popped')], mine=[(t, s.seen_top(t))], owner=[(s.seen_top(t), t)])


def pop(s, t):
    """E-POP."""
    return And(s.step(t) == 'pop_linked', still_seen(s, t)), popped(s, t)


def pop_fails(s, t):
    return s.step(t) == 'pop_linked', s.but(step=[(t, 'out')])


def number(s, t):
    """The next push of the slot is to have another number than any before."""
    mine = s.mine(t)
    return s.step(t) == 'popped', s.but(step=[(t, 'hold')], pushes=[(mine, s.pushes(mine) + 1)])


def load_for_push(s, t):
    return And(s.step(t) == 'hold', s.waiting == 0), loaded(s, t, 'push_loaded')


def depth_of_seen(s, t):
    return ite(s.seen_idle(t), s.depth(s.seen_top(t)), term(0))


def read_depth(s, t):
    return s.step(t) == 'push_loaded', s.but(step=[(t, 'push_deep')], read_depth=[(t, depth_of_seen(s, t))])


def write_link(s, t):
    mine = s.mine(t)
    return s.step(t) == 'push_deep', s.but(
        step=[(t, 'push_ready')], depth=[(mine, s.read_depth(t) + 1)], link_top=[(mine, s.seen_top(t))],
        link_tag=[(mine, s.seen_tag(t))], link_head=[(mine, s.seen_head(t))])


def pushed(s, t):
    mine, other = s.mine(t), s.ranked(s.free + 1)
    return s.but(idle=True, top=mine, tag=s.pushes(mine), free=s.free + 1, step=[(t, 'out')],
                 pushed=[(mine, s.pushes(mine))],
                 rank=[(mine, s.free + 1), (other, s.rank(mine))], ranked=[(s.free + 1, mine), (s.rank(mine), other)])


def push(s, t):
    """E-PUSH. The slot takes the next rank, from whatever slot held has it."""
    return And(s.step(t) == 'push_ready', still_seen(s, t)), pushed(s, t)


def push_fails(s, t):
    return s.step(t) == 'push_ready', s.but(step=[(t, 'hold')])


def number_again(s, t):
    """A submitter is handed a slot with its task (a bounce), and numbers as after a pop."""
    mine = s.mine(t)
    return s.step(t) == 'hold', s.but(pushes=[(mine, s.pushes(mine) + 1)])


def set_aside(s, t, x):
    """The slot, which stays held, is a link of the other stack for a while, under that one's top `x`."""
    mine = s.mine(t)
    return s.step(t) == 'hold', s.but(depth=[(mine, term(0))], link_top=[(mine, x)], link_tag=[(mine, term(0))],
                                      link_head=[(mine, term(0))])


def load_for_look(s, t):
    """A waiter (`watch`), a closer (`close`): the word, then the depth, then a CAS that leaves the state alone."""
    return s.step(t) == 'out', loaded(s, t, 'look_loaded')


def look_depth(s, t):
    return s.step(t) == 'look_loaded', s.but(step=[(t, 'look_deep')], read_depth=[(t, depth_of_seen(s, t))])


def still_as_deep(s, t):
    """Implied by the success of any CAS from the word that `t` loaded."""
    return ite(s.seen_idle(t), And(s.idle, s.top == s.seen_top(t), s.tag == s.seen_tag(t)), Not(s.idle))


def show(s, t):
    return And(s.step(t) == 'look_deep', still_as_deep(s, t)), s.but(step=[(t, 'out')])


def look_fails(s, t):
    return s.step(t) == 'look_deep', s.but(step=[(t, 'out')])


def load_for_flag(s, t):
    """A settler: nothing waits, and nothing lies aside; a CAS of the same word but for `short` is to say so."""
    return And(s.step(t) == 'out', s.waiting == 0), loaded(s, t, 'flag_loaded')


def clear_flag(s, t):
    return And(s.step(t) == 'flag_loaded', still_seen(s, t)), s.but(step=[(t, 'out')])


def flag_fails(s, t):
    return s.step(t) == 'flag_loaded', s.but(step=[(t, 'out')])


def hand(s, t, u):
    """A submitter hands its slot to a worker, with the mail."""
    return (And(t != u, s.step(t) == 'hold', s.step(u) == 'out'),
            s.but(step=[(t, 'out'), (u, 'hold')], mine=[(u, s.mine(t))], owner=[(s.mine(t), u)]))


def count(s):
    """E-COUNT by anybody. (Guards of flags and of room, which this model has not, are left open.)"""
    return s.free == 0, s.but(waiting=s.waiting + 1)


def take(s):
    """E-TAKE by anybody: the only step that moves the head."""
    return s.waiting > 0, s.but(waiting=s.waiting - 1, head=s.head + 1, line=s.line + 1)


ACTIONS = [load_for_pop, read_link, pop, pop_fails, number, number_again, set_aside, load_for_push, read_depth, write_link, push, push_fails,
           load_for_look, look_depth, show, look_fails, load_for_flag, clear_flag, flag_fails, hand, count,
           take]

# --- what follows --------------------------------------------------------------------------------------------


def row_holds(event, s, n):
    """The step is the row of transitions.tsv, as far as slots, count and head are concerned."""
    values = Values(free=s.free, waiting=s.waiting, head=s.line, max=s.max)
    own = set(values)
    guards, changes = TABLE['word', event]
    guards = [g for g in guards if g[0].split()[0] in own and g[2].split()[0] in own | {'0', '1'}]
    relation = {'=': lambda a, b: a == b, '<': lambda a, b: a < b, '>': lambda a, b: a > b}
    holds = [relation[o](expression(a, values), expression(b, values)) for a, o, b in guards]
    changes = {name: expression(text, values) for name, text in changes if name in own}
    same = [getattr(n, {'head': 'line'}.get(name, name)) == changes.get(name, values[name])
            for name in ('free', 'waiting', 'head')]
    return And(*holds, *same)


THEOREMS = [
    ('a slot has one owner at most', lambda s: forall(lambda t, u: If(
        And(one_of(s.step(t), HOLDING), one_of(s.step(u), HOLDING), s.mine(t) == s.mine(u)), t == u))),
    ('no slot is lost: in the stack or held', lambda s: forall(lambda x: Or(
        in_stack(s, x), And(one_of(s.step(s.owner(x)), HOLDING), s.mine(s.owner(x)) == x)))),
    ('the free slots are those of ranks 1 to free, one each', lambda s: And(
        forall(lambda r: If(And(1 <= r, r <= s.free), in_stack(s, s.ranked(r)))),
        forall(lambda x: Iff(in_stack(s, x), And(1 <= s.rank(x), s.rank(x) <= s.free))))),
    ('MAX: the slots held are those of ranks free + 1 to max, one each', lambda s: forall(lambda r: If(
        And(s.free < r, r <= s.max), one_of(s.step(s.owner(s.ranked(r))), HOLDING)))),
    ('the depth beside the top is the number of free slots', lambda s: If(s.idle, s.depth(s.top) == s.free)),
    ('a pop would bring back what lies beneath', lambda s: If(s.idle, beneath_is_below(s, s.top))),
    ('a depth shown by a CAS is right', lambda s: forall(lambda t: If(
        And(one_of(s.step(t), DEEP), still_as_deep(s, t)), s.read_depth(t) == s.free))),
    ('WORD-2: an idle pool keeps its place in the line', lambda s: forall(lambda x: If(
        And(in_stack(s, x), s.rank(x) == 1), s.link_head(x) == s.line))),
]

STEPS = [
    ('E-POP is POP', 'pop', lambda s, n: row_holds('POP', s, n)),
    ('E-PUSH is PUSH, FILL or QUIET by the depth it wrote', 'push', lambda s, n, t: And(
        s.read_depth(t) + 1 == n.free, If(s.read_depth(t) + 1 < s.max, row_holds('PUSH', s, n)),
        If(s.read_depth(t) + 1 == s.max, row_holds('FILL', s, n), row_holds('QUIET', s, n)))),
    ('the CAS that shows is SHOW', 'show', lambda s, n: row_holds('SHOW', s, n)),
    ('E-COUNT is COUNT', 'count', lambda s, n: row_holds('COUNT', s, n)),
    ('E-TAKE is TAKE', 'take', lambda s, n: row_holds('TAKE', s, n)),
    ('WORD-1: a successful pop read the right link', 'pop', lambda s, n, t: And(
        *(getattr(s, 'read_' + part)(t) == getattr(s, 'link_' + part)(s.top) for part in PACKED))),
    ('WORD-2: nothing was counted between the load and the CAS', 'pop push clear_flag', lambda s, n, t: And(
        s.seen_tail(t) == s.line + s.waiting, n.line + n.waiting == s.line + s.waiting)),
    ('WORD-1: a successful pop read the right depth', 'pop', lambda s, n, t: s.read_depth(t) == s.free),
    ('WORD-1: a successful push read the right depth', 'push', lambda s, n, t: s.read_depth(t) == ite(
        s.idle, s.depth(s.top), term(0))),
]

STACK = System('stack', letters=LETTERS, enums=ENUMS, signature=SIGNATURE, axioms=axioms, initial=initial,
               invariant=INVARIANT, actions=ACTIONS, theorems=THEOREMS, steps=STEPS,
               sizes={'Thread': 3, 'Slot': 2, 'rank': range(3), 'depth': range(3), 'tag': range(5),
                      'position': range(3)})

SCENARIOS = [
    ('two slots are free', lambda s: And(s.free == 2, s.waiting == 0)),
    ('a task waits', lambda s: And(s.waiting == 1, s.max == 2)),
    ('a pop is about to succeed while another is late', lambda s: exists(lambda t, u: And(
        t != u, s.step(t) == 'pop_linked', still_seen(s, t), s.step(u) == 'pop_linked', Not(still_seen(s, u)),
        s.seen_top(t) == s.seen_top(u)))),
    ('a push is about to succeed onto another slot', lambda s: exists(lambda t: And(
        s.step(t) == 'push_ready', still_seen(s, t), s.idle))),
    ('two pushes are under way', lambda s: exists(lambda t, u: And(
        t != u, s.step(t) == 'push_ready', s.step(u) == 'push_deep'))),
]

# --- broken on purpose ---------------------------------------------------------------------------------------


def pop_without_tag(s, t):
    """The CAS compares the top alone."""
    return And(s.step(t) == 'pop_linked', s.idle, s.top == s.seen_top(t)), popped(s, t)


def push_keeps_number(s, t):
    """A slot is pushed again under its old number."""
    return s.step(t) == 'popped', s.but(step=[(t, 'hold')])


def depth_not_written(s, t):
    """The link keeps the depth of the push before."""
    guard, after = write_link(s, t)
    return guard, after.but(depth=[(s.mine(t), s.depth(s.mine(t)))])


def link_not_written(s, t):
    return s.step(t) == 'push_deep', s.but(step=[(t, 'push_ready')])


def push_without_comparing(s, t):
    """The push is a store."""
    return s.step(t) == 'push_ready', pushed(s, t)


def pop_to_one_less(s, t):
    """The pop writes the slot beneath with its present push number instead of the one remembered."""
    after = popped(s, t)
    return And(s.step(t) == 'pop_linked', still_seen(s, t)), after.but(tag=s.pushes(s.read_top(t)) + 1)


def clear_without_comparing(s, t):
    """The bit is cleared by an operation that takes no word to compare."""
    return s.step(t) == 'flag_loaded', s.but(step=[(t, 'out')])


def hand_and_keep(s, t, u):
    """The submitter keeps the slot that it has handed over."""
    return (And(t != u, s.step(t) == 'hold', s.step(u) == 'out'),
            s.but(step=[(u, 'hold')], mine=[(u, s.mine(t))], owner=[(s.mine(t), u)]))


BROKEN = [
    ('no tag', pop_without_tag, 'pop', ['WORD-1: a successful pop read the right link',
                                        'the word names the top in its last push']),
    ('a push keeps its number', push_keeps_number, 'number', ['a new push has a new number']),
    ('depth not written', depth_not_written, 'write_link', ['the depth is written']),
    ('link not written', link_not_written, 'write_link', ['the link is written']),
    ('push without comparing', push_without_comparing, 'push',
     ['links lead down', 'depth is rank', 'idle is that a slot is free']),
    ('pop restores another state', pop_to_one_less, 'pop', ['the word names the top in its last push']),
    ('short cleared without comparing', clear_without_comparing, 'clear_flag',
     ['WORD-2: nothing was counted between the load and the CAS']),
    ('handed over and kept', hand_and_keep, 'hand', ['a slot held is in no stack and has one owner']),
]
