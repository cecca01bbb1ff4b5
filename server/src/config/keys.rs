//! Every key of `booth.toml`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use super::listener;
use super::settings::{Kind, More, Setting, Shape, settings, tables};

const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

tables! {
    data: DataConfig,
    grpc: GrpcConfig,
    http: HttpConfig,
    rtc: RtcConfig,
    rtmp: RtmpConfig,
    slots: SlotsConfig,
    channels: ChannelsConfig,
    workers: WorkersConfig,
    log: LogConfig,
}

settings! {
    DataConfig {
        /// Where state lives.
        dir: PathBuf = "data".into();
        /// 32-byte key that seals secrets; made at the first start.
        key_file: Option<PathBuf> = None, unset("`<data.dir>/key`");
        /// `memory`: nothing survives, for tests.
        ledger: String = "disk".into(), one_of(&["disk", "memory"]);
    }

    GrpcConfig {
        /// gRPC, gRPC-web, JSON, event streams and tiles.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 7400));
        /// PEM certificate chain: all of it is served in TLS then. Goes with `grpc.tls_key`; renewed files are taken within a minute.
        tls_cert: Option<PathBuf> = None;
        /// PEM key.
        tls_key: Option<PathBuf> = None;
        /// Origins that may call from a browser, like `https://panel.example`; `*` for any.
        cors_origins: Vec<String> = Vec::new(), kind("list of origins");
    }

    HttpConfig {
        /// Join page, WHIP, `/healthz`, `/metrics`.
        listen: SocketAddr = (ANY, 8080).into();
        /// Base of join links as callers see it, like `https://call.example.org`.
        public_url: Option<String> = None, kind("URL"), unset("from `http.listen`");
        /// PEM certificate chain; goes with `http.tls_key`. Renewed files are taken within a minute.
        tls_cert: Option<PathBuf> = None;
        /// PEM key.
        tls_key: Option<PathBuf> = None;
        /// Makes and keeps a self-signed certificate in the data directory.
        self_signed: bool = false;
        /// Join and WHIP attempts a minute for one address (IPv6: /64); this machine's own are not counted.
        joins_per_minute: u32 = 60;
        /// Proxies whose `X-Forwarded-For` is believed. Behind a local proxy set it, or nobody is limited.
        trusted_proxies: Vec<IpAddr> = Vec::new();
    }

    RtcConfig {
        /// UDP ports of callers' media; two are never shared by sessions.
        udp_ports: String = "50000-50999".into(), kind("range of ports");
        /// Address to bind.
        bind_ip: Option<IpAddr> = None, unset("every address");
        /// Address callers reach, behind 1:1 NAT.
        public_ip: Option<IpAddr> = None;
        /// STUN and TURN servers callers are told of.
        ice_servers: Vec<IceServer> = Vec::new();
        /// Most media sessions at a time.
        max_sessions: u32 = 500;
        /// A session without packets for so long is down.
        silence_ms: u64 = 2_000, kind("ms"), range(250, 60_000);
    }

    /// One STUN or TURN server.
    IceServer {
        /// `stun:host:port` or `turn:host:port?transport=udp`; has to be given.
        urls: Vec<String> = Vec::new(), kind("list of URLs");
        /// Goes with `credential_file`.
        username: Option<String> = None;
        /// File with the password.
        credential_file: Option<PathBuf> = None;
        /// File with coturn's `static-auth-secret`: callers then get names and passwords that expire.
        auth_secret_file: Option<PathBuf> = None;
    }

    /// The RTMP server of all channels.
    RtmpConfig {
        /// RTMP, for encoders that feed channels; empty for none.
        #[serde(deserialize_with = "listener")]
        listen: Option<SocketAddr> = Some((ANY, 1935).into());
        /// RTMPS; needs a certificate. Empty for none.
        #[serde(deserialize_with = "listener")]
        tls_listen: Option<SocketAddr> = None;
        /// PEM certificate chain of RTMPS; goes with `rtmp.tls_key`.
        tls_cert: Option<PathBuf> = None, unset("`http.tls_cert`");
        /// PEM key.
        tls_key: Option<PathBuf> = None, unset("`http.tls_key`");
        /// Most RTMP connections of one address at a time.
        connections_per_address: u32 = 8, range(1, 1_000);
    }

    SlotsConfig {
        /// A new slot takes the next free port from here.
        first_port: u16 = 9001, kind("port"), range(1, 65_535);
        /// Address slots listen on.
        bind: IpAddr = ANY.into();
    }

    ChannelsConfig {
        /// An SRT input of a channel whose port is given as 0 takes the next free one from here. A monitor has the port it is
        /// given.
        first_srt_port: u16 = 9100, kind("port"), range(1, 65_535);
        /// Address that SRT inputs and monitors of channels listen on.
        bind: IpAddr = ANY.into();
    }

    WorkersConfig {
        /// Outputs go on when boothd is stopped in order, as they do when it crashes.
        keep_on_stop: bool = false;
        /// Executable that runs the units.
        binary: Option<PathBuf> = None, unset("this one");
        /// A worker without boothd ends after this.
        orphan_timeout_s: u64 = 86_400, kind("seconds");
    }

    LogConfig {
        /// For example `info,boothd::rtc=debug`; `BOOTH_LOG` wins.
        filter: String = "info".into();
        /// One JSON document per line.
        json: bool = false;
    }
}

impl Kind for Vec<IceServer> {
    const KIND: &'static str = "list of tables";
    const SHAPE: Shape = Shape::Tables;
    fn shown(&self) -> Option<String> {
        let urls: Vec<_> = self.iter().flat_map(|s| s.urls.clone()).collect();
        (!urls.is_empty()).then(|| urls.join(","))
    }
    fn inside() -> Vec<Setting> {
        IceServer::default().settings("rtc.ice_servers[]")
    }
}
