//! `booth.toml`, `--set key=value` and `BOOTH_…` environment variables: listeners, directories, limits, and where secrets are.
//! Everything an operator makes is state, not configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub data: DataConfig,
    pub grpc: GrpcConfig,
    pub http: HttpConfig,
    pub rtc: RtcConfig,
    pub slots: SlotsConfig,
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

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkersConfig {
    /// Outputs go on when boothd is stopped in order, as they do when it crashes.
    pub keep_on_stop: bool,
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

impl Default for WorkersConfig {
    fn default() -> Self {
        Self {
            keep_on_stop: false,
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
