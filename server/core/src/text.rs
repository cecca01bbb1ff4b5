use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

/// Text that is safe to show on a terminal and in a page: no control or bidirectional characters, bounded length.
///
/// Made only by [`Text::scrub`], at the server's edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(String);

/// Longest name, in grapheme clusters.
pub const NAME_MAX: usize = 64;
/// Longest topic or place, in grapheme clusters.
pub const TOPIC_MAX: usize = 200;
/// Longest note or chat message, in grapheme clusters.
pub const MESSAGE_MAX: usize = 2_000;

impl Text {
    /// Drops what could move a cursor, reorder a line or hide in it; folds white space; cuts at `max` grapheme clusters.
    pub fn scrub(raw: &str, max: usize) -> Self {
        // Bounded before anything is copied: a cluster may hold any number of combining marks.
        let bounded: String = raw
            .chars()
            .take(max.saturating_mul(8))
            .filter(|c| !is_unsafe(*c))
            .collect();
        let folded = bounded.split_whitespace().collect::<Vec<_>>().join(" ");
        let cut: String = folded.graphemes(true).take(max).collect();
        Self(cut.trim_end().to_owned())
    }

    pub fn name(raw: &str) -> Self {
        Self::scrub(raw, NAME_MAX)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_unsafe(c: char) -> bool {
    let control = c.is_control() && !c.is_whitespace();
    let bidi = matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // Zero-width joiners stay: emoji and several scripts need them.
    let invisible = matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    control || bidi || invisible
}

/// 256-bit digest of a bearer token; the token itself is never stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex: String = self.0.iter().map(|b| format!("{b:02x}")).collect();
        serializer.serialize_str(&hex)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let bad = || serde::de::Error::custom("a token hash has 64 hexadecimal digits");
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(bad());
        }
        let mut out = [0; 32];
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(out))
    }
}

/// A secret as the ledger holds it: sealed by boothd's key (base64 of nonce and ciphertext), opened only at the edge.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(…)")
    }
}
