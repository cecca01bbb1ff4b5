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
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub fn anchored() -> Self {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            wall_ms: i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX),
            anchor: Instant::now(),
        }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.wall_ms).plus(self.anchor.elapsed())
    }

    /// When `at` will be, on tokio's clock; now if it has passed.
    pub fn instant(&self, at: Timestamp) -> Instant {
        Instant::now() + at.since(self.now())
    }
}
