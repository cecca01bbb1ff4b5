//! The vMix that receives a slot: where it is, and which of its inputs are the slot's business.

use serde::{Deserialize, Serialize};

/// Port of vMix's TCP API.
pub const VMIX_PORT: u16 = 8099;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmixSettings {
    /// `host:port` of the TCP API, as [`vmix_address`] makes it: slots with the same one share a connection.
    pub address: String,
    /// Number, key or full name of the input that shows the slot.
    pub input: String,
    /// Gets the caller's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<VmixTitle>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VmixTitle {
    /// Number, key or full name of a title input.
    pub input: String,
    /// Name of its text field; the first one when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// `host`, `host:port`, `[v6]` or `[v6]:port` with its port, in one spelling; why not, otherwise.
pub fn vmix_address(given: &str) -> Result<String, &'static str> {
    const WRONG: &str = "write it as host or host:port";
    let given = given.trim().to_ascii_lowercase();
    let (host, port) = match given.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("an IPv6 address in [ ]")?;
            let address: std::net::Ipv6Addr = host.parse().map_err(|_| "an IPv6 address in [ ]")?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or(WRONG)?),
            };
            (format!("[{address}]"), port)
        }
        None => match given.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (given.clone(), None),
        },
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    // RFC 1035: a name has 253 characters at most.
    let plain = (1..=253).contains(&host.len()) && host.chars().all(named);
    if !plain && !host.starts_with('[') {
        return Err(WRONG);
    }
    let port = match port.map(str::parse::<u16>) {
        None => VMIX_PORT,
        Some(Ok(port @ 1..)) => port,
        Some(_) => return Err("its port is 1 to 65535"),
    };
    Ok(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling_whatever_was_typed() {
        for (given, kept) in [
            ("vmix", "vmix:8099"),
            (" VMIX.local ", "vmix.local:8099"),
            ("10.0.0.7:8100", "10.0.0.7:8100"),
            ("[::1]", "[::1]:8099"),
            ("[FE80::0:1]:9", "[fe80::1]:9"),
        ] {
            assert_eq!(vmix_address(given).as_deref(), Ok(kept), "{given}");
            assert_eq!(vmix_address(kept).as_deref(), Ok(kept));
        }
        for wrong in [
            "", ":8099", "a b", "a:0", "a:70000", "a:", "http://a", "a/b", "u@a", "[::1", "[x]:1",
            "[::1]8", "::1", "a\nb",
        ] {
            assert!(vmix_address(wrong).is_err(), "{wrong:?}");
        }
        assert!(vmix_address(&"a".repeat(254)).is_err());
    }
}
