"""Explicit-state search of the admission protocol described in docs/PROTOCOL.md.

Every step below is one successful atomic operation of the shipped code on the word, a ring cell or a task, with
the loads that led to it, and the search visits every interleaving of them (sequentially consistent memory; the orderings are loom's part).
The Treiber stack is taken as a stack, its tag as never wrapping; the ring has CELLS cells, so that laps
are reached. Submitters 0..TIMED give up at an arbitrary moment, CLOSE closes the pool at one, and STOP
stops one thread for ever at one (PROGRESS).

usage: protocol_search.py MAX SUBMITTERS TIMED CLOSE STOP [CELLS] [BUG]
Each BUG must be refuted:
  twice      a finishing worker reads the number waiting and takes from it in two steps
  noseal     a worker leaves the cell of a dead position open behind it
  leave      a submitter that finds the pool idle leaves its entry installed
  overwrite  an installer overwrites the unclaimed leftover of an older lap
  lost       a failed withdrawal is taken for a success
  late       a worker that was stopped for a lap claims the later entry that it finds in its cell
"""
import sys
from hashlib import blake2b
from marshal import dumps

MAX, SUBS, TIMED, CLOSE, STOP = map(int, sys.argv[1:6])
REST = sys.argv[6:]
CELLS = int(REST.pop(0)) if REST and REST[0].isdigit() else 4
BUG = REST[0] if REST else ''
ROOM = CELLS - 1

# word: (pos, idle, n, closed): idle is the stack of free slots, n counts positions pos .. pos+n; never both.
# ring: CELLS pairs (position, submitter or None); task: 0 free, 'taken' once claimed, 'done'
# submitter: (state, ...); slot: None (free), (state, ...)


def put(t, i, v):
    return t[:i] + (v,) + t[i + 1:]


def steps(st):
    word, ring, subs, slots, taken, done, stopped = st
    pos, idle, n, closed = word

    def go(word=word, ring=ring, subs=subs, slots=slots, taken=taken, done=done, stopped=stopped):
        return (word, ring, subs, slots, taken, done, stopped)

    def cell(p):
        return ring[p % CELLS]

    def cells(p, who):
        return put(ring, p % CELLS, (p, who))

    if CLOSE and not closed:
        yield go(word=(pos, idle, n, True))
    if STOP and stopped is None:
        for i, s in enumerate(subs):
            if s[0] not in ('new', 'ok', 'full', 'refused'):
                yield go(stopped=('sub', i))
        for k, s in enumerate(slots):
            if s is not None:
                yield go(stopped=('slot', k))

    for i, s in enumerate(subs):
        if stopped == ('sub', i):
            continue
        at = lambda *v: put(subs, i, v)
        k = s[0]
        if k == 'new':
            if closed:
                yield go(subs=at('refused'))
            elif idle:
                yield go(word=(pos, idle[1:], 0, closed), subs=at('give', idle[0]))
            elif n < ROOM:
                yield go(subs=at('install', pos + n))
            elif i < TIMED:
                yield go(subs=at('full'))
        elif k == 'give':
            yield go(slots=put(slots, s[1], ('run', i)), taken=taken | {i}, subs=at('ok'))
        elif k == 'install':
            p = s[1]
            q, who = cell(p)
            if q < p and (who is None or BUG == 'overwrite'):
                yield go(ring=cells(p, i), subs=at('count', p))
            else:
                yield go(subs=at('help', p))
        elif k == 'help':                     # counts whatever is at the tail: an entry, or a leftover as a hole
            p = s[1]
            if not idle and not closed and pos + n == p and n < ROOM:
                yield go(word=(pos, (), n + 1, closed), subs=at('new'))
            else:
                yield go(subs=at('new'))
        elif k == 'count':
            p = s[1]
            if not idle and p < pos + n:
                yield go(subs=at('wait', p))  # counted by a helper
            elif not idle and not closed and n < ROOM:
                assert p == pos + n, ('passed uncounted', st)
                yield go(word=(pos, (), n + 1, closed), subs=at('wait', p))
            elif idle and BUG == 'leave':
                yield go(subs=at('new'))
            else:
                yield go(subs=at('withdraw', p))
        elif k == 'withdraw':
            p = s[1]
            if cell(p) == (p, i):
                yield go(ring=cells(p, None), subs=at('new'))
            else:
                yield go(subs=at('new' if BUG == 'lost' else 'wait', p))
        elif k == 'wait':
            p = s[1]
            if i in taken:
                yield go(subs=at('ok'))
            elif i < TIMED:
                if cell(p) == (p, i):
                    yield go(ring=cells(p, None), subs=at('sweep'))
        elif k == 'sweep':
            if idle or n == 0:
                yield go(subs=at('full'))
            else:
                yield go(subs=at('pass', pos, n) if cell(pos) == (pos, None) else at('full'))
        elif k == 'pass':
            if not idle and (pos, n) == s[1:]:
                yield go(word=(pos + 1, (), n - 1, closed), subs=at('sweep'))
            else:
                yield go(subs=at('sweep'))

    for x, s in enumerate(slots):
        if s is None or stopped == ('slot', x):
            continue
        if s[0] in ('run', 'finish'):
            ended = done | {s[1]} if s[0] == 'run' else done
            if s[0] == 'finish' and len(s) > 1:
                yield go(word=(pos + 1, (), max(n - 1, 0), closed), slots=put(slots, x, ('claim', pos)))
            elif n > 0 and BUG == 'twice':
                yield go(slots=put(slots, x, ('finish', 'saw')), done=ended)
            elif n > 0:
                yield go(word=(pos + 1, (), n - 1, closed), slots=put(slots, x, ('claim', pos)), done=ended)
            else:
                yield go(word=(pos, (x,) + idle, 0, closed), slots=put(slots, x, None), done=ended)
        else:                                 # claims its position, or the leftover of an older lap, and closes the cell
            h = s[1]
            q, who = cell(h)
            if BUG == 'late':
                q = min(q, h)
            shut = cells(h, None) if q <= h and not (BUG == 'noseal' and who is None) else ring
            if q <= h and who is not None:
                assert who not in taken, ('claimed twice', st)
                yield go(ring=shut, slots=put(slots, x, ('run', who)), taken=taken | {who})
            else:
                yield go(ring=shut, slots=put(slots, x, ('finish',)))


def check(st):
    word, ring, subs, slots, taken, done, stopped = st
    pos, idle, n, closed = word
    assert not (idle and n), ('idle and waiting', st)
    assert len(idle) + sum(s is not None for s in slots) + sum(s[0] == 'give' for s in subs) == MAX, ('MAX', st)
    for i, s in enumerate(subs):
        if s[0] == 'wait' and i not in taken:
            held = any(x and x[0] == 'claim' and (x[1] - s[1]) % CELLS == 0 for x in slots)
            assert held or pos <= s[1] < pos + n or any(
                (h - s[1]) % CELLS == 0 for h in range(pos, pos + n)), ('WAKE: counted by nobody', st)
            assert len(idle) < MAX, ('WAIT: quiescent with a waiting task', st)


def final(st):
    word, ring, subs, slots, taken, done, stopped = st
    pos, idle, n, closed = word
    hand = None                       # the one task that a stopped thread may hold back
    busy = 0
    if stopped and stopped[0] == 'slot':
        busy = slots[stopped[1]] is not None
        s = slots[stopped[1]]
        if s and s[0] == 'claim' and ring[s[1] % CELLS][0] == s[1]:
            hand = ring[s[1] % CELLS][1]
        if s and s[0] == 'run':
            hand = s[1]
    if stopped and stopped[0] == 'sub':
        busy = subs[stopped[1]][0] == 'give'
        hand = stopped[1]
    if busy == MAX:
        return                        # the only slot is the stopped thread's
    assert len(idle) == MAX - busy, ('stuck', st)
    for i, s in enumerate(subs):
        if i == hand:
            continue
        assert s[0] in ('ok', 'full', 'refused'), ('stuck submitter', st)
        assert (i in done) == (s[0] == 'ok'), ('ONCE', st)


first = ((CELLS, tuple(range(MAX)), 0, False), tuple((p, None) for p in range(CELLS)),
         (('new',),) * SUBS, (None,) * MAX, frozenset(), frozenset(), None)


def name(st):
    """128 bits that stand for a state in the set of those seen, which would take gigabytes otherwise. That two of n
    states have one name, and the second is passed over, has a chance of n² / 2^129."""
    return blake2b(dumps(st, 0), digest_size=16).digest()


# Depth first, so that few states are kept whole.
seen, todo, ends = {name(first)}, [first], 0
while todo:
    st = todo.pop()
    check(st)
    moves = 0
    for nxt in steps(st):
        if nxt[6] == st[6] and nxt[0][3] == st[0][3]:
            moves += 1
        if (key := name(nxt)) not in seen:
            seen.add(key)
            todo.append(nxt)
    if moves == 0:
        ends += 1
        final(st)
print(f'max {MAX} submitters {SUBS} timed {TIMED} close {CLOSE} stop {STOP} cells {CELLS} {BUG}: '
      f'{len(seen)} states, {ends} ends, all good')
