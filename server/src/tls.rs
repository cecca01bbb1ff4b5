//! TLS of the callers' door and of the API: the operator's certificate, followed when its files are renewed, or (for the
//! door) a self-signed one kept in the data directory and renewed before it ends.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use booth_core::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::address;
use crate::clock::Clock;
use crate::config::Config;

/// Tests do not wait that long.
const LOOK_EVERY: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 60_000 });
const VALID_DAYS: i64 = 397;
const RENEW_DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {what}", path.display())]
    File { path: PathBuf, what: String },
    #[error("the certificate and the key do not work: {0}")]
    Rustls(#[from] rustls::Error),
    #[error("no certificate could be made: {0}")]
    Make(#[from] rcgen::Error),
}

#[derive(Debug, Clone)]
pub struct Tls(watch::Receiver<Arc<ServerConfig>>);

impl Tls {
    /// Of the callers' door; `None` when it speaks plain HTTP.
    pub fn door(config: &Arc<Config>, clock: Clock) -> Result<Option<Self>, TlsError> {
        Self::load(Files::of_door(config), config, clock)
    }

    /// Of the API; `None` when it is plain.
    pub fn api(config: &Arc<Config>, clock: Clock) -> Result<Option<Self>, TlsError> {
        Self::load(Files::of_api(config), config, clock)
    }

    fn load(
        files: Option<Files>,
        config: &Arc<Config>,
        clock: Clock,
    ) -> Result<Option<Self>, TlsError> {
        let Some(files) = files else {
            return Ok(None);
        };
        files.renew(config, clock)?;
        // Before they are read: what is put there meanwhile is found at the next look.
        let seen = files.changed_at();
        let (tx, rx) = watch::channel(Arc::new(files.read()?));
        tokio::spawn(follow(files, seen, Arc::clone(config), clock, tx));
        Ok(Some(Self(rx)))
    }

    /// Waits until a renewed certificate is in use.
    #[cfg(test)]
    pub async fn renewed(&mut self) {
        self.0.changed().await.unwrap();
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.borrow().clone())
    }
}

/// When each of the two files was changed last.
type Changed = [Option<std::time::SystemTime>; 2];

/// Reads the files again when they change; a bad pair leaves the one in use, and is looked at again.
async fn follow(
    files: Files,
    mut seen: Changed,
    config: Arc<Config>,
    clock: Clock,
    tx: watch::Sender<Arc<ServerConfig>>,
) {
    let files = Arc::new(files);
    // Told once for each pair, not every minute.
    let mut told = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = tx.closed() => return,
        }
        // Aside: the files may lie on a network that hangs.
        let (files, config) = (Arc::clone(&files), Arc::clone(&config));
        let look = tokio::task::spawn_blocking(move || files.look(seen, &config, clock));
        match look.await {
            Ok(Some((now, Ok(config)))) => {
                seen = now;
                tx.send_replace(Arc::new(config));
            }
            Ok(Some((now, Err(error)))) if told != Some(now) => {
                told = Some(now);
                tracing::warn!(%error, "the new certificate is not usable: the old one stays");
            }
            Ok(_) | Err(_) => {}
        }
    }
}

#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    /// Where the end of a self-signed certificate is noted, in milliseconds of the Unix epoch.
    until: Option<PathBuf>,
    /// What is spoken inside, likeliest first.
    alpn: &'static [&'static str],
}

const DOOR_ALPN: &[&str] = &["http/1.1"];
const API_ALPN: &[&str] = &["h2", "http/1.1"];

impl Files {
    fn of_api(config: &Config) -> Option<Self> {
        let files = config
            .grpc
            .tls_cert
            .clone()
            .zip(config.grpc.tls_key.clone());
        files.map(|(cert, key)| Self {
            cert,
            key,
            until: None,
            alpn: API_ALPN,
        })
    }

    fn of_door(config: &Config) -> Option<Self> {
        let http = &config.http;
        if let (Some(cert), Some(key)) = (&http.tls_cert, &http.tls_key) {
            return Some(Self {
                cert: cert.clone(),
                key: key.clone(),
                until: None,
                alpn: DOOR_ALPN,
            });
        }
        let dir = config.data.dir.join("tls");
        http.self_signed.then(|| Self {
            cert: dir.join("cert.pem"),
            key: dir.join("key.pem"),
            until: Some(dir.join("until")),
            alpn: DOOR_ALPN,
        })
    }

    /// What is there now; `None` when that is what was seen.
    fn look(
        &self,
        seen: Changed,
        config: &Config,
        clock: Clock,
    ) -> Option<(Changed, Result<ServerConfig, TlsError>)> {
        if let Err(error) = self.renew(config, clock) {
            tracing::warn!(%error, "the certificate could not be renewed");
        }
        let now = self.changed_at();
        (now != seen).then(|| (now, self.read()))
    }

    fn changed_at(&self) -> Changed {
        [&self.cert, &self.key].map(|path| std::fs::metadata(path).and_then(|m| m.modified()).ok())
    }

    fn read(&self) -> Result<ServerConfig, TlsError> {
        let bad = |path: &Path, what: String| TlsError::File {
            path: path.to_owned(),
            what,
        };
        let chain = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| bad(&self.cert, e.to_string()))?;
        if chain.is_empty() {
            return Err(bad(&self.cert, "there is no certificate in it".into()));
        }
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|e| bad(&self.key, e.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = self
            .alpn
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Ok(config)
    }

    /// Makes the self-signed certificate when there is none, or its end is near.
    fn renew(&self, config: &Config, clock: Clock) -> Result<(), TlsError> {
        let Some(until) = &self.until else {
            return Ok(());
        };
        let now = clock.now();
        let known = std::fs::read_to_string(until)
            .ok()
            .and_then(|text| text.trim().parse::<i64>().ok());
        let there = self.cert.exists() && self.key.exists();
        if there && known.is_some_and(|known| known - now.0 > RENEW_DAYS * DAY_MS) {
            return Ok(());
        }
        let end = Timestamp(now.0 + VALID_DAYS * DAY_MS);
        let (cert, key) = make(config, now, end)?;
        let dir = self.cert.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir).map_err(|e| TlsError::File {
            path: dir.to_owned(),
            what: e.to_string(),
        })?;
        write(&self.key, &key)?;
        write(&self.cert, &cert)?;
        write(until, &end.0.to_string())
    }
}

/// Whole or not at all, and readable by its owner only.
fn write(path: &Path, text: &str) -> Result<(), TlsError> {
    let new = path.with_extension("new");
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .and_then(|()| std::fs::rename(&new, path));
    written.map_err(|e| TlsError::File {
        path: path.to_owned(),
        what: e.to_string(),
    })
}

fn make(config: &Config, from: Timestamp, end: Timestamp) -> Result<(String, String), TlsError> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let base = address::join_base_url(config);
    if let Some(host) = host_of(&base).filter(|host| !names.contains(host)) {
        names.push(host);
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "booth");
    let day = |at: Timestamp| {
        let (year, month, day) = civil(at.0.div_euclid(DAY_MS));
        rcgen::date_time_ymd(year, month, day)
    };
    // A day of slack for clocks that are behind.
    params.not_before = day(Timestamp(from.0 - DAY_MS));
    params.not_after = day(end);
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    Ok((cert.pem(), key.serialize_pem()))
}

/// `https://[::1]:8080/x` → `::1`.
fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next()?,
        None => authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host),
    };
    (!host.is_empty()).then(|| host.to_owned())
}

/// Days since 1970-01-01 → year, month, day (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i32, u8, u8) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (
        i32::try_from(year).unwrap_or(2_100),
        u8::try_from(month).unwrap_or(1),
        u8::try_from(day).unwrap_or(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_454), (2026, 1, 1));
    }

    #[test]
    fn hosts_come_out_of_links() {
        assert_eq!(
            host_of("https://192.0.2.1:8080").as_deref(),
            Some("192.0.2.1")
        );
        assert_eq!(
            host_of("https://[2001:db8::1]:8080/x").as_deref(),
            Some("2001:db8::1")
        );
        assert_eq!(
            host_of("https://call.example.org").as_deref(),
            Some("call.example.org")
        );
    }

    /// Put there with the wrong rights, say: those change, and the time of the last change does not.
    #[test]
    fn files_that_could_not_be_read_once_are_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (cert, key) = (dir.path().join("cert"), dir.path().join("key"));
        std::fs::write(&cert, pair.cert.pem()).unwrap();
        std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        config.grpc.tls_cert = Some(cert);
        config.grpc.tls_key = Some(key.clone());
        let files = Files::of_api(&config).unwrap();
        let clock = Clock::anchored();
        let seen = files.changed_at();
        assert!(files.look(seen, &config, clock).is_none());
        let good = std::fs::read(&key).unwrap();
        let later = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let write = |bytes: &[u8]| {
            std::fs::write(&key, bytes).unwrap();
            let file = std::fs::File::options().write(true).open(&key).unwrap();
            file.set_modified(later).unwrap();
        };
        write(b"no key");
        let (bad, read) = files.look(seen, &config, clock).unwrap();
        assert!(read.is_err());
        write(&good);
        // What was not taken is not seen.
        let (now, read) = files.look(seen, &config, clock).unwrap();
        assert_eq!(now, bad);
        assert!(read.is_ok());
        assert!(files.look(now, &config, clock).is_none());
    }

    #[tokio::test]
    async fn a_self_signed_certificate_is_kept_and_renewed_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.dir = dir.path().to_owned();
        config.http.self_signed = true;
        let files = Files::of_door(&config).unwrap();
        let clock = Clock::anchored();
        files.renew(&config, clock).unwrap();
        files.read().unwrap();
        let first = std::fs::read(&files.cert).unwrap();
        files.renew(&config, clock).unwrap();
        assert_eq!(std::fs::read(&files.cert).unwrap(), first);
        let soon = clock.now().0 + 29 * DAY_MS;
        std::fs::write(files.until.as_ref().unwrap(), soon.to_string()).unwrap();
        files.renew(&config, clock).unwrap();
        assert_ne!(std::fs::read(&files.cert).unwrap(), first);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&files.key).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_broken_certificate_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cert.pem");
        std::fs::write(&path, "nonsense").unwrap();
        let files = Files {
            cert: path.clone(),
            key: path,
            until: None,
            alpn: API_ALPN,
        };
        assert!(files.read().unwrap_err().to_string().contains("cert.pem"));
    }
}
