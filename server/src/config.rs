//! `booth.toml`, `--set key=value` and `BOOTH_…` environment variables: listeners, directories, limits, and where secrets are.
//! Everything an operator makes is state, not configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

/// Why the configuration is refused: names the file and line, the option or the variable, and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: {source}", path = path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The inner text has line, column, key and what is allowed.
    #[error("{path}: {text}", path = path.display())]
    File { path: PathBuf, text: String },
    #[error("--set {given}: {text}")]
    Set { given: String, text: String },
    #[error("environment variable {name}: {text}")]
    Env { name: String, text: String },
    #[error("{key}: {text}")]
    Value { key: &'static str, text: String },
}

/// The tables of the file; an environment variable `BOOTH_<TABLE>_<KEY>` belongs to one of them.
const TABLES: [&str; 9] = [
    "data", "grpc", "http", "rtc", "rtmp", "slots", "channels", "workers", "log",
];

impl Config {
    /// File, then environment, then `--set`: later ones win.
    pub fn load(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
        sets: &[String],
    ) -> Result<Self, ConfigError> {
        let mut table = Table::new();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                path: path.to_owned(),
                source,
            })?;
            let bad = |e: toml::de::Error| ConfigError::File {
                path: path.to_owned(),
                text: e.to_string(),
            };
            // Read as a whole once for errors with line and key, then again as a table to lay the rest over.
            toml::from_str::<Self>(&text).map_err(bad)?;
            table = toml::from_str(&text).map_err(bad)?;
        }
        for (name, value) in env {
            let Some(key) = env_key(&name) else { continue };
            lay_over(&mut table, &key, &value).map_err(|text| ConfigError::Env { name, text })?;
        }
        for given in sets {
            let bad = |text: String| ConfigError::Set {
                given: given.clone(),
                text,
            };
            let (key, value) = given
                .split_once('=')
                .ok_or_else(|| bad("expected key=value".into()))?;
            lay_over(&mut table, key.trim(), value).map_err(bad)?;
        }
        let config: Self = table.try_into().map_err(|e| ConfigError::Value {
            key: "configuration",
            text: e.to_string(),
        })?;
        config.check()?;
        Ok(config)
    }

    /// What types alone cannot say.
    fn check(&self) -> Result<(), ConfigError> {
        let bad = |key, text: String| Err(ConfigError::Value { key, text });
        if let Err(text) = self.rtc.udp_range() {
            return bad("rtc.udp_ports", text);
        }
        if !matches!(self.data.ledger.as_str(), "disk" | "memory") {
            return bad(
                "data.ledger",
                format!("{:?} is not disk or memory", self.data.ledger),
            );
        }
        if self.slots.first_port == 0 {
            return bad("slots.first_port", "a port from 1 to 65535".into());
        }
        if self.channels.first_srt_port == 0 {
            return bad("channels.first_srt_port", "a port from 1 to 65535".into());
        }
        if self.http.tls_cert.is_some() != self.http.tls_key.is_some() {
            return bad("http.tls_cert", "tls_cert and tls_key go together".into());
        }
        if self.rtmp.tls_cert.is_some() != self.rtmp.tls_key.is_some() {
            return bad("rtmp.tls_cert", "tls_cert and tls_key go together".into());
        }
        if self.rtmp.tls_listen.is_some() && self.rtmp_tls().is_none() {
            return bad(
                "rtmp.tls_listen",
                "needs rtmp.tls_cert and rtmp.tls_key, or those of http".into(),
            );
        }
        if !(1..=1_000).contains(&self.rtmp.connections_per_address) {
            return bad("rtmp.connections_per_address", "from 1 to 1000".into());
        }
        if let Some(url) = &self.http.public_url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return bad(
                "http.public_url",
                format!("{url:?} does not start with http:// or https://"),
            );
        }
        if !(250..=60_000).contains(&self.rtc.silence_ms) {
            return bad("rtc.silence_ms", "from 250 to 60000".into());
        }
        Ok(())
    }
}

impl Config {
    /// Certificate and key of the RTMPS listener; `None` where there is none.
    pub fn rtmp_tls(&self) -> Option<(&Path, &Path)> {
        let own = self
            .rtmp
            .tls_cert
            .as_deref()
            .zip(self.rtmp.tls_key.as_deref());
        let doors = || {
            self.http
                .tls_cert
                .as_deref()
                .zip(self.http.tls_key.as_deref())
        };
        own.or_else(doors)
    }

    /// Whether anybody may publish by RTMP or RTMPS.
    pub fn takes_rtmp(&self) -> bool {
        self.rtmp.listen.is_some() || self.rtmp.tls_listen.is_some()
    }
}

/// An address, or empty for none.
fn listener<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    let bad = |_| {
        serde::de::Error::custom(format!(
            "{text:?} is not an address and port like 0.0.0.0:1935, nor empty for none"
        ))
    };
    text.parse().map(Some).map_err(bad)
}

impl RtcConfig {
    /// First and last UDP port.
    pub fn udp_range(&self) -> Result<(u16, u16), String> {
        let text = || {
            format!(
                "{:?} is not a range of ports like 50000-50999",
                self.udp_ports
            )
        };
        let (first, last) = self.udp_ports.split_once('-').ok_or_else(text)?;
        let first: u16 = first.trim().parse().map_err(|_| text())?;
        let last: u16 = last.trim().parse().map_err(|_| text())?;
        if first == 0 || first > last {
            Err(text())
        } else {
            Ok((first, last))
        }
    }
}

fn env_key(name: &str) -> Option<String> {
    let (table, key) = name.strip_prefix("BOOTH_")?.split_once('_')?;
    let table = table.to_ascii_lowercase();
    TABLES
        .contains(&table.as_str())
        .then(|| format!("{table}.{}", key.to_ascii_lowercase()))
}

/// Puts `value` at the dotted `key`, and checks that the whole still reads.
fn lay_over(table: &mut Table, key: &str, value: &str) -> Result<(), String> {
    let (section, name) = key
        .split_once('.')
        .ok_or_else(|| format!("{key:?} is not a key like grpc.listen"))?;
    let place = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(section) = place else {
        return Err(format!("{key:?} is not a key like grpc.listen"));
    };
    // `50000-50999` and `0.0.0.0:80` are not TOML values: they are taken as text.
    let typed = toml::from_str::<Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut t| t.remove("v"));
    let candidates = [typed, Some(Value::String(value.to_owned()))];
    let mut last = String::new();
    for candidate in candidates.into_iter().flatten() {
        section.insert(name.to_owned(), candidate);
        let mut probe = Table::new();
        probe.insert(
            key.split('.').next().unwrap_or(key).to_owned(),
            Value::Table(section.clone()),
        );
        match probe.try_into::<Config>() {
            Ok(_) => return Ok(()),
            Err(e) => last = e.message().to_owned(),
        }
    }
    Err(last)
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub data: DataConfig,
    pub grpc: GrpcConfig,
    pub http: HttpConfig,
    pub rtc: RtcConfig,
    pub rtmp: RtmpConfig,
    pub slots: SlotsConfig,
    pub channels: ChannelsConfig,
    pub workers: WorkersConfig,
    pub log: LogConfig,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    pub dir: PathBuf,
    /// File with the 32-byte key that seals secrets; default `<dir>/key`, made at first start.
    pub key_file: Option<PathBuf>,
    /// `disk`, or `memory` (nothing survives; for tests).
    pub ledger: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcConfig {
    pub listen: SocketAddr,
    /// Origins allowed to call from a browser; `*` for any.
    pub cors_origins: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    pub listen: SocketAddr,
    /// Base of join links as callers see it, for example `https://call.example.org`; default: made from `listen`.
    pub public_url: Option<String>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// Makes and keeps a self-signed certificate in the data directory.
    pub self_signed: bool,
    /// Join and WHIP attempts a minute for one address (IPv6: /64).
    pub joins_per_minute: u32,
    /// Trust `X-Forwarded-For` from these proxies.
    pub trusted_proxies: Vec<std::net::IpAddr>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RtcConfig {
    /// `first-last`; two ports are never shared by sessions.
    pub udp_ports: String,
    /// Address to bind; default: every address of the machine.
    pub bind_ip: Option<std::net::IpAddr>,
    /// Address callers reach, when the server is behind 1:1 NAT.
    pub public_ip: Option<std::net::IpAddr>,
    /// STUN and TURN servers callers are told of.
    pub ice_servers: Vec<IceServer>,
    /// Most sessions at a time.
    pub max_sessions: u32,
    /// A session without packets for this long is down.
    pub silence_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IceServer {
    /// `stun:host:port` or `turn:host:port?transport=udp`.
    pub urls: Vec<String>,
    #[serde(default)]
    pub username: Option<String>,
    /// File with the password.
    #[serde(default)]
    pub credential_file: Option<PathBuf>,
    /// File with coturn's `static-auth-secret`: callers then get names and passwords that expire.
    #[serde(default)]
    pub auth_secret_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlotsConfig {
    /// A new slot takes the next free port from here.
    pub first_port: u16,
    /// Address slots listen on.
    pub bind: std::net::IpAddr,
}

/// The RTMP server of all channels.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RtmpConfig {
    /// Empty for none.
    #[serde(deserialize_with = "listener")]
    pub listen: Option<SocketAddr>,
    /// RTMPS; empty for none.
    #[serde(deserialize_with = "listener")]
    pub tls_listen: Option<SocketAddr>,
    /// Default: those of `http`.
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// Most connections of one address at a time.
    pub connections_per_address: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelsConfig {
    /// An SRT input without a port of its own takes the next free one from here. A monitor has the port it is given.
    pub first_srt_port: u16,
    /// Address SRT inputs and monitors listen on.
    pub bind: std::net::IpAddr,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkersConfig {
    /// Outputs go on when boothd is stopped in order, as they do when it crashes.
    pub keep_on_stop: bool,
    /// The executable that runs units; default: this one.
    pub binary: Option<PathBuf>,
    /// A worker without boothd ends after this.
    pub orphan_timeout_s: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// For example `info,boothd::rtc=debug`.
    pub filter: String,
    pub json: bool,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            dir: "data".into(),
            key_file: None,
            ledger: "disk".into(),
        }
    }
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            cors_origins: Vec::new(),
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            public_url: None,
            tls_cert: None,
            tls_key: None,
            self_signed: false,
            joins_per_minute: 60,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for RtcConfig {
    fn default() -> Self {
        Self {
            udp_ports: "50000-50999".into(),
            bind_ip: None,
            public_ip: None,
            ice_servers: Vec::new(),
            max_sessions: 500,
            silence_ms: 2_000,
        }
    }
}

impl Default for SlotsConfig {
    fn default() -> Self {
        Self {
            first_port: 9001,
            bind: std::net::IpAddr::from([0, 0, 0, 0]),
        }
    }
}

impl Default for RtmpConfig {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([0, 0, 0, 0], 1935))),
            tls_listen: None,
            tls_cert: None,
            tls_key: None,
            connections_per_address: 8,
        }
    }
}

impl Default for ChannelsConfig {
    fn default() -> Self {
        Self {
            first_srt_port: 9100,
            bind: std::net::IpAddr::from([0, 0, 0, 0]),
        }
    }
}

impl Default for WorkersConfig {
    fn default() -> Self {
        Self {
            keep_on_stop: false,
            binary: None,
            orphan_timeout_s: 86_400,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".into(),
            json: false,
        }
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
