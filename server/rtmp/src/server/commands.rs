//! What encoders ask, and the answers.

use bytes::BytesMut;

use crate::amf::{Value, Writer};

/// `connect` succeeded.
pub(super) fn connected(transaction: f64) -> BytesMut {
    Writer::default()
        .string("_result")
        .number(transaction)
        .object(&[
            ("fmsVer", Value::String("FMS/3,0,1,123".to_owned())),
            ("capabilities", Value::Number(31.0)),
        ])
        .object(&[
            ("level", text("status")),
            ("code", text("NetConnection.Connect.Success")),
            ("description", text("connected")),
            ("objectEncoding", Value::Number(0.0)),
        ])
        .done()
}

/// `connect` is refused.
pub(super) fn not_connected(transaction: f64, code: &str, description: &str) -> BytesMut {
    Writer::default()
        .string("_error")
        .number(transaction)
        .null()
        .object(&info("error", code, description))
        .done()
}

/// A command without an outcome succeeded.
pub(super) fn done(transaction: f64) -> BytesMut {
    Writer::default()
        .string("_result")
        .number(transaction)
        .null()
        .null()
        .done()
}

/// `createStream` succeeded.
pub(super) fn created(transaction: f64, stream: u32) -> BytesMut {
    Writer::default()
        .string("_result")
        .number(transaction)
        .null()
        .number(f64::from(stream))
        .done()
}

pub(super) fn status(level: &str, code: &str, description: &str) -> BytesMut {
    Writer::default()
        .string("onStatus")
        .number(0.0)
        .null()
        .object(&info(level, code, description))
        .done()
}

fn info(level: &str, code: &str, description: &str) -> [(&'static str, Value); 3] {
    [
        ("level", text(level)),
        ("code", text(code)),
        ("description", text(description)),
    ]
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// Channel and key out of a stream name: `<channel>?token=KEY`, or the key alone.
pub(super) fn channel_and_key(name: &str) -> (String, String) {
    let name = name.trim_start_matches('/');
    let (path, query) = name.split_once('?').unwrap_or((name, ""));
    let token = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == "token" || *name == "key");
    match token {
        Some((_, token)) => (decoded(path), decoded(token)),
        None => (String::new(), decoded(path)),
    }
}

/// Without percent-encoding, which some encoders apply and some do not.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = |i: usize| {
            bytes
                .get(at + i)
                .and_then(|b| char::from(*b).to_digit(16))
                .and_then(|d| u8::try_from(d).ok())
        };
        match (byte, hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether `connect` names our application; encoders add slashes and queries.
pub(super) fn is_our_app(app: &str) -> bool {
    app.split('?').next().map(|app| app.trim_matches('/')) == Some(super::APP)
}

/// What an encoder says of itself, fit to be shown.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_names_of_obs_and_ffmpeg_give_channel_and_key() {
        for (name, channel, key) in [
            ("radio?token=KEY", "radio", "KEY"),
            ("/radio?token=KEY", "radio", "KEY"),
            ("radio?a=b&token=K%2BEY&c", "radio", "K+EY"),
            ("radio?key=KEY", "radio", "KEY"),
            ("bk_KEY", "", "bk_KEY"),
            ("bk_KEY?backup=1", "", "bk_KEY"),
            ("100%", "", "100%"),
            ("", "", ""),
        ] {
            assert_eq!(
                channel_and_key(name),
                (channel.to_owned(), key.to_owned()),
                "{name}"
            );
        }
    }
}
