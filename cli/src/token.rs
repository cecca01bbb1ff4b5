//! Where the bearer token comes from. It is never taken from the command line, where other users could read it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::args::Global;
use crate::errors::{Failure, Outcome};

/// `Bearer …`; no `Debug`, so that it cannot reach a log.
pub struct Token(String);

impl Token {
    /// The one that stands in `text`; `from` says where that came from.
    pub fn of(text: &str, from: &str) -> Outcome<Self> {
        check(text, from)
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is kept.
    pub fn secret(&self) -> &str {
        self.0.strip_prefix("Bearer ").unwrap_or_default()
    }
}

/// `--token-file`, BOOTH_TOKEN_FILE or the context's file (see `config`), then BOOTH_TOKEN, then the admin token of a server
/// on this machine.
pub fn discover(global: &Global) -> Outcome<Token> {
    let data = data_dir();
    let variable = std::env::var("BOOTH_TOKEN").ok();
    find(
        global.token_file.as_deref(),
        variable.as_deref(),
        &data,
        is_local(&global.server),
    )
}

/// The token's file, if others than its owner can read it.
pub fn open_to_others(global: &Global) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = match &global.token_file {
        Some(path) => path.clone(),
        None if std::env::var_os("BOOTH_TOKEN").is_some() => return None,
        None => data_dir().join("admin.token"),
    };
    let mode = path.metadata().ok()?.permissions().mode();
    (mode & 0o044 != 0).then_some(path)
}

/// boothd's data directory on this machine: BOOTH_DATA, or boothd's own variable, or where `make run` puts it.
pub fn data_dir() -> PathBuf {
    ["BOOTH_DATA", "BOOTH_DATA_DIR"]
        .into_iter()
        .filter_map(std::env::var_os)
        .find(|dir| !dir.is_empty())
        .map_or_else(|| PathBuf::from("data"), PathBuf::from)
}

fn find(file: Option<&Path>, variable: Option<&str>, data: &Path, local: bool) -> Outcome<Token> {
    if let Some(path) = file.filter(|path| !path.as_os_str().is_empty()) {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::not_allowed(format!(
                "cannot read the token in {}: {error}",
                path.display()
            ))
            .reason("TOKEN_UNREADABLE")
            .next("check --token-file or BOOTH_TOKEN_FILE, and who may read the file")
        })?;
        return check(&text, &path.display().to_string());
    }
    if let Some(text) = variable.filter(|text| !text.trim().is_empty()) {
        return check(text, "BOOTH_TOKEN");
    }
    let path = data.join("admin.token");
    let next = if local {
        // The admin token of this machine goes to this machine only.
        match std::fs::read_to_string(&path) {
            Ok(text) => return check(&text, &path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                format!("{} belongs to another user: run as that user, or have an admin run `booth operator add` for you", path.display())
            }
            Err(_) => "run in boothd's directory, set BOOTH_DATA to its data directory, or give --token-file FILE".to_owned(),
        }
    } else {
        "give --token-file FILE; an admin makes a token with `booth operator add NAME --role operator`".to_owned()
    };
    Err(Failure::not_allowed("no token to sign in with")
        .reason("TOKEN_MISSING")
        .next(next))
}

fn check(text: &str, from: &str) -> Outcome<Token> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure::not_allowed(format!(
            "there is no token in {from}: one line of printable characters is expected"
        ))
        .reason("TOKEN_MALFORMED")
        .next("check --token-file, BOOTH_TOKEN_FILE or BOOTH_TOKEN"));
    }
    Ok(Token(format!("Bearer {text}")))
}

/// Whether the address means this machine.
pub fn is_local(server: &str) -> bool {
    let Ok(uri) = server.parse::<tonic::transport::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        file: Option<&Path>,
        variable: Option<&str>,
        data: &Path,
        local: bool,
    ) -> Result<String, Failure> {
        find(file, variable, data, local).map(|token| token.as_str().to_owned())
    }

    #[test]
    fn a_named_file_comes_before_the_variable_and_that_before_the_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mine"), "file\n").unwrap();
        std::fs::write(dir.path().join("admin.token"), "admin\n").unwrap();
        let file = dir.path().join("mine");
        assert_eq!(
            found(Some(&file), Some("variable"), dir.path(), true).unwrap(),
            "Bearer file"
        );
        assert_eq!(
            found(None, Some("variable"), dir.path(), true).unwrap(),
            "Bearer variable"
        );
        assert_eq!(found(None, None, dir.path(), true).unwrap(), "Bearer admin");
    }

    #[test]
    fn the_local_admin_token_is_not_sent_to_another_machine() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("admin.token"), "admin\n").unwrap();
        let failure = found(None, None, dir.path(), false).unwrap_err();
        assert_eq!(
            (failure.exit_code(), failure.reason.as_deref()),
            (4, Some("TOKEN_MISSING"))
        );
        assert!(failure.next.unwrap_or_default().contains("--token-file"));
    }

    #[test]
    fn a_missing_or_broken_token_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("two lines"), "a\nb").unwrap();
        for file in ["absent", "two lines"] {
            let failure = found(Some(&dir.path().join(file)), None, dir.path(), true).unwrap_err();
            assert_eq!(failure.exit_code(), 4);
            assert!(failure.next.is_some());
        }
        assert_eq!(
            found(None, None, dir.path(), true)
                .unwrap_err()
                .reason
                .as_deref(),
            Some("TOKEN_MISSING")
        );
    }

    #[test]
    fn only_loopback_addresses_are_this_machine() {
        for server in [
            "http://127.0.0.1:7400",
            "http://localhost:1",
            "http://[::1]:7400",
            "http://127.9.9.9:1",
        ] {
            assert!(is_local(server), "{server}");
        }
        for server in [
            "http://10.0.0.1:7400",
            "http://localhost.evil.example:1",
            "nonsense",
            "http://[fe80::1]:1",
        ] {
            assert!(!is_local(server), "{server}");
        }
    }
}
