"""The protocol of docs/PROTOCOL.md, proved for every `max` and every number of threads.

usage: proof.py [quick | full]   prove everything; `full` also drops every guard of the table in turn
       proof.py --write          write word_vectors.tsv
       proof.py --check          see that word_vectors.tsv is up to date, and nothing else

An *invariant* is stated in logic; solvers show that the initial states satisfy it and that every step of every
thread keeps it. So it holds in all states that can be reached, however many threads there are and however long
they run. Each condition is one SMT-LIB text that z3 and cvc5 both have to confirm. `unknown` is a failure.

proof_word.py     the word as 64 bits: every transition of src/word.rs is its row of transitions.tsv
proof_counts.py   counts, quiescence, the end: MAX, WAIT, END
proof_stack.py    the tagged stack of free slots, step by step: WORD-1, no slot lost or owned twice
proof_queue.py    the queue, step by step, with laps and holes: WAKE, ONCE, RING-1, RING-2, RING-3, FIFO
proof_aside.py    slots set aside where threads are refused: MAX, no slot left there for good
proof_guards.py   (full) no guard of transitions.tsv is idle
proof_terms.py    how formulas are written, and how the solvers are asked

The five share transitions.tsv: guards and changes of the word's and the cells' events are read from it. Lines
named *vectors* tie the bits to the code: tests/word.rs runs the shipped functions over the file.

Against proofs of nothing: *witnesses* are states in which the invariant holds and something goes on (and one for
each action that can take place in it), and under *broken* every deliberate fault makes the solvers find a state from
which the invariant is lost. Such states need not be reachable. They have two or three of each thing, and are
looked for with the quantifiers spelled out; the proofs are not limited in that way.

What is assumed, and left out:

* Sequential consistency: each step is one access to shared memory, and all threads see one order of them. The
  orderings are loom's part.
* Push numbers, positions, waves and tickets are integers that do not wrap in the protocol proofs (src/word.rs says
  what it would take); proof_word.py shows that the fields count modulo their width.
* The link of a slot is one atomic, with the depth in it, and is read at once, as is a cell.
* A step that only reads the word is taken together with what it decides on, or followed by a CAS that is allowed
  to succeed more often than the shipped one; where a thread could be overtaken in between, and it matters (what
  lies beneath; the cell of an installer, the head of a sweeper, the cell and the seat of a worker), the steps are apart.
* Only proof_aside.py knows that threads are refused. In the other parts `short` is free to change, a slot aside is one
  that somebody holds, and a bounced task is to be read as claimed; proof_aside.py in turn knows no tasks, only how
  many wait.
* Left out: mail, joins, and the sleep of a submitter on its task's state. That these sleepers are woken is loom's
  part. Left out too are the links and the tag of the stack of slots aside: a push or pop of it is one step.
* No liveness: what is shown is that a sleeper is always somebody's charge, and that the slots that its charge needs
  are held by somebody who has a step to take (or lie aside, while every slot with a thread is held); that a slot aside
  is always somebody's charge; not that the scheduler lets him take his step.
* The parts are proved one by one. They meet in the table: the counts of proof_counts.py and proof_aside.py and the
  `free` of the stack and of the queue change by the same rows, and proof_stack.py shows that its steps are those rows.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(os.path.dirname(os.path.dirname(HERE)), 'target', 'spec-venv')
PINNED = {'z3': 'z3-solver==5.4.1.0', 'cvc5': 'cvc5==1.4.2'}


def missing(python):
    """The pinned packages whose modules this interpreter cannot import."""
    return [package for module, package in PINNED.items()
            if subprocess.run([python, '-c', f'import {module}'], stderr=subprocess.DEVNULL).returncode]


def with_solvers():
    """Goes on in an interpreter that has both solvers, if need be in target/spec-venv."""
    try:
        import cvc5
        import z3
    except ImportError:
        python = os.path.join(VENV, 'bin', 'python')
        if os.path.realpath(sys.prefix) == os.path.realpath(VENV):
            sys.exit('the solvers cannot be imported in target/spec-venv')
        if not os.path.exists(python):
            subprocess.run([sys.executable, '-m', 'venv', VENV], check=True)
        if packages := missing(python):
            subprocess.run([python, '-m', 'pip', 'install', '--quiet', *packages], check=True, stdout=sys.stderr)
        os.execv(python, [python, os.path.abspath(__file__), *sys.argv[1:]])


def main():
    sys.dont_write_bytecode = True
    if sys.argv[1:] not in ([], ['quick'], ['full'], ['--write'], ['--check']):
        sys.exit(__doc__)
    with_solvers()
    import proof_aside
    import proof_counts
    import proof_guards
    import proof_queue
    import proof_stack
    import proof_word
    from proof_terms import Evidence, expect
    evidence = Evidence()
    check = evidence.check
    if sys.argv[1:] == ['--write']:
        proof_word.write_vectors()
        return 0
    check('word: vectors', 'WORD-1 WORD-2', 'vectors', proof_word.check_vectors)
    if sys.argv[1:] != ['--check']:
        check('word: every row', 'WORD-1 WORD-2', 'conditions',
              lambda: expect('unsat', proof_word.rows(proof_word.OPERATIONS)))
        check('word: laws', 'WORD-1 WORD-2', 'conditions', lambda: expect('unsat', proof_word.laws()))
        check('word: witnesses', 'WORD-1 WORD-2', 'models', lambda: expect('sat', proof_word.enabled()))
        for name, event, operation in proof_word.BROKEN:
            check(f'word: broken: {name}', 'WORD-1 WORD-2', 'counter-models',
                  lambda: proof_word.refute(event, operation))
        for system, guarantees, module in [
                (proof_counts.COUNTS, 'MAX WAIT END WORD-2', proof_counts),
                (proof_stack.STACK, 'MAX WORD-1 WORD-2', proof_stack),
                (proof_queue.QUEUE, 'WAKE ONCE MAX RING-1 RING-2 RING-3 FIFO', proof_queue),
                (proof_aside.ASIDE, 'MAX WAIT END', proof_aside)]:
            check(f'{system.name}: invariant', guarantees, 'conditions', system.prove)
            check(f'{system.name}: witnesses', guarantees, 'models', lambda: system.witness(module.SCENARIOS))
            for name, broken, instead_of, parts in module.BROKEN:
                check(f'{system.name}: broken: {name}', guarantees, 'counter-models',
                      lambda: system.refute(broken, instead_of, parts))
        wide = proof_queue.WIDE
        check('queue: witnesses with three cells', 'WAKE FIFO', 'models',
              lambda: wide.scenarios(proof_queue.SCENARIOS_WIDE))
        if sys.argv[1:] == ['full']:
            check('table: guards dropped', 'MAX WAIT END WAKE ONCE', 'counter-models', proof_guards.needed)
    print(f'{evidence.passed} passed, {evidence.failed} failed')
    return 1 if evidence.failed or not evidence.passed else 0


if __name__ == '__main__':
    sys.exit(main())
