#!/usr/bin/env python3
"""Plants one bug at a time in a copy of the sources and runs the model that has to catch it.

usage: loom-tests/plants.py [PART OF A NAME ...]
Prints a row for each plant and fails if one survives, does not apply, or does not compile. A run of all
writes loom-tests/plants.tsv, from which docs/TESTING.md is made."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# name, file, what stands there, what is planted, the model that catches it
PLANTS = [
    ('stamp not bumped', 'src/word.rs', 'self.with_state(State::Idle { top: slot, push })',
     'self.with_state(State::Idle { top: slot, push: push * 0 })', 'stack_of_three_keeps_every_slot'),
    ('word CAS relaxed', 'src/admission.rs', 'Ordering::AcqRel, Ordering::Relaxed).is_ok()',
     'Ordering::Relaxed, Ordering::Relaxed).is_ok()', 'max_slot_has_one_owner_at_a_time'),
    ('pop changes nothing', 'src/admission.rs', 'self.change(word, self.slots.popped(word, top))',
     'self.change(word, word)', 'stack_of_two_keeps_every_slot'),
    ('pop changes nothing, whole pool', 'src/admission.rs', 'self.change(word, self.slots.popped(word, top))',
     'self.change(word, word)', 'never_more_than_max_of_two'),
    ('result published relaxed', 'src/task.rs', 'fetch_or(FINISHED, Ordering::AcqRel)',
     'fetch_or(FINISHED, Ordering::Relaxed)', 'task_join_may_time_out_and_try_again'),
    ('join content with a finished task', 'src/task.rs',
     'sleep_until(self.state(), Deadline::NEVER, |state| state & RELEASED != 0)',
     'sleep_until(self.state(), Deadline::NEVER, |state| state & FINISHED != 0)',
     'task_result_reaches_the_joiner'),
    ('unwanted result not dropped', 'src/task.rs', 'unsafe { (cell.vtable.drop_result)(header) };',
     '{}', 'task_result_is_dropped_once_whoever_leaves_first'),
    ('finished seen relaxed', 'src/task.rs', 'self.state().word().load(Ordering::Acquire) & FINISHED',
     'self.state().word().load(Ordering::Relaxed) & FINISHED', 'task_join_may_time_out_and_try_again'),
    ('panic not caught', 'src/unwind.rs', 'catch_unwind(AssertUnwindSafe(f))',
     '{ let _ = (catch_unwind(|| ()), AssertUnwindSafe(())); Ok(f()) }', 'task_panic_is_the_result'),
    ('departure relaxed', 'src/task.rs',
     'compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed)',
     'compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed)',
     'task_result_reaches_the_joiner'),
    ('sleeper not marked', 'src/park.rs', 'compare_exchange(value, value | ASLEEP, O',
     'compare_exchange(value, value, O', 'sleeper_is_woken'),
    ('signal seen relaxed', 'src/park.rs',
     'let value = futex.word().load(Ordering::Acquire);', 'let value = futex.word().load(Ordering::Relaxed);',
     'sleeper_is_woken'),
    ('ticket not made stale', 'src/park.rs', 'fetch_add(1, Ordering::Release)',
     'fetch_add(0, Ordering::Release)', 'crowd_is_woken'),
    ('idle pool not noticed after installing', 'src/admission.rs',
     'let Some(tail) = word.state().tail() else {\n                return false;',
     'let Some(tail) = word.state().tail() else {\n                return true;', 'waiting_task_runs_once'),
    ('lost withdrawal taken for a success', 'src/queue.rs',
     '.compare_exchange(live.0, over.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()',
     '.compare_exchange(live.0, over.0, Ordering::Relaxed, Ordering::Relaxed).is_ok() || true',
     'cancelling_against_hand_over_strands_nobody'),
    ('lost withdrawal taken for a success, closing', 'src/queue.rs',
     '.compare_exchange(live.0, over.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()',
     '.compare_exchange(live.0, over.0, Ordering::Relaxed, Ordering::Relaxed).is_ok() || true',
     'closing_against_waiting_strands_nobody'),
    ('withdrawn entry may come back', 'src/queue.rs',
     'let over = Entry::new(position, None);\n        // Over, and not',
     'let over = Entry::new(Position(position.0.wrapping_sub(LAP)), None);\n        // Over, and not',
     'a_seat_taken_again_is_not_mistaken'),
    ('wave not advanced', 'src/word.rs', 'let wave = self.0.wrapping_add(ONE_WAVE) & WAVE_MASK;',
     'let wave = self.0.wrapping_add(0 * ONE_WAVE) & WAVE_MASK;', 'waiter_sees_the_quiescence_after_its_call'),
    ('watch not asked for', 'src/word.rs', 'Word(self.0 | WATCHED)', 'Word(self.0 | (WATCHED & 0))',
     'two_waiters_are_both_answered'),
    ('wait content with one sleep', 'src/admission.rs',
     'if !self.quiescence.sleep(ticket, deadline) {\n                return self.load().wave() != wave;\n            }',
     'self.quiescence.sleep(ticket, deadline);\n            return true;', 'wait_is_not_answered_early'),
    ('released before the slot is back', 'src/worker.rs',
     'let finished = next.take().map(Runner::run);', 'next.take().map(Runner::run).map(|f| f.release()); let finished: Option<crate::task::Finished> = None;',
     'result_comes_back'),
    ('quiescent with one slot missing', 'src/admission.rs',
     'let quiescent = self.slots.depth(word) as usize == self.slots.max();\n            let next',
     'let quiescent = self.slots.depth(word) as usize + 1 >= self.slots.max();\n            let next',
     'wait_returns_when_all_is_done'),
    ('drop joins itself', 'src/pool.rs', 'if !self.crew.is_own() {\n            // SAFETY',
     'if true {\n            // SAFETY', 'drop_inside_its_own_task_ends_the_pool'),
    ('nested spawn waits', 'src/submit.rs',
     'Patience::Endless if self.crew.is_own() => return Err(Outcome::Inline(task)),\n            _ => {}',
     '_ => {}', 'nested_spawn_never_hangs'),
    ('nobody sends the workers home', 'src/admission.rs',
     'Some(if quiescent && word.is_closed() { Given::Over } else { Given::Back })', 'Some(Given::Back)',
     'drop_finishes_what_was_accepted'),
    ('admission not announced', 'src/worker.rs', 'job.admit();', '', 'spawn_returns_while_its_task_runs'),
    ('closed pool lets in', 'src/admission.rs',
     'if word.is_closed() {\n                return Entry::Closed;\n            }', '', 'close_lets_accepted_tasks_finish'),
    ('withdrawn task taken for admitted', 'src/admission.rs',
     'return Waited::TimedOut(unsafe { self.queue.leave_with_task(seat) });', 'return Waited::Admitted;',
     'timed_out_task_comes_back'),
    ('refused submitter bounces nobody', 'src/admission.rs', 'task.bounce();', 'let _ = task.into_raw();',
     'refused_thread_strands_nobody'),
    ('slot not put aside', 'src/submit.rs', 'admission.put_aside(held);', 'let _ = held;',
     'refused_thread_and_close_strand_nobody'),
    ('waiter not answered while another submits', 'src/admission.rs',
     'if quiescent && word.is_watched() {\n            self.quiescence.notify_all();\n        }', '',
     'wait_returns_beside_a_submitter'),
]


def main():
    wanted = [p for p in PLANTS if not sys.argv[1:] or any(a in p[0] for a in sys.argv[1:])]
    env = dict(os.environ, RUSTFLAGS='--cfg loom', ADMIT_MANIFEST='ignore')
    survivors, rows = 0, []
    with tempfile.TemporaryDirectory() as tmp:
        tree = os.path.join(tmp, 'admit')
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns('target', '.git'))
        env['CARGO_TARGET_DIR'] = os.path.join(ROOT, 'target', 'plants')
        print('| plant | file | caught by | seconds |\n|---|---|---|---:|', flush=True)
        for name, path, old, new, model in wanted:
            full = os.path.join(tree, path)
            text = open(full).read()
            start = time.time()
            if text.count(old) != 1:
                verdict = f'**does not apply** ({text.count(old)} places)'
            else:
                open(full, 'w').write(text.replace(old, new))
                build = subprocess.run(['cargo', 'test', '-q', '--test', 'models', '--no-run'], cwd=tree, env=env,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                if build.returncode:
                    verdict = '**does not compile**\n' + build.stdout[-1500:]
                else:
                    try:
                        run = subprocess.run(['cargo', 'test', '-q', '--test', 'models', model], cwd=tree, env=env,
                                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
                        verdict = f'`{model}`' if run.returncode else '**survives**'
                    except subprocess.TimeoutExpired:
                        verdict = '**survives** (no answer in 300 s)'
                open(full, 'w').write(text)
            survivors += '**' in verdict
            rows.append((name, path, verdict.strip('`'), f'{time.time() - start:.1f}'))
            print('| ' + ' | '.join(rows[-1]) + ' |', flush=True)
    if survivors:
        sys.exit(f'{survivors} of {len(wanted)} plants were not caught')
    if len(wanted) == len(PLANTS):
        with open(os.path.join(ROOT, 'loom-tests/plants.tsv'), 'w') as table:
            table.writelines('\t'.join(row) + '\n' for row in rows)
    print(f'{len(wanted)} passed, 0 failed')


main()
