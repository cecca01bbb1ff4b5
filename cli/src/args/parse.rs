//! Values that are more than a string or a number. Every error says what would be right.

use std::time::Duration;

/// `500ms`, `10s`, `2m`, `2h`, `7d`; a bare number counts seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a length of time: write 500ms, 10s, 2m, 2h or 7d");
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let ms = number.checked_mul(unit_ms).ok_or_else(wrong)?;
    if ms == 0 {
        Err(wrong())
    } else {
        Ok(Duration::from_millis(ms))
    }
}

/// Milliseconds, with or without a unit.
pub fn milliseconds(text: &str) -> Result<u32, String> {
    if let Ok(ms) = text.parse::<u32>() {
        return Ok(ms);
    }
    let ms = duration(text)?.as_millis();
    u32::try_from(ms).map_err(|_| format!("{text:?} is too long"))
}

/// Whole seconds, 0 for never.
pub fn seconds(text: &str) -> Result<u32, String> {
    if text == "0" {
        return Ok(0);
    }
    let span = duration(text)?;
    if span.subsec_millis() != 0 {
        return Err(format!("{text:?} is not a whole number of seconds"));
    }
    u32::try_from(span.as_secs()).map_err(|_| format!("{text:?} is too long"))
}

/// Printable ASCII without spaces, 1 to 128 characters: what the server takes.
pub fn request_id(text: &str) -> Result<String, String> {
    if (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("a request id has 1 to 128 printable ASCII characters and no spaces".to_owned())
    }
}

/// Picture size, `1280x720`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl std::str::FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('x')
            .and_then(|(w, h)| {
                Some(Self {
                    width: w.parse().ok()?,
                    height: h.parse().ok()?,
                })
            })
            .filter(|size| size.width > 0 && size.height > 0)
            .ok_or_else(|| format!("{text:?} is not a size: write 1280x720"))
    }
}

/// What a slot shows when nobody is on it: `black`, `test`, `image:/path`, `video:/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    pub kind: IdleKind,
    /// On the server; empty for black and test.
    pub path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleKind {
    Black,
    TestPattern,
    Image,
    Video,
}

impl std::str::FromStr for Idle {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, path) = match text.split_once(':') {
            None if text == "black" => (IdleKind::Black, ""),
            None if text == "test" || text == "test-pattern" => (IdleKind::TestPattern, ""),
            Some(("image", path)) if !path.is_empty() => (IdleKind::Image, path),
            Some(("video", path)) if !path.is_empty() => (IdleKind::Video, path),
            _ => {
                return Err(format!(
                    "{text:?} is no idle source: write black, test, image:/path or video:/path"
                ));
            }
        };
        Ok(Self {
            kind,
            path: path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_read_with_every_unit() {
        for (text, ms) in [
            ("500ms", 500),
            ("10", 10_000),
            ("10s", 10_000),
            ("2m", 120_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "",
            "s",
            "0",
            "-1s",
            "1.5s",
            "1w",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bare_fade_counts_milliseconds() {
        assert_eq!(milliseconds("400"), Ok(400));
        assert_eq!(milliseconds("2s"), Ok(2_000));
        assert_eq!(milliseconds("0"), Ok(0));
        assert!(milliseconds("fast").is_err());
    }

    #[test]
    fn a_session_lasts_whole_seconds_or_for_ever() {
        assert_eq!(seconds("0"), Ok(0));
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("8h"), Ok(28_800));
        for text in ["1500ms", "never", "999999d"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_idle_source_that_needs_a_file_must_name_one() {
        assert_eq!(
            "black".parse(),
            Ok(Idle {
                kind: IdleKind::Black,
                path: String::new()
            })
        );
        assert_eq!(
            "image:/a:b.png".parse(),
            Ok(Idle {
                kind: IdleKind::Image,
                path: "/a:b.png".to_owned()
            })
        );
        assert!("image".parse::<Idle>().is_err());
        assert!("video:".parse::<Idle>().is_err());
        assert!("white".parse::<Idle>().is_err());
    }

    #[test]
    fn a_size_is_two_numbers() {
        assert_eq!(
            "1280x720".parse(),
            Ok(Size {
                width: 1280,
                height: 720
            })
        );
        assert!("1280".parse::<Size>().is_err());
        assert!("0x720".parse::<Size>().is_err());
    }
}
