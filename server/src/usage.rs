//! What processes use: CPU time between two looks at `/proc`, and resident memory. A look costs two small reads a process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between looks: long enough that one tick of the kernel's counter is below one percent.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Ticks a second in `/proc/<pid>/stat`: the kernel's USER_HZ, 100 on every architecture that booth is built for.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Of one core.
    pub cpu_percent: f64,
    pub memory_bytes: u64,
}

#[derive(Debug)]
struct Sample {
    at: Instant,
    ticks: u64,
    usage: Usage,
}

/// The last looks; cloned freely. The lock is held for a copy at most.
#[derive(Debug, Clone, Default)]
pub struct Sampler(Arc<Mutex<BTreeMap<u32, Sample>>>);

impl Sampler {
    /// Looks at these processes, and forgets all others.
    pub fn look(&self, pids: &[u32], now: Instant) {
        let seen = pids
            .iter()
            .filter(|pid| **pid != 0)
            .filter_map(|pid| Some((*pid, ticks(*pid)?, memory_bytes(*pid).unwrap_or(0))));
        let seen: Vec<_> = seen.collect();
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.retain(|pid, _| pids.contains(pid));
        for (pid, ticks, memory_bytes) in seen {
            let before = samples.get(&pid);
            let cpu_percent = before.map_or(0.0, |before| {
                let span = now.duration_since(before.at).as_secs_f64();
                // Fewer ticks than before: another process has the number now.
                let used = ticks.saturating_sub(before.ticks) as f64 / TICKS_PER_SECOND;
                if span > 0.0 { used / span * 100.0 } else { 0.0 }
            });
            let usage = Usage {
                cpu_percent,
                memory_bytes,
            };
            samples.insert(
                pid,
                Sample {
                    at: now,
                    ticks,
                    usage,
                },
            );
        }
    }

    /// Zeros for a process that was not looked at.
    pub fn of(&self, pid: u32) -> Usage {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.get(&pid).map_or_else(Usage::default, |s| s.usage)
    }
}

/// User and system time (fields 14 and 15 of proc_pid_stat(5)).
fn ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold anything, brackets and blanks included.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user.saturating_add(system))
}

fn memory_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.saturating_mul(1_024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_process_is_told_from_an_idle_one_and_a_gone_one_is_forgotten() {
        let mut idle = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let (own, other) = (std::process::id(), idle.id());
        let sampler = Sampler::default();
        let began = Instant::now();
        sampler.look(&[own, other, 0], began);
        assert_eq!(sampler.of(own).cpu_percent, 0.0);
        // Ten ticks of work, however long they take on a busy machine.
        let first = ticks(own).unwrap();
        while ticks(own).unwrap() < first + 10 {}
        sampler.look(&[own, other], Instant::now());
        let used = sampler.of(own);
        assert!(
            used.cpu_percent > 0.0 && used.memory_bytes > 1 << 20,
            "{used:?}"
        );
        let used = sampler.of(other);
        assert!(used.cpu_percent < sampler.of(own).cpu_percent, "{used:?}");
        assert!(used.memory_bytes > 0);
        sampler.look(&[own], Instant::now());
        assert_eq!(sampler.of(other), Usage::default());
        idle.kill().unwrap();
        idle.wait().unwrap();
    }
}
