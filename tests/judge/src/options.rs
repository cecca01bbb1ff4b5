//! What is judged, and where a finding begins.

use std::time::Duration;

/// Thresholds and switches; the defaults fit booth's slots.
#[derive(Debug, Clone)]
pub struct Options {
    /// Decode picture and sound with an `ffmpeg` child each. Off: only what the packets tell, at next to no cost.
    pub decode: bool,
    /// Arrival times mean something: on for SRT, off for files.
    pub live: Option<bool>,
    /// Longest time between two arrivals, live only.
    pub max_arrival_gap_ms: f64,
    /// Longest step of video PTS; `None`: 1.8 times the usual step.
    pub max_video_step_ms: Option<f64>,
    /// How far an audio frame's PTS may be from the end of the frame before.
    pub max_audio_gap_ms: f64,
    /// Longest time between two PCRs (13818-1 allows 100 ms).
    pub max_pcr_step_ms: f64,
    /// Longest time between two key frames.
    pub max_key_interval_ms: f64,
    /// A picture standing still for so long is a frozen stretch.
    pub frozen_after_ms: f64,
    /// Mean luma difference of the most changed block (of 16 × 9) below which a picture stands still.
    pub frozen_noise: f64,
    pub black_after_ms: f64,
    /// A pixel is black below this luma (16 is nominal black); 99.8 % of the pixels make a black picture.
    pub black_luma: u8,
    pub silent_after_ms: f64,
    pub silent_below_dbfs: f64,
    /// Tones below this level are not heard.
    pub tone_above_dbfs: f64,
    pub max_av_skew_ms: f64,
    /// Entries kept in every list of the report; the newest stay, and totals are counted beside them.
    pub keep: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            decode: true,
            live: None,
            max_arrival_gap_ms: 200.0,
            max_video_step_ms: None,
            max_audio_gap_ms: 5.0,
            max_pcr_step_ms: 200.0,
            max_key_interval_ms: 10_000.0,
            frozen_after_ms: 1000.0,
            frozen_noise: 3.0,
            black_after_ms: 500.0,
            black_luma: 32,
            silent_after_ms: 500.0,
            silent_below_dbfs: -60.0,
            tone_above_dbfs: -45.0,
            max_av_skew_ms: 60.0,
            keep: 1000,
        }
    }
}

/// How to reach an SRT listener. Times are in milliseconds as in libsrt, not in ffmpeg's microseconds.
#[derive(Clone)]
pub struct SrtInput {
    pub host: String,
    pub port: u16,
    pub stream_id: Option<String>,
    pub passphrase: Option<String>,
    /// Key length in bytes: 16, 24 or 32.
    pub key_length: Option<u8>,
    pub latency_ms: u32,
    pub connect_timeout: Duration,
    /// Connect again after a loss (a new epoch) and while nobody answers yet.
    pub reconnect: bool,
}

impl SrtInput {
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            stream_id: None,
            passphrase: None,
            key_length: None,
            latency_ms: 120,
            connect_timeout: Duration::from_secs(3),
            reconnect: true,
        }
    }

    /// `srt://host:port?streamid=…&passphrase=…&pbkeylen=16&latency=120&timeout=3000`.
    pub fn parse(url: &str) -> Result<Self, String> {
        let rest = url
            .strip_prefix("srt://")
            .ok_or("an SRT address starts with srt://")?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let address = address.trim_end_matches('/');
        let (host, port) = address
            .rsplit_once(':')
            .ok_or("the port is missing: srt://host:port")?;
        let port = port
            .parse()
            .map_err(|_| format!("{port:?} is not a port"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let mut input = Self::new(if host.is_empty() { "127.0.0.1" } else { host }, port);
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode(value);
            let number = || {
                value
                    .parse::<u32>()
                    .map_err(|_| format!("{key}={value}: a number is wanted"))
            };
            match key {
                "streamid" => input.stream_id = Some(value),
                "passphrase" => input.passphrase = Some(value),
                "pbkeylen" => match number()? {
                    length @ (16 | 24 | 32) => input.key_length = Some(length as u8),
                    _ => return Err("pbkeylen is 16, 24 or 32".to_owned()),
                },
                "latency" => input.latency_ms = number()?,
                "timeout" | "connect_timeout" => {
                    input.connect_timeout = Duration::from_millis(number()?.into())
                }
                "mode" if value == "caller" => {}
                "mode" => {
                    return Err("the judge is a caller; mode=caller is all it knows".to_owned());
                }
                _ => return Err(format!("unknown SRT option {key:?}")),
            }
        }
        Ok(input)
    }
}

impl std::fmt::Debug for SrtInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "srt://{}:{} latency {} ms",
            self.host, self.port, self.latency_ms
        )?;
        if self.passphrase.is_some() {
            write!(f, ", encrypted")?;
        }
        self.stream_id
            .as_ref()
            .map_or(Ok(()), |id| write!(f, ", stream id {id}"))
    }
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let code = (byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(code.unwrap_or(byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_srt_address_carries_its_options_and_hides_its_passphrase() {
        let input =
            SrtInput::parse("srt://[::1]:9001?latency=20&streamid=%23!::r=slot1,m=request&passphrase=0123456789&pbkeylen=32")
                .unwrap();
        assert_eq!(
            (
                input.host.as_str(),
                input.port,
                input.latency_ms,
                input.key_length
            ),
            ("::1", 9001, 20, Some(32))
        );
        assert_eq!(input.stream_id.as_deref(), Some("#!::r=slot1,m=request"));
        assert!(!format!("{input:?}").contains("0123456789"));
        for bad in [
            "http://a:1",
            "srt://a",
            "srt://a:x",
            "srt://a:1?mode=listener",
            "srt://a:1?pbkeylen=5",
        ] {
            assert!(SrtInput::parse(bad).is_err(), "{bad}");
        }
    }
}
