//! Text of strangers, made fit for a terminal: nothing in it can move the cursor, reorder a line, or be wider than its place.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Most grapheme clusters that any one text is looked at for.
const LONGEST: usize = 2_000;
/// Most code points of one cluster: emoji families need 8 or so, a heap of combining marks is an attack on the line height.
const CLUSTER: usize = 10;

/// Without control and bidirectional characters and what cannot be seen; white space folded.
pub fn clean(raw: &str) -> Cow<'_, str> {
    if raw.len() <= LONGEST && raw.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Cow::Borrowed(raw);
    }
    let bounded: String = raw
        .chars()
        .take(LONGEST * 4)
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !unsafe_char(*c))
        .collect();
    let clusters = bounded.graphemes(true).take(LONGEST);
    let mut out = String::with_capacity(bounded.len());
    for cluster in clusters {
        // A mark with nothing to sit on would sit on the frame.
        if cluster.width() == 0 {
            continue;
        }
        match cluster.char_indices().nth(CLUSTER) {
            Some((end, _)) => out.push_str(&cluster[..end]),
            None => out.push_str(cluster),
        }
    }
    Cow::Owned(out)
}

fn unsafe_char(c: char) -> bool {
    let bidi = matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // Zero-width joiners stay: emoji and several scripts need them.
    let invisible = matches!(c, '\u{00ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    c.is_control() || bidi || invisible
}

/// Cells that a clean text takes.
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// At most `cells` wide, with an ellipsis where something is missing.
pub fn fit(text: &str, cells: usize) -> Cow<'_, str> {
    let mut used = 0;
    let mut last_with_room = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        let wide = cluster.width();
        if used + wide > cells {
            return match cells {
                0 => Cow::Borrowed(""),
                _ => Cow::Owned(format!("{}…", &text[..last_with_room])),
            };
        }
        // The ellipsis needs one cell.
        if used < cells {
            last_with_room = at;
        }
        used += wide;
    }
    Cow::Borrowed(text)
}

/// Exactly `cells` wide.
pub fn pad(text: &str, cells: usize) -> String {
    let fitted = fit(text, cells);
    let gap = cells.saturating_sub(width(&fitted));
    format!("{fitted}{}", " ".repeat(gap))
}

/// Exactly `cells` wide, at the right.
pub fn pad_left(text: &str, cells: usize) -> String {
    let fitted = fit(text, cells);
    let gap = cells.saturating_sub(width(&fitted));
    format!("{}{fitted}", " ".repeat(gap))
}

/// Lines of at most `cells`, broken at spaces where there are any.
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let wide = width(word);
        if used > 0 && used + 1 + wide <= cells {
            line.push(' ');
            line.push_str(word);
            used += 1 + wide;
            continue;
        }
        if used > 0 {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if wide <= cells {
            line.push_str(word);
            used = wide;
            continue;
        }
        for cluster in word.graphemes(true) {
            let wide = cluster.width();
            if used + wide > cells && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push_str(cluster);
            used += wide;
        }
    }
    lines.push(line);
    lines
}

/// `04:12`, or `1:04:12` from an hour on.
pub fn clock(ms: i64) -> String {
    let s = ms.max(0) / 1_000;
    match s / 3_600 {
        0 => format!("{:02}:{:02}", s / 60, s % 60),
        h => format!("{h}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

/// `hh:mm:ss` of a wall clock.
pub fn time_of_day(epoch_ms: i64, offset_s: i32) -> String {
    let s = (epoch_ms.div_euclid(1_000) + i64::from(offset_s)).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
}

/// `1 client`, `2 clients`.
pub fn count(n: u64, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// The last part of a resource's name.
pub fn id(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// `2.5M`, `640k`, or a dash.
pub fn rate(kbps: f64) -> String {
    match kbps {
        k if !k.is_finite() || k < 0.5 => "–".into(),
        k if k < 999.5 => format!("{k:.0}k"),
        k => format!("{:.1}M", k / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_harmless_and_bounded() {
        let bad = "a\u{1b}]52;c;ZXZpbA==\u{7}b\u{202e}c\u{200b}d\u{9b}2Je\nf";
        let shown = clean(bad);
        assert_eq!(shown, "a]52;c;ZXZpbA==bcd2Je f");
        assert!(clean(&"x".repeat(10_000)).len() <= LONGEST * 4);
        let zalgo = format!("e{}", "\u{301}".repeat(5_000));
        assert!(clean(&zalgo).chars().count() <= CLUSTER);
        assert_eq!(clean("\u{301}\u{301}"), "");
    }

    #[test]
    fn honest_text_of_any_script_stays() {
        for text in ["Zoë Åström", "ਵਾਹਿਗੁਰੂ", "こんにちは", "👩‍👩‍👧‍👦 family", "عمر"]
        {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn a_text_never_takes_more_cells_than_it_is_given() {
        for text in ["abcdef", "日本語テキスト", "👩‍👩‍👧‍👦👩‍👩‍👧‍👦", "é\u{301}x", ""]
        {
            for cells in 0..12 {
                assert!(width(&fit(text, cells)) <= cells, "{text} in {cells}");
                assert_eq!(width(&pad(text, cells)), cells, "{text} in {cells}");
                assert_eq!(width(&pad_left(text, cells)), cells);
            }
        }
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("abcd", 4), "abcd");
        assert_eq!(fit("日本語", 4), "日…");
    }

    #[test]
    fn lines_break_at_spaces_and_inside_of_words_without() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn times_read_as_clocks() {
        assert_eq!(clock(252_000), "04:12");
        assert_eq!(clock(3_852_000), "1:04:12");
        assert_eq!(clock(-5), "00:00");
        assert_eq!(time_of_day(50_551_000, 0), "14:02:31");
        assert_eq!(time_of_day(1_000, -3_600), "23:00:01");
    }
}
