//! The one clock: wall time read once, then carried by the monotonic clock, so that a jump of the wall clock changes
//! nothing while boothd runs.

use booth_core::Timestamp;
use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall_ms: i64,
    anchor: Instant,
}

impl Clock {
    /// Anchors now. Uses tokio's clock, so that a paused test clock carries it too.
    pub fn anchored() -> Self {
        Self {
            wall_ms: wall_ms(),
            anchor: Instant::now(),
        }
    }

    /// How far the machine's wall clock has moved away from this one, in milliseconds; positive when it is ahead.
    pub fn drift_ms(&self) -> i64 {
        wall_ms().saturating_sub(self.now().0)
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.wall_ms).plus(self.anchor.elapsed())
    }

    /// When `at` will be, on tokio's clock; now if it has passed.
    pub fn instant(&self, at: Timestamp) -> Instant {
        Instant::now() + at.since(self.now())
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn wall_ms() -> i64 {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
