//! vMix's TCP API as bytes (<https://www.vmix.com/help28/TCPAPI.html>): requests are lines, answers are
//! `<command> OK|ER|<length> [text]`, a length is followed by that many bytes. All of it UTF-8, lines end in CR LF.

use std::fmt::Write as _;

/// Longest line taken. The longest documented one, a tally of 1,000 inputs, has 1,011 bytes.
const LINE_MAX: usize = 4_096;
/// Largest state document taken: a thousand inputs with long lists of titles come to some megabytes.
const DATA_MAX: usize = 8 << 20;
/// Most empty lines in a row.
const BLANK_MAX: u8 = 4;
/// Longest text of a vMix's own that is kept, in characters.
const TEXT_MAX: usize = 200;

/// Why a peer is not taken for a vMix any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("it sent a line of more than {LINE_MAX} bytes: this is no vMix")]
    LongLine,
    #[error("it sent what is not vMix's protocol: «{0}»")]
    Garbage(String),
    #[error("it sent {0} bytes that nobody asked for")]
    Unasked(u64),
    #[error("its state has {0} bytes: too much")]
    LargeData(u64),
    #[error("it sends too much at a time")]
    Flood,
}

/// One answer or event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Ok { command: String, text: String },
    Error { command: String, text: String },
    Data { command: String, bytes: Vec<u8> },
}

/// Takes bytes as they come, and gives what is whole.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Command and length of data that is not whole yet.
    data: Option<(String, usize)>,
    /// Empty lines in a row.
    blank: u8,
}

impl Frames {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// `asked`: the command whose data is expected, if any. Call until it gives nothing.
    pub fn next(&mut self, asked: Option<&str>) -> Result<Option<Heard>, Broken> {
        loop {
            if let Some((command, length)) = self.data.take() {
                if self.bytes.len() < length {
                    self.data = Some((command, length));
                    return Ok(None);
                }
                let rest = self.bytes.split_off(length);
                let bytes = std::mem::replace(&mut self.bytes, rest);
                return Ok(Some(Heard::Data { command, bytes }));
            }
            let Some(end) = self.bytes.iter().take(LINE_MAX).position(|b| *b == b'\n') else {
                return if self.bytes.len() < LINE_MAX {
                    Ok(None)
                } else {
                    Err(Broken::LongLine)
                };
            };
            let rest = self.bytes.split_off(end + 1);
            let line = std::mem::replace(&mut self.bytes, rest);
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            // Some versions end their data with a line end that the length does not count.
            if line.is_empty() {
                self.blank += 1;
                if self.blank > BLANK_MAX {
                    return Err(Broken::Flood);
                }
                continue;
            }
            self.blank = 0;
            match parse(line)? {
                Line::Whole(heard) => return Ok(Some(heard)),
                Line::Data { command, length } if asked == Some(&command) => {
                    match usize::try_from(length).ok().filter(|l| *l <= DATA_MAX) {
                        Some(length) => self.data = Some((command, length)),
                        None => return Err(Broken::LargeData(length)),
                    }
                }
                Line::Data { length, .. } => return Err(Broken::Unasked(length)),
            }
        }
    }
}

enum Line {
    Whole(Heard),
    Data { command: String, length: u64 },
}

fn parse(line: &str) -> Result<Line, Broken> {
    let garbage = || Broken::Garbage(clean(line, 40));
    let mut parts = line.splitn(3, ' ');
    let (command, status) = (parts.next().unwrap_or_default(), parts.next());
    let text = clean(parts.next().unwrap_or_default(), LINE_MAX);
    if command.is_empty() || !command.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(garbage());
    }
    let command = command.to_owned();
    match status {
        Some("OK") => Ok(Line::Whole(Heard::Ok { command, text })),
        Some("ER") => {
            let text = clean(&text, TEXT_MAX);
            Ok(Line::Whole(Heard::Error { command, text }))
        }
        Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => {
            let length = length.parse().map_err(|_| garbage())?;
            Ok(Line::Data { command, length })
        }
        _ => Err(garbage()),
    }
}

/// What came from outside, fit for a log and a terminal.
pub fn clean(text: &str, most: usize) -> String {
    booth_core::Text::scrub(text, most).as_str().to_owned()
}

/// The request that puts `value` into a field of a title (the first one when not named). Whatever the three hold, it is
/// one line and one value.
pub fn set_text(input: &str, field: Option<&str>, value: &str) -> String {
    let mut line = String::from("FUNCTION SetText Input=");
    encode(&mut line, input);
    match field {
        Some(field) => {
            line.push_str("&SelectedName=");
            encode(&mut line, field);
        }
        None => line.push_str("&SelectedIndex=0"),
    }
    line.push_str("&Value=");
    encode(&mut line, value);
    line
}

/// Percent-encoding of everything that is not unreserved (RFC 3986 §2.3).
fn encode(to: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            to.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(to, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(command: &str, text: &str) -> Heard {
        Heard::Ok {
            command: command.into(),
            text: text.into(),
        }
    }

    /// Everything that `bytes` hold, in pieces of `size`.
    fn heard(bytes: &[u8], size: usize, asked: Option<&str>) -> Result<Vec<Heard>, Broken> {
        let (mut frames, mut all) = (Frames::default(), Vec::new());
        for piece in bytes.chunks(size) {
            frames.push(piece);
            while let Some(heard) = frames.next(asked)? {
                all.push(heard);
            }
        }
        Ok(all)
    }

    #[test]
    fn answers_events_and_data_are_the_same_however_they_are_cut_up() {
        let body = "<vmix>\r\nXML OK not a line, grün\n</vmix>\r\n";
        let stream = format!(
            "VERSION OK 27.0.0.49\r\nSUBSCRIBE OK TALLY\r\nTALLY OK 0121\r\nXML {}\r\n{body}\r\nFUNCTION ER No such input\r\nTALLY OK 0\n",
            body.len()
        );
        let want = vec![
            ok("VERSION", "27.0.0.49"),
            ok("SUBSCRIBE", "TALLY"),
            ok("TALLY", "0121"),
            Heard::Data {
                command: "XML".into(),
                bytes: body.into(),
            },
            Heard::Error {
                command: "FUNCTION".into(),
                text: "No such input".into(),
            },
            ok("TALLY", "0"),
        ];
        for size in [1, 2, 3, 7, 64, 10_000] {
            assert_eq!(
                heard(stream.as_bytes(), size, Some("XML")),
                Ok(want.clone()),
                "{size}"
            );
        }
    }

    #[test]
    fn what_is_not_the_protocol_is_refused() {
        for line in [
            "HTTP/1.1 400 Bad Request",
            "SSH-2.0-OpenSSH_9.2",
            "tally OK 01",
            "TALLY",
            "TALLY MAYBE 01",
            " OK",
            "XML 99999999999999999999999999",
            "\u{16}\u{3}\u{1}",
        ] {
            let got = heard(format!("{line}\r\n").as_bytes(), 5, Some("XML"));
            assert!(matches!(got, Err(Broken::Garbage(_))), "{line:?}: {got:?}");
        }
        assert!(matches!(
            heard(b"\xff\xfe\x00\n", 1, None),
            Err(Broken::Garbage(_))
        ));
    }

    #[test]
    fn a_line_without_end_is_cut_off_before_it_fills_memory() {
        let mut frames = Frames::default();
        frames.push(&[b'A'; LINE_MAX - 1]);
        assert_eq!(frames.next(None), Ok(None));
        frames.push(b"A");
        assert_eq!(frames.next(None), Err(Broken::LongLine));
        // Also when its end came along.
        let long = format!("TALLY OK {}\r\n", "0".repeat(LINE_MAX));
        assert_eq!(heard(long.as_bytes(), 100_000, None), Err(Broken::LongLine));
    }

    #[test]
    fn a_peer_that_sends_line_ends_alone_is_cut_off() {
        let mut frames = Frames::default();
        frames.push(&[b'\n'; 8_192]);
        assert_eq!(frames.next(None), Err(Broken::Flood));
    }

    #[test]
    fn data_comes_only_when_asked_for_and_not_without_measure() {
        assert_eq!(heard(b"XML 5\r\n", 64, None), Err(Broken::Unasked(5)));
        assert_eq!(
            heard(b"XMLTEXT 5\r\n", 64, Some("XML")),
            Err(Broken::Unasked(5))
        );
        let large = DATA_MAX as u64 + 1;
        let announced = format!("XML {large}\r\n");
        assert_eq!(
            heard(announced.as_bytes(), 64, Some("XML")),
            Err(Broken::LargeData(large))
        );
    }

    #[test]
    fn noise_ends_it_or_waits_but_never_fills_memory() {
        use rand::{RngExt as _, SeedableRng as _};
        let mut chance = rand::rngs::StdRng::seed_from_u64(7);
        for _ in 0..200 {
            let mut frames = Frames::default();
            let mut given = 0;
            'peer: while given < 50_000 {
                let piece: Vec<u8> = (0..chance.random_range(1..400))
                    .map(|_| chance.random())
                    .collect();
                given += piece.len();
                frames.push(&piece);
                loop {
                    match frames.next(Some("XML")) {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'peer,
                    }
                }
                assert!(frames.bytes.len() < LINE_MAX);
            }
            assert!(given < 50_000, "noise passed for a vMix");
        }
    }

    #[test]
    fn a_hostile_name_stays_one_value_of_one_request() {
        for name in [
            "Ada",
            "x\r\nFUNCTION Cut",
            "x&Value=y&Input=1",
            "a=b%20c+d #?;",
            "\u{1b}]0;t\u{7}",
            "Ægir 👩‍🚀",
            "",
        ] {
            let line = set_text("2", Some("Headline.Text"), name);
            let value =
                line.strip_prefix("FUNCTION SetText Input=2&SelectedName=Headline.Text&Value=");
            let value = value.unwrap_or_else(|| panic!("{line}"));
            assert!(
                value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)),
                "{line}"
            );
            assert_eq!(decoded(value), name);
        }
        // Nor do settings.
        assert_eq!(
            set_text("Lower Third & Co\r\n", None, "A"),
            "FUNCTION SetText Input=Lower%20Third%20%26%20Co%0D%0A&SelectedIndex=0&Value=A"
        );
    }

    fn decoded(value: &str) -> String {
        let (mut bytes, mut rest) = (Vec::new(), value.bytes());
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                let hex = std::str::from_utf8(&hex).unwrap();
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    }
}
