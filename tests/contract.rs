#![cfg(not(loom))]
//! The contract, guarantee by guarantee. Each module names the IDs that it covers.

#[path = "contract/build.rs"]
mod build;
#[path = "contract/end.rs"]
mod end;
#[path = "contract/nest.rs"]
mod nest;
#[path = "contract/outcome.rs"]
mod outcome;
#[path = "contract/park.rs"]
mod park;
#[path = "contract/queue.rs"]
mod queue;
#[path = "contract/refuse.rs"]
mod refuse;
mod support;
#[path = "contract/tasks.rs"]
mod tasks;
#[path = "contract/wait.rs"]
mod wait;

use admit::{JoinHandle, Pool, TrySpawnError};
use std::time::Duration;
use support::{Flag, Gate, eventually};

/// Long enough that a call which must not return would have; no test waits for less to happen.
const SHORT: Duration = Duration::from_millis(20);

/// Starts a task that runs until `gate` opens, and returns once it runs.
#[track_caller]
fn occupy(pool: &Pool, gate: &Gate) -> JoinHandle<()> {
    let (gate, runs) = (gate.clone(), Flag::new());
    let started = runs.clone();
    let handle = pool.spawn(move || {
        started.raise();
        gate.pass();
    });
    runs.await_up("an admitted task runs");
    handle
}

/// Returns once `n` tasks wait for a permit.
#[track_caller]
fn await_waiting(pool: &Pool, n: usize) {
    eventually("the tasks queue up", || pool.waiting() == n);
}

/// Asserts that `max` tasks of `pool` can still run at once, and not one more is let in.
#[track_caller]
fn assert_has_all_permits(pool: &Pool) {
    let gate = Gate::new();
    let busy: Vec<_> = (0..pool.max()).map(|_| occupy(pool, &gate)).collect();
    assert_eq!((pool.running(), pool.waiting()), (pool.max(), 0));
    assert!(matches!(pool.try_spawn(|| ()), Err(TrySpawnError::Full(_))));
    gate.open();
    for handle in busy {
        handle.join().unwrap();
    }
    assert_eq!(pool.running(), 0);
}

#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "an interpreter starts no other program")]
#[test]
fn the_contract_holds_on_a_single_core() {
    // Goal: MAX ONCE RESULT PANIC WAKE FIFO WAIT FREE SLEEP PROGRESS NEST END REFUSE where one core is all there is, and who
    // looks for an answer gives way. Method: all the other tests once more, in a process that may use one core.
    const PINNED: &str = "ADMIT_TEST_PINNED";
    let _watch = support::watch();
    if std::env::var_os(PINNED).is_some() {
        assert_eq!(std::thread::available_parallelism().unwrap().get(), 1);
        return;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let core = allowed.trim().split([',', '-']).next().unwrap();
    let output = std::process::Command::new("taskset")
        .args(["-c", core])
        .arg(std::env::current_exe().unwrap())
        .env(PINNED, "")
        .output()
        .expect("taskset runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains(" 0 passed"), "{said}");
}
