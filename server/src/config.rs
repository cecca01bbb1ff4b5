//! `booth.toml`, `--set key=value` and `BOOTH_…` environment variables: listeners, directories, limits, and where secrets are.
//! Everything an operator makes is state, not configuration.

mod keys;
pub mod reference;
mod settings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

pub use keys::{
    ChannelsConfig, Config, DataConfig, GrpcConfig, HttpConfig, IceServer, LogConfig, RtcConfig,
    RtmpConfig, SlotsConfig, WorkersConfig,
};
pub use settings::Setting;
use settings::Shape;

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
    Value { key: String, text: String },
}

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
            key: "configuration".into(),
            text: e.to_string(),
        })?;
        config.check()?;
        Ok(config)
    }

    /// What types alone cannot say.
    fn check(&self) -> Result<(), ConfigError> {
        let bad = |key: &str, text: String| {
            let key = key.to_owned();
            Err(ConfigError::Value { key, text })
        };
        for setting in self.settings() {
            if let Some(text) = setting.refused() {
                return bad(&setting.key, text);
            }
        }
        if let Err(text) = self.rtc.udp_range() {
            return bad("rtc.udp_ports", text);
        }
        if self.rtc.ice_servers.iter().any(|s| s.urls.is_empty()) {
            return bad("rtc.ice_servers", "an entry without urls".into());
        }
        // A browser names an origin without a path: with one it would never match, and nobody would say why.
        let origin = |text: &String| {
            let host = text.split_once("://").map(|(_, host)| host);
            // `null` is what sandboxed frames and files send.
            let known = ["*", "null"].contains(&text.as_str());
            let path = |h: &str| h.is_empty() || h.contains(['/', ' ', '"', '\'']);
            known || host.is_some_and(|h| !path(h))
        };
        if let Some(other) = self.grpc.cors_origins.iter().find(|o| !origin(o)) {
            return bad(
                "grpc.cors_origins",
                format!("{other:?} is neither an origin like https://panel.example nor *"),
            );
        }
        if self.grpc.tls_cert.is_some() != self.grpc.tls_key.is_some() {
            return bad("grpc.tls_cert", "tls_cert and tls_key go together".into());
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
        if let Some(url) = &self.http.public_url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return bad(
                "http.public_url",
                format!("{url:?} does not start with http:// or https://"),
            );
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

impl GrpcConfig {
    /// What to do when tokens can be read on their way from other machines.
    pub fn exposed(&self) -> Option<String> {
        let plain = self.tls_cert.is_none() && !self.listen.ip().is_loopback();
        plain.then(|| {
            format!(
                "the API listens on {} unencrypted: tokens can be read on the way. Set grpc.tls_cert and grpc.tls_key, or set \
                 grpc.listen to 127.0.0.1 and come in by ssh -L 7400:127.0.0.1:7400",
                self.listen
            )
        })
    }
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
    keys::TABLES
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
    let known = Config::default().settings();
    let known = known.iter().find(|setting| setting.key == key);
    let shape = known.map_or(Shape::One, |setting| setting.shape);
    let mut last = String::new();
    for candidate in readings(value, shape) {
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
    Err(match known {
        Some(setting) if setting.shape == Shape::Tables => {
            format!(
                "{key} takes tables in TOML, like [{{urls=[\"stun:stun.example:3478\"]}}]: {last}"
            )
        }
        Some(setting) => format!("{key} takes {}: {last}", setting.allowed()),
        None => last,
    })
}

/// What `value` may mean, likeliest first. `50000-50999` and `0.0.0.0:80` are not TOML values: they are taken as text, and
/// what stands between commas as the entries of a list.
fn readings(value: &str, shape: Shape) -> Vec<Value> {
    let typed = toml::from_str::<Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut t| t.remove("v"));
    let text = || Value::String(value.to_owned());
    match (shape, typed) {
        (Shape::List, Some(list @ Value::Array(_))) => vec![list],
        // A list whose quotes the shell took: its TOML error says more than an entry that never matches.
        (Shape::List, None) if value.trim_start().starts_with(['[', '"']) => vec![text()],
        (Shape::List, typed) => {
            let text = match &typed {
                Some(Value::String(quoted)) => quoted,
                _ => value,
            };
            let parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
            vec![Value::Array(
                parts.map(|p| Value::String(p.to_owned())).collect(),
            )]
        }
        (Shape::Tables, Some(typed)) => vec![typed],
        (_, typed) => typed.into_iter().chain([text()]).collect(),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
