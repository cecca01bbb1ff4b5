//! What an encoder needs to publish to a channel, in each tool's own words and units.
//!
//! RTMP: the key goes with the stream's name, `radio?token=KEY`, which every encoder takes as a stream key. SRT: quoting
//! and units as in `slot_address`.

use booth_proto::v1::{GetChannelAddressResponse, GetSlotAddressResponse};
use serde_json::json;

use super::slot_address::{self, Endpoint, ffmpeg_url, shell_quote};
use crate::app::Ctx;
use crate::args::{Format, PublishTool};
use crate::errors::{Failure, Outcome};
use crate::render::View;
use crate::render::table::{Cell, Tone};

/// One way to publish, as fields of a dialog or a line to paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// `OBS, by RTMP`.
    pub title: &'static str,
    pub tool: PublishTool,
    pub fields: Vec<(&'static str, String)>,
}

pub fn print(
    ctx: &Ctx,
    address: &GetChannelAddressResponse,
    tool: Option<PublishTool>,
    host: Option<&str>,
    reveal: bool,
) -> Outcome {
    let host = slot_address::host(host.unwrap_or(&address.host))?;
    let ways: Vec<Way> = ways(address, &host)
        .into_iter()
        .filter(|way| tool.is_none_or(|tool| way.tool == tool))
        .collect();
    match ctx.out.format {
        Format::Json | Format::Ndjson => {
            let fields = |way: &Way| -> serde_json::Map<String, serde_json::Value> {
                let fields = way.fields.iter();
                fields
                    .map(|(key, value)| ((*key).to_owned(), json!(value)))
                    .collect()
            };
            let ways: Vec<_> = ways
                .iter()
                .map(|way| json!({ "for": way.title, "settings": fields(way) }))
                .collect();
            let url = rtmp(address, &host).map(|(url, _)| format!("{url}/{}", address.stream));
            let address =
                serde_json::to_value(address).map_err(|error| Failure::error(error.to_string()))?;
            ctx.out
                .json(&json!({ "url": url, "ways": ways, "address": address }))
        }
        Format::Name => match rtmp(address, &host) {
            Some((url, _)) => ctx
                .out
                .view(&View::line(format!("{url}/{}", address.stream))),
            None => Err(Failure::usage("RTMP is switched off on this server")
                .next("leave -o name out for SRT and WHIP")),
        },
        Format::Table => {
            for (number, way) in ways.iter().enumerate() {
                if number > 0 {
                    ctx.out.line("")?;
                }
                ctx.out.line(&ctx.out.paint(way.title, Tone::Heading))?;
                let fields = way.fields.iter();
                let fields = fields.map(|(key, value)| (*key, Cell::new(value)));
                ctx.out.view(&View::Fields(fields.collect()))?;
            }
            watching(ctx, address, &host)?;
            if !reveal {
                ctx.out
                    .say("secrets are masked: --reveal shows them, and is recorded");
            }
            Ok(())
        }
    }
}

/// Where to look at the output.
fn watching(ctx: &Ctx, address: &GetChannelAddressResponse, host: &str) -> Outcome {
    let mut fields = Vec::new();
    if address.monitor_port != 0 {
        let url = format!("srt://{host}:{}", address.monitor_port);
        fields.push(("SRT", Cell::new(url)));
    }
    if !address.hls_url.is_empty() {
        fields.push(("HLS", Cell::new(&address.hls_url)));
    }
    if fields.is_empty() {
        return Ok(());
    }
    ctx.out.line("")?;
    ctx.out
        .line(&ctx.out.paint("To watch the output", Tone::Heading))?;
    ctx.out.view(&View::Fields(fields))
}

/// `rtmp://host:1935/live`, and its TLS twin; the encrypted one alone where there is no other.
fn rtmp(address: &GetChannelAddressResponse, host: &str) -> Option<(String, Option<String>)> {
    let server = |scheme: &str, port: u32| {
        (port != 0).then(|| format!("{scheme}://{host}:{port}/{}", address.app))
    };
    let (plain, tls) = (
        server("rtmp", address.rtmp_port),
        server("rtmps", address.rtmps_port),
    );
    match (plain, tls) {
        (Some(plain), tls) => Some((plain, tls)),
        (None, Some(tls)) => Some((tls, None)),
        (None, None) => None,
    }
}

pub fn ways(address: &GetChannelAddressResponse, host: &str) -> Vec<Way> {
    let mut ways = Vec::new();
    if let Some((server, tls)) = rtmp(address, host) {
        ways.extend(by_rtmp(address, &server, tls.as_deref()));
    }
    if address.srt_port != 0 {
        ways.extend(by_srt(address, host));
    }
    if !address.whip_url.is_empty() {
        ways.push(Way {
            title: "OBS, by WHIP",
            tool: PublishTool::Obs,
            fields: vec![
                ("Service", "WHIP".to_owned()),
                ("Server", address.whip_url.clone()),
                ("Bearer Token", address.key.clone()),
            ],
        });
    }
    ways
}

fn by_rtmp(address: &GetChannelAddressResponse, server: &str, tls: Option<&str>) -> [Way; 3] {
    let encrypted = |fields: &mut Vec<(&'static str, String)>| {
        if let Some(tls) = tls {
            fields.push(("Encrypted", tls.to_owned()));
        }
    };
    let mut obs = vec![
        ("Service", "Custom…".to_owned()),
        ("Server", server.to_owned()),
    ];
    encrypted(&mut obs);
    obs.extend([
        ("Stream Key", address.stream.clone()),
        ("Keyframe Interval", "1 s or 2 s".to_owned()),
    ]);
    let mut vmix = vec![
        ("Destination", "Custom RTMP Server".to_owned()),
        ("URL", server.to_owned()),
    ];
    encrypted(&mut vmix);
    vmix.push(("Stream Name or Key", address.stream.clone()));
    let url = shell_quote(&format!("{server}/{}", address.stream));
    [
        Way {
            title: "OBS, by RTMP",
            tool: PublishTool::Obs,
            fields: obs,
        },
        Way {
            title: "vMix, by RTMP",
            tool: PublishTool::Vmix,
            fields: vmix,
        },
        Way {
            title: "ffmpeg, by RTMP",
            tool: PublishTool::Ffmpeg,
            fields: vec![("Run", ffmpeg("flv", &url))],
        },
    ]
}

fn by_srt(address: &GetChannelAddressResponse, host: &str) -> [Way; 3] {
    let srt = GetSlotAddressResponse {
        port: address.srt_port,
        latency_ms: address.srt_latency_ms,
        stream_id: address.srt_stream_id.clone(),
        passphrase: address.srt_passphrase.clone(),
        ..GetSlotAddressResponse::default()
    };
    let at = Endpoint {
        host: host.to_owned(),
        port: address.srt_port,
        mode: "caller",
    };
    let (url, left_out) = ffmpeg_url(&srt, &at);
    let options: String = left_out
        .iter()
        .map(|(option, value)| format!("-{option} {} ", shell_quote(value)))
        .collect();
    let run = ffmpeg("mpegts", &format!("{options}{}", shell_quote(&url)));
    let mut obs = vec![
        ("Service", "Custom…".to_owned()),
        ("Server", url),
        ("Stream Key", "(empty)".to_owned()),
    ];
    obs.extend(left_out.iter().map(|(option, _)| {
        let why = format!("OBS cannot be given its {option}: choose one without & + %");
        ("Note", why)
    }));
    [
        Way {
            title: "OBS, by SRT",
            tool: PublishTool::Obs,
            fields: obs,
        },
        Way {
            title: "vMix, by SRT",
            tool: PublishTool::Vmix,
            fields: slot_address::vmix_fields(&srt, &at)
                .into_iter()
                // It is an output of vMix here.
                .filter(|(field, _)| *field != "Input")
                .collect(),
        },
        Way {
            title: "ffmpeg, by SRT",
            tool: PublishTool::Ffmpeg,
            fields: vec![("Run", run)],
        },
    ]
}

/// Key frames every two seconds at 30 fps, and what every receiver of a restream takes.
fn ffmpeg(format: &str, to: &str) -> String {
    format!(
        "ffmpeg -re -i INPUT -c:v libx264 -preset veryfast -pix_fmt yuv420p -g 60 -bf 0 -b:v 2500k \
         -c:a aac -ar 48000 -ac 2 -b:a 128k -f {format} {to}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> GetChannelAddressResponse {
        GetChannelAddressResponse {
            host: "192.0.2.5".to_owned(),
            rtmp_port: 1935,
            app: "live".to_owned(),
            stream: "radio?token=KEY".to_owned(),
            key: "KEY".to_owned(),
            whip_url: "http://192.0.2.5:8080/whip/channels/radio".to_owned(),
            ..GetChannelAddressResponse::default()
        }
    }

    fn field(ways: &[Way], title: &str, field: &str) -> String {
        let way = ways.iter().find(|way| way.title == title);
        let way = way.unwrap_or_else(|| panic!("{title} is not in {ways:?}"));
        let found = way.fields.iter().find(|(key, _)| *key == field);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    #[test]
    fn rtmp_is_a_server_and_a_stream_key() {
        let ways = ways(&address(), "192.0.2.5");
        assert_eq!(
            field(&ways, "OBS, by RTMP", "Server"),
            "rtmp://192.0.2.5:1935/live"
        );
        assert_eq!(
            field(&ways, "OBS, by RTMP", "Stream Key"),
            "radio?token=KEY"
        );
        assert_eq!(
            field(&ways, "vMix, by RTMP", "Stream Name or Key"),
            "radio?token=KEY"
        );
        let run = field(&ways, "ffmpeg, by RTMP", "Run");
        assert!(
            run.ends_with("-f flv 'rtmp://192.0.2.5:1935/live/radio?token=KEY'"),
            "{run}"
        );
        assert_eq!(field(&ways, "OBS, by WHIP", "Bearer Token"), "KEY");
        assert!(!ways.iter().any(|way| way.title.contains("SRT")));
    }

    #[test]
    fn the_encrypted_server_stands_beside_the_plain_one_or_alone() {
        let both = GetChannelAddressResponse {
            rtmps_port: 1936,
            ..address()
        };
        let found = ways(&both, "h");
        assert_eq!(
            field(&found, "OBS, by RTMP", "Server"),
            "rtmp://h:1935/live"
        );
        assert_eq!(
            field(&found, "OBS, by RTMP", "Encrypted"),
            "rtmps://h:1936/live"
        );
        let alone = GetChannelAddressResponse {
            rtmp_port: 0,
            ..both
        };
        let found = ways(&alone, "h");
        assert_eq!(
            field(&found, "OBS, by RTMP", "Server"),
            "rtmps://h:1936/live"
        );
        let none = GetChannelAddressResponse {
            rtmps_port: 0,
            ..alone
        };
        assert_eq!(ways(&none, "h").len(), 1, "WHIP only");
    }

    #[test]
    fn srt_counts_microseconds_for_obs_and_ffmpeg_and_milliseconds_for_vmix() {
        let srt = GetChannelAddressResponse {
            srt_port: 9100,
            srt_latency_ms: 200,
            srt_stream_id: "radio".to_owned(),
            srt_passphrase: "open+sesame".to_owned(),
            ..address()
        };
        let ways = ways(&srt, "h");
        let url = "srt://h:9100?mode=caller&latency=200000&streamid=radio";
        assert_eq!(field(&ways, "OBS, by SRT", "Server"), url);
        assert!(field(&ways, "OBS, by SRT", "Note").contains("passphrase"));
        assert_eq!(field(&ways, "vMix, by SRT", "Latency"), "200 ms");
        assert_eq!(field(&ways, "vMix, by SRT", "Passphrase"), "open+sesame");
        let run = field(&ways, "ffmpeg, by SRT", "Run");
        let end = format!("-f mpegts -passphrase 'open+sesame' '{url}'");
        assert!(run.ends_with(&end), "{run}");
    }
}
