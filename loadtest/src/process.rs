//! What a process has used.
//!
//! Processor time is the scheduler's own account (`clock_getcpuclockid`), not `utime` and `stime`
//! of `/proc`: those are sampled at the timer tick, and a thread that wakes with the tick and is
//! done before the next one, as a mixer does, is hardly ever caught running.

use nix::time::ClockId;
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

/// Processor time and memory of a process at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Time of all threads, those that have ended included, in user mode and in the kernel.
    pub processor: Duration,
    /// Resident memory, KiB.
    pub resident_kib: u64,
    /// Threads.
    pub threads: u64,
}

impl Usage {
    /// Of a process; `None` when there is no such process.
    pub fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
        Some(Self {
            processor: Duration::from(clock.now().ok()?),
            resident_kib: field(&status, "VmRSS:")?,
            threads: field(&status, "Threads:")?,
        })
    }
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_usage_is_there_and_a_missing_process_is_none() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident_kib > 500 && usage.threads >= 1);
        assert!(Usage::of(u32::MAX).is_none());
    }
}
