//! What receivers need to connect to a slot, in each tool's own units and quoting.
//!
//! Latency: ffmpeg and OBS (which uses ffmpeg) count microseconds, GStreamer and vMix milliseconds; a mistake by this
//! factor is silent. Quoting, as measured: GStreamer percent-decodes the query. ffmpeg 5.1 takes a value as it is up to
//! `&`, with `+` for a blank; newer versions also decode the stream id. What not every version reads the same does not
//! go into a URL for them.

use booth_proto::v1::GetSlotAddressResponse;
use serde_json::json;

use crate::app::Ctx;
use crate::args::{Format, Tool};
use crate::errors::{Failure, Outcome};
use crate::render::View;
use crate::render::table::Cell;

/// The address as one tool wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// For tools that take one; vMix does not.
    pub url: Option<String>,
    /// Fields of a dialog, in its order.
    pub fields: Vec<(&'static str, String)>,
    /// Said on stderr.
    pub advice: Vec<String>,
}

pub fn print(
    ctx: &Ctx,
    address: &GetSlotAddressResponse,
    tool: Tool,
    host: Option<&str>,
) -> Outcome {
    let settings = settings(address, tool, host)?;
    match ctx.out.format {
        Format::Json | Format::Ndjson => {
            let fields: serde_json::Map<String, serde_json::Value> = settings
                .fields
                .iter()
                .map(|(key, value)| ((*key).to_owned(), json!(value)))
                .collect();
            let address =
                serde_json::to_value(address).map_err(|error| Failure::error(error.to_string()))?;
            ctx.out
                .json(&json!({ "url": settings.url, "settings": fields, "address": address }))
        }
        Format::Name => match &settings.url {
            Some(url) => ctx.out.line(url),
            None => Err(
                Failure::usage("vMix takes no URL, so there is no name to print")
                    .next("leave -o name out"),
            ),
        },
        Format::Table => {
            let answer = match (&settings.url, settings.fields.as_slice()) {
                (Some(url), []) => View::Line(Cell::new(url)),
                (_, fields) => View::Fields(
                    fields
                        .iter()
                        .map(|(key, value)| (*key, Cell::new(value)))
                        .collect(),
                ),
            };
            ctx.out.view(&answer)?;
            settings.advice.iter().for_each(|line| ctx.out.say(line));
            Ok(())
        }
    }
}

/// Where the receiver's socket goes: to the slot, or on a port that the slot pushes to.
pub(super) struct Endpoint {
    pub host: String,
    pub port: u32,
    pub mode: &'static str,
}

pub fn settings(
    address: &GetSlotAddressResponse,
    tool: Tool,
    host: Option<&str>,
) -> Outcome<Settings> {
    let at = endpoint(address, host)?;
    Ok(match tool {
        Tool::Ffmpeg => {
            let (url, left_out) = ffmpeg_url(address, &at);
            let options: String = left_out
                .iter()
                .map(|(option, value)| format!("-{option} {} ", shell_quote(value)))
                .collect();
            let mut advice = Vec::new();
            if !options.is_empty() {
                advice.push(format!(
                    "a URL cannot carry everything: write {}before it",
                    options
                ));
            }
            advice.push(format!(
                "play it: ffplay -fflags nobuffer {options}{}",
                shell_quote(&url)
            ));
            Settings {
                url: Some(url),
                fields: Vec::new(),
                advice,
            }
        }
        Tool::Obs => {
            let (url, left_out) = ffmpeg_url(address, &at);
            let advice = left_out
                .iter()
                .map(|(option, _)| {
                    format!("OBS cannot be given this slot's {option}: choose one without & + %")
                })
                .collect();
            let fields = vec![
                ("Source", "Media Source".to_owned()),
                ("Local File", "off".to_owned()),
                ("Input", url.clone()),
                ("Input Format", "mpegts".to_owned()),
                ("Reconnect Delay", "1 s".to_owned()),
                (
                    "Restart playback when source becomes active",
                    "off".to_owned(),
                ),
                ("Close file when inactive", "off".to_owned()),
            ];
            Settings {
                url: Some(url),
                fields,
                advice,
            }
        }
        Tool::Gst => {
            let url = gst_url(address, &at);
            let advice = vec![format!(
                "play it: gst-launch-1.0 playbin uri={}",
                shell_quote(&url)
            )];
            Settings {
                url: Some(url),
                fields: Vec::new(),
                advice,
            }
        }
        Tool::Vmix => Settings {
            url: None,
            fields: vmix_fields(address, &at),
            advice: Vec::new(),
        },
    })
}

fn endpoint(address: &GetSlotAddressResponse, host: Option<&str>) -> Outcome<Endpoint> {
    if address.push {
        // The receiver listens where the slot connects to.
        let authority = address
            .push_url
            .strip_prefix("srt://")
            .unwrap_or(&address.push_url);
        let authority = authority.split(['?', '/']).next().unwrap_or_default();
        let port = authority
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .filter(|port| *port > 0);
        let port = port.ok_or_else(|| {
            Failure::error(format!(
                "the slot pushes to {:?}, which names no port",
                address.push_url
            ))
        })?;
        return Ok(Endpoint {
            host: bracketed(host.unwrap_or("0.0.0.0")),
            port,
            mode: "listener",
        });
    }
    Ok(Endpoint {
        host: self::host(host.unwrap_or(&address.host))?,
        port: address.port,
        mode: "caller",
    })
}

/// A host as it stands before a port.
pub(super) fn host(host: &str) -> Outcome<String> {
    let plain = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'));
    if plain {
        Ok(bracketed(host))
    } else {
        Err(
            Failure::usage(format!("{host:?} is not a host name or address"))
                .next("name one with --host HOST"),
        )
    }
}

/// IPv6 addresses need brackets before a port.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// The URL, and the options that it cannot carry.
pub(super) fn ffmpeg_url<'a>(
    address: &'a GetSlotAddressResponse,
    at: &Endpoint,
) -> (String, Vec<(&'static str, &'a str)>) {
    let latency_us = u64::from(address.latency_ms) * 1000;
    let mut url = format!(
        "srt://{}:{}?mode={}&latency={latency_us}",
        at.host, at.port, at.mode
    );
    let mut left_out = Vec::new();
    for (option, value, misread) in [
        ("streamid", &address.stream_id, &['&', '+', '%'][..]),
        ("passphrase", &address.passphrase, &['&', '+']),
    ] {
        if value.contains(misread) {
            left_out.push((option, value.as_str()));
        } else if !value.is_empty() {
            url.push_str(&format!("&{option}={value}"));
        }
    }
    (url, left_out)
}

fn gst_url(address: &GetSlotAddressResponse, at: &Endpoint) -> String {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let mut url = format!(
        "srt://{}:{}?mode={}&latency={}",
        at.host, at.port, at.mode, address.latency_ms
    );
    for (key, value) in [
        ("streamid", &address.stream_id),
        ("passphrase", &address.passphrase),
    ] {
        if !value.is_empty() {
            url.push_str(&format!("&{key}={}", encode(value, unreserved)));
        }
    }
    url
}

/// Values are typed into fields as they are.
pub(super) fn vmix_fields(
    address: &GetSlotAddressResponse,
    at: &Endpoint,
) -> Vec<(&'static str, String)> {
    let listener = at.mode == "listener";
    let mut fields = vec![
        ("Input", "Stream / SRT".to_owned()),
        (
            "Stream Type",
            if listener {
                "SRT Listener"
            } else {
                "SRT Caller"
            }
            .to_owned(),
        ),
    ];
    if !listener {
        fields.push(("Hostname", at.host.clone()));
    }
    fields.push(("Port", at.port.to_string()));
    fields.push(("Latency", format!("{} ms", address.latency_ms)));
    if !address.passphrase.is_empty() {
        fields.push(("Passphrase", address.passphrase.clone()));
    }
    if !address.stream_id.is_empty() {
        fields.push(("Stream ID", address.stream_id.clone()));
    }
    fields
}

/// Percent-encodes every byte that may not stand as it is.
fn encode(text: &str, plain: impl Fn(u8) -> bool) -> String {
    text.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// For a line that is pasted into a shell.
pub(super) fn shell_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> GetSlotAddressResponse {
        GetSlotAddressResponse {
            host: "192.168.1.5".to_owned(),
            port: 9001,
            latency_ms: 120,
            ..GetSlotAddressResponse::default()
        }
    }

    fn url(address: &GetSlotAddressResponse, tool: Tool) -> String {
        settings(address, tool, None)
            .unwrap()
            .url
            .unwrap_or_default()
    }

    #[test]
    fn ffmpeg_and_obs_count_microseconds_and_gstreamer_and_vmix_milliseconds() {
        assert_eq!(
            url(&address(), Tool::Ffmpeg),
            "srt://192.168.1.5:9001?mode=caller&latency=120000"
        );
        assert_eq!(
            url(&address(), Tool::Obs),
            "srt://192.168.1.5:9001?mode=caller&latency=120000"
        );
        assert_eq!(
            url(&address(), Tool::Gst),
            "srt://192.168.1.5:9001?mode=caller&latency=120"
        );
        let vmix = settings(&address(), Tool::Vmix, None).unwrap();
        assert!(
            vmix.fields.contains(&("Latency", "120 ms".to_owned())),
            "{vmix:?}"
        );
    }

    #[test]
    fn each_tool_gets_secrets_in_the_quoting_it_undoes() {
        let address = GetSlotAddressResponse {
            stream_id: "#!::r=slot1,m=request".to_owned(),
            passphrase: "p%ss word=1/é".to_owned(),
            ..address()
        };
        assert_eq!(
            url(&address, Tool::Gst),
            "srt://192.168.1.5:9001?mode=caller&latency=120&streamid=%23%21%3A%3Ar%3Dslot1%2Cm%3Drequest&passphrase=p%25ss%20word%3D1%2F%C3%A9"
        );
        assert_eq!(
            url(&address, Tool::Ffmpeg),
            "srt://192.168.1.5:9001?mode=caller&latency=120000&streamid=#!::r=slot1,m=request&passphrase=p%ss word=1/é"
        );
        let vmix = settings(&address, Tool::Vmix, None).unwrap();
        assert!(
            vmix.fields
                .contains(&("Passphrase", "p%ss word=1/é".to_owned()))
        );
        assert!(
            vmix.fields
                .contains(&("Stream ID", "#!::r=slot1,m=request".to_owned()))
        );
    }

    #[test]
    fn what_ffmpeg_misreads_in_a_url_is_given_as_an_option() {
        for passphrase in ["secret&secret", "secret+secret", "it's+secret"] {
            let address = GetSlotAddressResponse {
                passphrase: passphrase.to_owned(),
                ..address()
            };
            let settings = settings(&address, Tool::Ffmpeg, None).unwrap();
            assert!(!settings.url.unwrap_or_default().contains("passphrase"));
            let option = format!("-passphrase {}", shell_quote(passphrase));
            assert!(
                settings.advice.iter().all(|line| line.contains(&option)),
                "{:?}",
                settings.advice
            );
        }
        let address = GetSlotAddressResponse {
            stream_id: "a%b".to_owned(),
            ..address()
        };
        let settings = settings(&address, Tool::Ffmpeg, None).unwrap();
        assert!(!settings.url.unwrap_or_default().contains("streamid"));
        assert!(settings.advice[0].contains("-streamid 'a%b'"));
    }

    #[test]
    fn what_obs_cannot_be_given_is_said() {
        let address = GetSlotAddressResponse {
            passphrase: "secret+secret".to_owned(),
            ..address()
        };
        let settings = settings(&address, Tool::Obs, None).unwrap();
        assert_eq!(
            settings.advice,
            ["OBS cannot be given this slot's passphrase: choose one without & + %"]
        );
    }

    #[test]
    fn the_receiver_of_a_push_listens() {
        let address = GetSlotAddressResponse {
            push: true,
            push_url: "srt://studio.example:9000".to_owned(),
            ..address()
        };
        assert_eq!(
            url(&address, Tool::Ffmpeg),
            "srt://0.0.0.0:9000?mode=listener&latency=120000"
        );
        let vmix = settings(&address, Tool::Vmix, None).unwrap();
        assert!(
            vmix.fields
                .contains(&("Stream Type", "SRT Listener".to_owned()))
        );
        assert!(!vmix.fields.iter().any(|(key, _)| *key == "Hostname"));
    }

    #[test]
    fn another_host_replaces_the_servers_own_and_ipv6_is_bracketed() {
        let with = |host| {
            settings(&address(), Tool::Gst, Some(host))
                .map(|settings| settings.url.unwrap_or_default())
        };
        assert!(
            with("studio.example")
                .unwrap()
                .starts_with("srt://studio.example:9001?")
        );
        assert!(
            with("fe80::1")
                .unwrap()
                .starts_with("srt://[fe80::1]:9001?")
        );
        assert_eq!(with("a b").unwrap_err().exit_code(), 2);
        assert_eq!(with("x?y=1").unwrap_err().exit_code(), 2);
    }
}
