"""No guard of transitions.tsv is idle: with any one of them dropped, the proof of the steps made by its row fails.

A few guards are not there for safety. They are listed with the reason, and it is checked that no counter-model of
the same size exists without them, so that the list stays true.
"""
from proof_terms import *
import proof_aside
import proof_counts
import proof_queue

# The actions that a row makes, by system.
USES = {
    'POP': [(proof_counts.COUNTS, 'pop'), (proof_queue.QUEUE, 'pop')],
    'REPOP': [(proof_counts.COUNTS, 'pop_again'), (proof_queue.QUEUE, 'pop')],
    'PUSH': [(proof_counts.COUNTS, 'push'), (proof_queue.QUEUE, 'push')],
    'FILL': [(proof_counts.COUNTS, 'fill'), (proof_queue.QUEUE, 'fill')],
    'QUIET': [(proof_counts.COUNTS, 'quiet'), (proof_queue.QUEUE, 'quiet')],
    'COUNT': [(proof_counts.COUNTS, 'count'), (proof_queue.QUEUE, 'count')],
    'RECOUNT': [(proof_counts.COUNTS, 'count_late'), (proof_queue.QUEUE, 'count')],
    'TAKE': [(proof_counts.COUNTS, 'take'), (proof_queue.QUEUE, 'take')],
    'WATCH': [(proof_counts.COUNTS, 'watch')],
    'CLOSE': [(proof_counts.COUNTS, 'close')],
    'SHORT': [(proof_counts.COUNTS, 'short'), (proof_aside.ASIDE, 'mark'), (proof_aside.ASIDE, 'show_again')],
    'UNSHORT': [(proof_counts.COUNTS, 'unshort'), (proof_aside.ASIDE, 'clear')],
    'INSTALL': [(proof_queue.QUEUE, 'find_free'), (proof_queue.QUEUE, 'install')],
    'CLAIM': [(proof_queue.QUEUE, 'claim')],
    'WITHDRAW': [(proof_queue.QUEUE, 'withdraw')],
    'SEAL': [(proof_queue.QUEUE, 'seal')],
    'INHERIT': [(proof_queue.QUEUE, 'inherit')],
}

# Guards that tell a row from another, or from a step that changes nothing.
NOT_NEEDED = {
    ('REPOP', 'closed = 1'): 'without it the row is POP',
    ('RECOUNT', 'closed = 1'): 'without it the row is COUNT',
    ('FILL', 'free + 1 = max'): 'without it the row is PUSH, where nobody watches',
    ('WATCH', 'watched = 0'): 'a second waiter finds the bit set',
    ('CLOSE', 'closed = 0'): 'a second closer finds the bit set',
    ('SHORT', 'short = 0'): 'the bit is set',
    ('UNSHORT', 'short = 1'): 'the bit is clear',
    ('WITHDRAW', 'at = p'): 'a seat stands in one cell, and for one position',
    ('SEAL', 'at < p'): 'the cell is closed for p already',
}


def needed():
    """The number of guards, each dropped once."""
    number = 0
    for (kind, event), (guards, changes) in list(TABLE.items()):
        for dropped in guards:
            TABLE[kind, event] = ([g for g in guards if g is not dropped], changes)
            try:
                lost = []
                for system, name in USES[event]:
                    action = next(a for a in system.actions if a.__name__ == name)
                    lost += system.lost(action)
            finally:
                TABLE[kind, event] = (guards, changes)
            guard = ' '.join(dropped)
            if bool(lost) == ((event, guard) in NOT_NEEDED):
                raise Failure(f'{event} without {guard}: {", ".join(lost) or "nothing is lost"}')
            number += bool(lost)
    return number
