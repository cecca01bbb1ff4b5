//! Text that others wrote, made safe for a terminal; widths, times and lengths.

use pbjson_types::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A caller's name can carry cursor or clipboard codes: nothing that a terminal obeys, and nothing that reorders text, passes.
pub fn scrub(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => Some(' '),
            c if reorders(c) => None,
            c => Some(c),
        })
        .collect()
}

/// Bidi controls and the byte order mark.
fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// JSON with the same content, in which no character can steer a terminal. They occur inside strings only.
pub fn escape_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        let steers =
            (c.is_control() && c != '\n') || reorders(c) || matches!(c, '\u{2028}' | '\u{2029}');
        if steers {
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    safe
}

pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// At most `columns` wide; an ellipsis stands for the rest.
pub fn truncate(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        short.push(c);
    }
    if columns > 0 {
        short.push('…');
    }
    short
}

/// `2026-11-21 05:10:02Z`; empty when there is no time.
pub fn time(timestamp: Option<&Timestamp>) -> String {
    match timestamp {
        None => String::new(),
        Some(at) => {
            let (year, month, day) = date(at.seconds.div_euclid(86_400));
            format!("{year:04}-{month:02}-{day:02} {}Z", clock(at.seconds))
        }
    }
}

/// `05:10:02`, UTC.
pub fn clock(seconds: i64) -> String {
    let of_day = seconds.rem_euclid(86_400);
    format!(
        "{:02}:{:02}:{:02}",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// `3 d 4 h`, `5 h 12 m`, `12 m 30 s`, `8 s`.
pub fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} m {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} m"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Length of a file or a loop: `01:02:03.5`.
pub fn length(seconds: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a length in milliseconds fits"
    )]
    let ms = (seconds * 1_000.0).round() as i64;
    let tenths = ms / 100 % 10;
    format!("{}.{tenths}", clock(ms.div_euclid(1_000)))
}

/// Gregorian date of a day counted from 1970-01-01, by eras of 400 years that start in March.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// `1.5 MB`.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

/// `READY` of `STATE_READY`; `?` for a value this client does not know.
pub fn enum_text(name: Option<&'static str>, prefix: &str) -> &'static str {
    match name {
        None => "?",
        Some(name) => {
            let short = name.strip_prefix(prefix).unwrap_or(name);
            if short == "UNSPECIFIED" { "" } else { short }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_survives() {
        let hostile = "A\u{1b}[2J\u{9b}1m\u{7}\u{202e}nna\nB\u{2066}\u{feff}";
        let safe = scrub(hostile);
        assert_eq!(safe, "A [2J 1m nna B");
    }

    #[test]
    fn emoji_and_accents_stay() {
        assert_eq!(scrub("Zoë 👩‍🚀 日本"), "Zoë 👩‍🚀 日本");
    }

    #[test]
    fn escaped_json_means_the_same() {
        let text = "a\u{9b}31m\u{202e}b\u{85}";
        let json = escape_json(&serde_json::to_string(text).unwrap());
        assert!(!json.contains(['\u{9b}', '\u{202e}', '\u{85}']));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn wide_characters_count_twice_when_cut() {
        assert_eq!(truncate("abcdef", 6), "abcdef");
        assert_eq!(truncate("abcdef", 4), "abc…");
        assert_eq!(truncate("日本語", 5), "日本…");
        assert_eq!(truncate("日本語", 4), "日…");
        assert_eq!(truncate("abc", 0), "");
    }

    #[test]
    fn spans_name_their_two_largest_units() {
        for (seconds, text) in [
            (-5, "0 s"),
            (8, "8 s"),
            (750, "12 m 30 s"),
            (18_720, "5 h 12 m"),
            (274_000, "3 d 4 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
        assert_eq!(length(3_723.46), "01:02:03.4");
    }

    #[test]
    fn times_are_gregorian_and_utc() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_795_237_802, "2026-11-21 05:10:02Z"),
            (-1, "1969-12-31 23:59:59Z"),
        ] {
            assert_eq!(time(Some(&Timestamp { seconds, nanos: 0 })), text);
        }
        assert_eq!(time(None), "");
    }
}
