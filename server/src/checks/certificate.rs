//! The certificates of the callers' door, of RTMPS and of the API: until when they hold, and for which names.

use std::path::{Path, PathBuf};

use booth_core::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::extensions::GeneralName;

use super::Found;
use super::network::host_of;
use crate::address::join_base_url;
use crate::config::Config;

const DAY_MS: i64 = 86_400_000;
/// Let's Encrypt renews at 30 days: below this nobody did.
const SOON_DAYS: i64 = 14;

pub async fn check(config: &Config, now: Timestamp) -> Vec<Found> {
    let base = join_base_url(config);
    let host = host_of(base.split_once("://").map_or("", |(_, rest)| rest)).to_owned();
    let mut files: Vec<(&'static str, PathBuf, bool)> = Vec::new();
    if let Some(path) = &config.http.tls_cert {
        files.push(("http", path.clone(), false));
    } else if config.http.self_signed {
        files.push(("http", config.data.dir.join("tls/cert.pem"), true));
    }
    if config.rtmp.tls_listen.is_some()
        && let Some(path) = &config.rtmp.tls_cert
    {
        files.push(("rtmp", path.clone(), false));
    }
    if let Some(path) = &config.grpc.tls_cert {
        files.push(("grpc", path.clone(), false));
    }
    if files.is_empty() {
        let text = if base.starts_with("https://") {
            format!("boothd has none; {base} is served by a proxy, which has its own")
        } else {
            "there is none: the callers' door speaks plain HTTP".to_owned()
        };
        return vec![Found::ok(text)];
    }
    let look = move || {
        let one = |(door, path, own): &(&str, PathBuf, bool)| {
            // Under which name clients come to the API only they know.
            let host = (*door != "grpc").then_some(host.as_str());
            one(path, host, now, *own).about(format!("certificates/{door}"))
        };
        files.iter().map(one).collect::<Vec<_>>()
    };
    let looked = tokio::task::spawn_blocking(look).await;
    looked.unwrap_or_else(|e| vec![Found::failed(e.to_string(), "see the server's log")])
}

fn one(path: &Path, host: Option<&str>, now: Timestamp, self_signed: bool) -> Found {
    let shown = path.display();
    let facts = match read(path) {
        Ok(facts) => facts,
        Err(why) => {
            return Found::failed(
                format!("{shown}: {why}"),
                "name a PEM file with the certificate first and then its chain, that boothd's user may read",
            );
        }
    };
    let days = (facts.until_ms - now.0).div_euclid(DAY_MS);
    let names = facts.names.join(", ");
    if facts.until_ms <= now.0 {
        Found::failed(
            format!("{shown} expired {} days ago", -days),
            "renew it (certbot renew, or your provider); boothd takes the new files by itself within a minute",
        )
    } else if facts.from_ms > now.0 {
        Found::failed(
            format!("{shown} is not valid yet"),
            "look at the machine's clock, or wait",
        )
    } else if self_signed {
        Found::warning(
            format!("{shown} is self-signed: browsers warn every caller"),
            "set http.tls_cert and http.tls_key, or put a proxy with a certificate in front and name it with http.public_url",
        )
    } else if let Some(host) = host
        && !facts.names.iter().any(|name| covers(name, host))
    {
        Found::failed(
            format!("{shown} is for {names}, and callers are sent to {host}"),
            "get a certificate for that name, or set http.public_url to one that it is for",
        )
    } else if days < SOON_DAYS {
        Found::warning(
            format!("{shown} expires in {days} days"),
            "renew it now, and look why that does not happen by itself",
        )
    } else {
        Found::ok(format!("{shown} is for {names}, and holds for {days} days"))
    }
}

#[derive(Debug)]
struct Facts {
    from_ms: i64,
    until_ms: i64,
    names: Vec<String>,
}

fn read(path: &Path) -> Result<Facts, String> {
    let certificate = CertificateDer::from_pem_file(path).map_err(|e| e.to_string())?;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(&certificate).map_err(|e| e.to_string())?;
    let validity = parsed.validity();
    let names = parsed
        .subject_alternative_name()
        .map_err(|e| e.to_string())?;
    let names = names
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        });
    Ok(Facts {
        from_ms: validity.not_before.timestamp().saturating_mul(1_000),
        until_ms: validity.not_after.timestamp().saturating_mul(1_000),
        names: names.collect(),
    })
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(std::net::IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).ok().map(std::net::IpAddr::from);
    v4.or_else(v6).map(|ip| ip.to_string())
}

/// A wildcard stands for exactly one label (RFC 6125 §6.4.3).
fn covers(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_ascii_lowercase(), host.to_ascii_lowercase());
    match name.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => name == host,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn made(dir: &Path, names: &[&str], until: i32) -> PathBuf {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let path = dir.join("cert.pem");
        std::fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
        path
    }

    /// 2026-06-01.
    const NOW: Timestamp = Timestamp(1_780_272_000_000);

    #[test]
    fn a_certificate_is_judged_by_its_end_and_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = made(
            dir.path(),
            &["call.example", "*.studio.example", "192.0.2.7"],
            2030,
        );
        for host in [
            "call.example",
            "a.studio.example",
            "192.0.2.7",
            "CALL.example",
        ] {
            let found = one(&path, Some(host), NOW, false);
            assert_eq!(found.verdict, Verdict::Ok, "{host}: {found:?}");
        }
        for host in ["other.example", "studio.example", "a.b.studio.example"] {
            let found = one(&path, Some(host), NOW, false);
            assert!(found.text.contains(host), "{found:?}");
            assert_eq!(found.verdict, Verdict::Failed);
        }
        assert_eq!(
            one(&path, Some("call.example"), NOW, true).verdict,
            Verdict::Warning
        );
        let path = made(dir.path(), &["call.example"], 2026);
        assert!(
            one(&path, Some("call.example"), NOW, false)
                .text
                .contains("expired 151 days ago")
        );
        std::fs::write(&path, "no certificate").unwrap();
        assert_eq!(
            one(&path, Some("call.example"), NOW, false).verdict,
            Verdict::Failed
        );
    }

    /// The API has a name of its own: only the end of its certificate is judged.
    #[tokio::test]
    async fn the_certificate_of_the_api_is_looked_at_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.grpc.tls_cert = Some(made(dir.path(), &["api.example"], 2030));
        let found = check(&config, NOW).await;
        assert_eq!(found[0].subject, "certificates/grpc");
        assert_eq!(found[0].verdict, Verdict::Ok, "{found:?}");
        made(dir.path(), &["api.example"], 2026);
        let found = check(&config, NOW).await;
        assert_eq!(found[0].verdict, Verdict::Failed, "{found:?}");
    }

    #[tokio::test]
    async fn without_a_certificate_there_is_nothing_to_expire() {
        let found = check(&Config::default(), NOW).await;
        assert_eq!(found[0].verdict, Verdict::Ok);
    }

    /// Reading a pipe takes until somebody writes. The runtime has one thread: were it held up, the other task would not run.
    #[tokio::test]
    async fn files_that_take_long_hold_up_nobody_else() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cert.pem");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let mut config = Config::default();
        config.http.tls_cert = Some(path.clone());
        let (go_on, went_on) = std::sync::mpsc::channel();
        let writer = std::thread::spawn(move || {
            let alive = went_on.recv_timeout(std::time::Duration::from_secs(20));
            std::fs::write(&path, "no certificate").unwrap();
            alive.is_ok()
        });
        let (found, sent) = tokio::join!(check(&config, NOW), async { go_on.send(()) });
        assert!(
            writer.join().unwrap() && sent.is_ok(),
            "the thread was held"
        );
        assert_eq!(found[0].verdict, Verdict::Failed);
    }
}
