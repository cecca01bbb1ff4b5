use booth_core::*;
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

/// Anything, with what hurts more often than by chance.
fn raw() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        '\u{202e}',
        '\u{2066}',
        '\u{200f}',
        '\u{1b}',
        '\0',
        '\n',
        '\t',
        '\u{85}',
        '\u{200d}',
        '\u{301}',
        '\u{1f468}',
        '\u{feff}',
        '\u{e0041}',
        '\u{2028}',
        ' ',
        '\r',
        '\u{1f1e9}',
    ]);
    prop::collection::vec(prop_oneof![any::<char>(), nasty], 0..200)
        .prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(crate::properties::config(256))]
    #[test]
    fn scrubbed_text_is_safe_bounded_and_stays_as_it_is(raw in raw(), max in 0usize..80) {
        let text = Text::scrub(&raw, max);
        for c in text.as_str().chars() {
            prop_assert!(!c.is_control(), "control {c:?}");
            prop_assert!(!matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}'), "bidi {c:?}");
            prop_assert!(c == ' ' || !c.is_whitespace(), "white space {c:?}");
        }
        prop_assert!(text.as_str().graphemes(true).count() <= max);
        prop_assert_eq!(&Text::scrub(text.as_str(), max), &text);
        prop_assert_eq!(text.as_str().trim(), text.as_str());
    }
}

#[test]
fn families_and_accents_survive() {
    let family = "Zoe\u{308} 👨‍👩‍👧 राधा";
    assert_eq!(Text::name(family).as_str(), family);
}

#[test]
fn a_name_cannot_reorder_or_leave_its_line() {
    let evil = "Bo\u{202e}\r\n\u{1b}[2Jroot\u{200b}";
    assert_eq!(Text::name(evil).as_str(), "Bo [2Jroot");
}

#[test]
fn a_name_of_marks_without_end_is_cut() {
    let zalgo = format!("a{}", "\u{301}".repeat(100_000));
    assert!(Text::name(&zalgo).as_str().chars().count() <= 8 * NAME_MAX);
}
