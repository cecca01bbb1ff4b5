//! When to ask a caller for a key frame: at once, again with backoff while no picture comes, and after loss, not too often.

use std::time::Duration;

/// First repeat, doubled each time up to the last.
const FIRST_REPEAT: Duration = Duration::from_millis(200);
const LAST_REPEAT: Duration = Duration::from_millis(1600);
/// No picture for this long, although one was seen before, counts as a stuck decoder.
const STUCK_AFTER: Duration = Duration::from_millis(400);
/// Requests after loss are at least this far apart.
const LOSS_SPACING: Duration = Duration::from_millis(300);

/// The asking of one source. Time comes in as an argument.
#[derive(Debug, Clone)]
pub struct KeyFrames {
    pictures: u64,
    picture_at: Option<Duration>,
    asked_at: Option<Duration>,
    repeat: Duration,
}

impl Default for KeyFrames {
    fn default() -> Self {
        Self {
            pictures: 0,
            picture_at: None,
            asked_at: None,
            repeat: FIRST_REPEAT,
        }
    }
}

impl KeyFrames {
    /// Looks at how many pictures have been decoded so far; `true` when a key frame is to be asked for.
    pub fn poll(&mut self, now: Duration, pictures: u64) -> bool {
        if pictures != self.pictures {
            self.pictures = pictures;
            self.picture_at = Some(now);
            self.repeat = FIRST_REPEAT;
        }
        if self
            .picture_at
            .is_some_and(|at| now.saturating_sub(at) < STUCK_AFTER)
        {
            return false;
        }
        match self.asked_at {
            Some(at) if now.saturating_sub(at) < self.repeat => false,
            Some(_) => {
                self.repeat = (self.repeat * 2).min(LAST_REPEAT);
                self.ask(now)
            }
            None => self.ask(now),
        }
    }

    /// The decoder noticed loss; `true` when a key frame is to be asked for.
    pub fn loss(&mut self, now: Duration) -> bool {
        let spaced = self
            .asked_at
            .is_none_or(|at| now.saturating_sub(at) >= LOSS_SPACING);
        spaced && self.ask(now)
    }

    fn ask(&mut self, now: Duration) -> bool {
        self.asked_at = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(
        keys: &mut KeyFrames,
        from_ms: u64,
        to_ms: u64,
        pictures: impl Fn(u64) -> u64,
    ) -> Vec<u64> {
        (from_ms..to_ms)
            .step_by(50)
            .filter(|ms| keys.poll(Duration::from_millis(*ms), pictures(*ms)))
            .collect()
    }

    #[test]
    fn without_a_picture_it_asks_at_once_and_then_ever_more_slowly() {
        let mut keys = KeyFrames::default();
        assert_eq!(
            asks(&mut keys, 0, 6000, |_| 0),
            [0, 200, 600, 1400, 3000, 4600]
        );
    }

    #[test]
    fn while_pictures_come_it_does_not_ask() {
        let mut keys = KeyFrames::default();
        assert_eq!(
            asks(&mut keys, 0, 3000, |ms| ms / 50 + 1),
            Vec::<u64>::new()
        );
    }

    #[test]
    fn a_decoder_that_gets_stuck_is_helped() {
        let mut keys = KeyFrames::default();
        asks(&mut keys, 0, 1000, |ms| ms / 50 + 1);
        assert_eq!(asks(&mut keys, 1000, 2000, |_| 20), [1350, 1550, 1950]);
    }

    #[test]
    fn requests_after_loss_are_spaced() {
        let mut keys = KeyFrames::default();
        let ms = Duration::from_millis;
        assert!(keys.loss(ms(0)));
        assert!(!keys.loss(ms(100)));
        assert!(keys.loss(ms(300)));
    }
}
