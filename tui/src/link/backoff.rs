//! Waits between attempts: doubled up to a most, with jitter, so that consoles do not all come back at once.

use std::time::Duration;

#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            next: first,
        }
    }

    /// `dice` is 0 to 1: the wait is between three and five quarters of the nominal one.
    pub fn wait(&mut self, dice: f64) -> Duration {
        let now = self.next;
        self.next = (self.next * 2).min(self.most);
        now.mul_f64(0.75 + 0.5 * dice.clamp(0.0, 1.0))
    }

    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_begin_anew_after_success() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(250), ms(1_000));
        let waits: Vec<_> = (0..4).map(|_| backoff.wait(0.5).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 1_000]);
        backoff.reset();
        assert_eq!(backoff.wait(0.0), ms(250).mul_f64(0.75));
        assert_eq!(backoff.wait(1.0), ms(500).mul_f64(1.25));
    }

    #[test]
    fn no_dice_lead_out_of_the_bounds_and_two_consoles_wait_differently() {
        let (first, most) = (Duration::from_millis(250), Duration::from_secs(5));
        let mut backoff = Backoff::new(first, most);
        for n in 0..1_000 {
            // Also what is no dice at all.
            let dice = [0.0, 0.3, 1.0, -7.0, 9.0, f64::INFINITY][n % 6];
            let wait = backoff.wait(dice);
            assert!(
                wait >= first.mul_f64(0.75) && wait <= most.mul_f64(1.25),
                "{wait:?}"
            );
        }
        let mut other = Backoff::new(first, most);
        backoff.reset();
        assert_ne!(backoff.wait(0.2), other.wait(0.8));
    }
}
