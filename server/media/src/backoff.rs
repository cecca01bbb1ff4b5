//! How long to wait before the next try: doubled after each failure, spread by chance so that many who lost the same peer
//! do not come back together.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Waits that grow. Chance comes in as an argument: the type itself is pure.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    last: Duration,
    failures: u32,
}

impl Backoff {
    pub fn new(first: Duration, last: Duration) -> Self {
        Self {
            first,
            last: last.max(first),
            failures: 0,
        }
    }

    /// The wait after one more failure: between half of the present step and all of it, by `chance`. The first step is
    /// `first`, each further one twice as long, up to `last`.
    pub fn fail(&mut self, chance: u64) -> Duration {
        let step = self
            .first
            .saturating_mul(1_u32.checked_shl(self.failures.min(31)).unwrap_or(u32::MAX))
            .min(self.last);
        self.failures = self.failures.saturating_add(1);
        let half = step / 2;
        half + (step - half).mul_f64((chance >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// [`Self::fail`] by the system's chance.
    pub fn pause(&mut self) -> Duration {
        self.fail(chance())
    }

    /// It went well for long enough: the next failure waits for `first` again.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }
}

/// 64 bits of chance. The standard library seeds its hashers from the system; that is all that jitter needs.
pub fn chance() -> u64 {
    RandomState::new().hash_one(0_u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const LAST: Duration = Duration::from_secs(30);

    #[test]
    fn waits_double_from_one_second_and_stay_at_thirty() {
        let mut backoff = Backoff::new(FIRST, LAST);
        let waits: Vec<f64> = (0..40)
            .map(|_| backoff.fail(u64::MAX).as_secs_f64().round())
            .collect();
        assert_eq!(waits[..7], [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert!(waits[7..].iter().all(|wait| *wait == 30.0), "{waits:?}");
    }

    #[test]
    fn chance_shortens_a_wait_by_half_at_most_and_never_lengthens_it() {
        for failures in 0..10 {
            let wait = |chance| {
                let mut backoff = Backoff::new(FIRST, LAST);
                (0..failures).for_each(|_| {
                    backoff.fail(0);
                });
                backoff.fail(chance)
            };
            let (least, middle, most) = (wait(0), wait(u64::MAX / 2), wait(u64::MAX));
            assert_eq!(least * 2, most.max(least * 2), "{failures}");
            assert!(least < middle && middle < most && most <= LAST);
        }
    }

    #[test]
    fn success_begins_anew() {
        let mut backoff = Backoff::new(FIRST, LAST);
        for _ in 0..9 {
            backoff.fail(0);
        }
        backoff.succeed();
        assert!(backoff.fail(u64::MAX) <= FIRST);
    }

    #[test]
    fn chance_differs_from_call_to_call() {
        assert_ne!(chance(), chance());
    }
}
