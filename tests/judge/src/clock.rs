//! The one clock of the judge: `CLOCK_MONOTONIC`, which every process on the machine shares, so that a test can set
//! the moment it sent a command beside the moment a packet arrived.

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid timespec that outlives the call; the clock id exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}

/// Milliseconds between two moments of [`monotonic_ns`]; negative when `later` is earlier.
pub fn between_ms(earlier_ns: u64, later_ns: u64) -> f64 {
    (later_ns as i128 - earlier_ns as i128) as f64 / 1e6
}
