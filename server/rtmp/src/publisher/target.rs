//! Where a destination is, and the key that must not be seen.

use std::fmt;

use super::PublishError;

const RTMP_PORT: u16 = 1935;
const RTMPS_PORT: u16 = 443;
/// Longer is a mistake, or an attack on the peer's buffers through us.
const PART_MAX: usize = 1024;

/// An RTMP address taken apart. Can be printed: the stream's name, which is the key, is left out.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// With the query of the address, as OBS sends it (`live2?backup=1`).
    pub(super) app: String,
    /// Stream name: secret.
    pub(super) stream: String,
}

impl Target {
    /// `rtmp://host[:port]/app` or `rtmps://…`, and the stream key. Without a key the last part of the path is it.
    pub fn parse(url: &str, key: &str) -> Result<Self, PublishError> {
        let bad = PublishError::Address;
        let url = url.trim();
        let key = key.trim();
        if [url, key]
            .iter()
            .any(|part| part.chars().any(|c| c.is_control() || c == ' '))
        {
            return Err(bad("it has blanks or control characters"));
        }
        let (scheme, rest) = url.split_once("://").ok_or(bad("it has no scheme"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "rtmp" => false,
            "rtmps" => true,
            _ => return Err(bad("its scheme is neither rtmp nor rtmps")),
        };
        let (authority, path) = rest.split_once('/').ok_or(bad("it has no path"))?;
        if authority.contains('@') {
            return Err(bad("user names in RTMP addresses are not supported"));
        }
        let (host, port) = split_port(authority)?;
        let port = port.unwrap_or(if tls { RTMPS_PORT } else { RTMP_PORT });
        let (app, stream) = if key.is_empty() {
            // `app/name?query`: the query is the name's.
            let (path, query) = match path.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (path, None),
            };
            let (app, name) = path
                .trim_end_matches('/')
                .rsplit_once('/')
                .ok_or(bad("it has no stream key"))?;
            let stream = query.map_or_else(|| name.to_owned(), |query| format!("{name}?{query}"));
            (app.to_owned(), stream)
        } else {
            let app = match path.split_once('?') {
                Some((path, query)) => format!("{}?{query}", path.trim_end_matches('/')),
                None => path.trim_end_matches('/').to_owned(),
            };
            (app, key.trim_start_matches('/').to_owned())
        };
        if app.is_empty() || app.starts_with('?') {
            return Err(bad("it has no application"));
        }
        if stream.is_empty() {
            return Err(bad("it has no stream key"));
        }
        if host.len() > 253 || app.len() > PART_MAX || stream.len() > PART_MAX {
            return Err(bad("it is too long"));
        }
        Ok(Self {
            tls,
            host,
            port,
            app,
            stream,
        })
    }

    #[must_use]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Takes the key out of what the peer said.
    pub(super) fn redact(&self, text: &str) -> String {
        let name = self.stream.split('?').next().unwrap_or_default();
        let mut text = text.replace(&self.stream, "…");
        // Shorter ones are words that may stand there by chance.
        if name.len() >= 4 {
            text = text.replace(name, "…");
        }
        text
    }

    /// What RTMP calls the URL of the application.
    pub(super) fn tc_url(&self) -> String {
        let scheme = if self.tls { "rtmps" } else { "rtmp" };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let default = if self.tls { RTMPS_PORT } else { RTMP_PORT };
        if self.port == default {
            format!("{scheme}://{host}/{}", self.app)
        } else {
            format!("{scheme}://{host}:{}/{}", self.port, self.app)
        }
    }
}

/// Host without brackets, and the port if there is one.
fn split_port(authority: &str) -> Result<(String, Option<u16>), PublishError> {
    let bad = PublishError::Address;
    let (host, port) = if let Some(v6) = authority.strip_prefix('[') {
        let (host, rest) = v6
            .split_once(']')
            .ok_or(bad("its host is not closed by ]"))?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(bad("its host is not an IPv6 address"));
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(bad("its port is not a number")),
        }
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return Err(bad("it has no host"));
    }
    let port = match port {
        None => None,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(bad("its port is not a number")),
        },
    };
    Ok((host.to_owned(), port))
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// Without the key; neither what was pasted behind a `?`, which may hold one too.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.tc_url();
        match url.split_once('?') {
            Some((url, _)) => f.write_str(url),
            None => f.write_str(&url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn target(url: &str, key: &str) -> (String, u16, String, String) {
        let t = Target::parse(url, key).unwrap();
        (t.host, t.port, t.app, t.stream)
    }

    fn parts(host: &str, port: u16, app: &str, stream: &str) -> (String, u16, String, String) {
        (host.into(), port, app.into(), stream.into())
    }

    #[test]
    fn addresses_of_the_platforms_are_taken_apart_as_obs_does() {
        assert_eq!(
            target("rtmps://a.rtmps.youtube.com:443/live2", "ab-cd"),
            parts("a.rtmps.youtube.com", 443, "live2", "ab-cd")
        );
        assert_eq!(
            target("rtmp://b.rtmp.youtube.com/live2?backup=1", "ab-cd"),
            parts("b.rtmp.youtube.com", 1935, "live2?backup=1", "ab-cd")
        );
        assert_eq!(
            target(
                "rtmps://rtmp-api.facebook.com:443/rtmp/",
                "FB-1-0-x?s_bl=1&s_sw=0"
            ),
            parts(
                "rtmp-api.facebook.com",
                443,
                "rtmp",
                "FB-1-0-x?s_bl=1&s_sw=0"
            )
        );
        assert_eq!(
            target("rtmp://[::1]:19350/a/b/", "k"),
            parts("::1", 19350, "a/b", "k")
        );
    }

    #[test]
    fn without_a_key_the_last_part_of_the_path_is_it() {
        assert_eq!(
            target("rtmp://h/live/name?token=x/y", ""),
            parts("h", 1935, "live", "name?token=x/y")
        );
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_as_lasting() {
        for (url, key) in [
            ("", "k"),
            ("http://h/live", "k"),
            ("rtmp://h", "k"),
            ("rtmp:///live", "k"),
            ("rtmp://h/", "k"),
            ("rtmp://h/live", ""),
            ("rtmp://h:0/live", "k"),
            ("rtmp://h:99999/live", "k"),
            ("rtmp://u:p@h/live", "k"),
            ("rtmp://[::1/live", "k"),
            ("rtmp://h/li ve", "k"),
            ("rtmp://h/live", "k\r\nx"),
        ] {
            let error = Target::parse(url, key).unwrap_err();
            assert!(error.terminal(), "{url}");
        }
    }

    #[test]
    fn neither_debug_nor_display_shows_a_key() {
        let t = Target::parse("rtmp://h/live2?auth=CANARY1", "CANARY2").unwrap();
        let shown = format!("{t} {t:?} {t:#?}");
        assert!(!shown.contains("CANARY"), "{shown}");
        assert!(shown.contains("rtmp://h/live2"), "{shown}");
    }
}
