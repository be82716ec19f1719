//! What the operating system is asked: clocks, counts, cores, and who else was busy.

use std::{fs, io, mem::MaybeUninit, ops::Sub, thread, time::Duration};

/// Cores that this process may run on.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What a process has used so far.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// Context switches of all threads, voluntary and not.
    pub(crate) switches: u64,
}

impl Usage {
    /// This process.
    pub(crate) fn own() -> Usage {
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: the pointer is good for one write of that type.
        let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, time.as_mut_ptr()) };
        assert_eq!(failed, 0, "{}", io::Error::last_os_error());
        // SAFETY: a call that succeeds has written it.
        let time = unsafe { time.assume_init() };
        let cpu = Duration::new(time.tv_sec as u64, time.tv_nsec as u32);
        Usage { cpu, ..usage(libc::RUSAGE_SELF) }
    }

    /// This process's children that have ended and been waited for.
    pub(crate) fn children() -> Usage {
        usage(libc::RUSAGE_CHILDREN)
    }
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, before: Usage) -> Usage {
        Usage {
            cpu: self.cpu.saturating_sub(before.cpu),
            switches: self.switches.saturating_sub(before.switches),
        }
    }
}

fn usage(who: libc::c_int) -> Usage {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is good for one write of that type.
    let failed = unsafe { libc::getrusage(who, usage.as_mut_ptr()) };
    assert_eq!(failed, 0, "{}", io::Error::last_os_error());
    // SAFETY: a call that succeeds has written it.
    let usage = unsafe { usage.assume_init() };
    let duration = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    Usage {
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        switches: (usage.ru_nvcsw + usage.ru_nivcsw) as u64,
    }
}

/// Binds the calling thread, and those that it will start, to one core.
pub(crate) fn pin(core: usize) {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: a set of cores is an array of bits, and no bits is a set.
    let set = unsafe { set.assume_init_mut() };
    // SAFETY: a core above the set's size makes it panic, no more.
    unsafe { libc::CPU_SET(core, set) };
    // SAFETY: the set is alive and of the size said.
    let failed = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) };
    assert_eq!(failed, 0, "core {core}: {}", io::Error::last_os_error());
}

/// Ends this process by a signal in `seconds`, whatever its threads hang in.
pub(crate) fn limit(seconds: u32) {
    // SAFETY: it takes a number and nothing of ours handles the signal.
    unsafe { libc::alarm(seconds) };
}

/// Ends this process when its parent ends.
pub(crate) fn end_with_parent() {
    // SAFETY: it takes numbers and nothing of ours handles the signal.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Sums over all cores and processes since the machine was started.
#[derive(Clone, Copy)]
pub(crate) struct Machine {
    busy: Duration,
    steal: Duration,
    all: Duration,
}

impl Machine {
    pub(crate) fn now() -> Machine {
        let text = fs::read_to_string("/proc/stat").expect("Linux");
        let line = text.lines().next().expect("a line for all cores");
        let ticks: Vec<u64> =
            line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
        let [user, nice, system, idle, iowait, irq, softirq, steal] = ticks[..8] else { unreachable!() };
        let busy = user + nice + system + irq + softirq;
        let all = busy + idle + iowait + steal;
        let [busy, steal, all] = [busy, steal, all].map(time);
        Machine { busy, steal, all }
    }

    /// The share of all cores' time since `before` that others than us had, who had `ours`, and the share
    /// that the hypervisor kept.
    pub(crate) fn shares_since(self, before: Machine, ours: Duration) -> (f64, f64) {
        let all = (self.all - before.all).as_secs_f64().max(1e-9);
        let foreign = (self.busy - before.busy).saturating_sub(ours);
        let steal = self.steal.saturating_sub(before.steal);
        (foreign.as_secs_f64() / all, steal.as_secs_f64() / all)
    }
}

/// The processor time of process `id`.
pub(crate) fn cpu_of(id: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name in parentheses may have spaces in it. Of the fields after it the 12th and 13th are meant.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse().ok()).map(time).sum()
}

/// The kernel tells these times in hundredths of a second on every architecture that Rust's std knows.
fn time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 10)
}
