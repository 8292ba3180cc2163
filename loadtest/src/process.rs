//! What a process has used, from `/proc`.

use std::fs;
use std::time::Duration;

/// Processor time and memory of a process at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Time in user mode, all threads.
    pub user: Duration,
    /// Time in the kernel, all threads.
    pub system: Duration,
    /// Resident memory, KiB.
    pub resident_kib: u64,
    /// Threads.
    pub threads: u64,
}

impl Usage {
    /// Of a process; `None` when there is no such process.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        // The name in brackets may hold anything; the fields are counted behind it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            // Linux reports in hundredths of a second on every architecture (USER_HZ).
            user: Duration::from_millis(ticks(11)? * 10),
            system: Duration::from_millis(ticks(12)? * 10),
            resident_kib: field(&status, "VmRSS:")?,
            threads: field(&status, "Threads:")?,
        })
    }

    /// Processor time in both modes.
    pub fn processor(&self) -> Duration {
        self.user + self.system
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
