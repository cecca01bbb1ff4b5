//! STUN and TURN servers that callers are told of, with credentials that expire where coturn's shared secret is set.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde::Serialize;

use crate::config;
use crate::secrets::Secret;

/// Credentials last for a long call, not for ever.
const TTL_S: i64 = 24 * 3_600;

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct IceServer {
    pub urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

#[derive(Debug, Clone)]
enum Access {
    Open,
    Password {
        username: String,
        password: Secret<String>,
    },
    /// coturn's `use-auth-secret`: name `expiry:user`, password HMAC-SHA1 of it.
    SharedSecret(Secret<String>),
}

#[derive(Debug, Clone, Default)]
pub struct IceServers(Vec<(Vec<String>, Access)>);

impl IceServers {
    pub fn load(servers: &[config::IceServer]) -> std::io::Result<Self> {
        let read = |path: &Path| -> std::io::Result<Secret<String>> {
            let named = |e: std::io::Error| {
                std::io::Error::new(e.kind(), format!("{}: {e}", path.display()))
            };
            Ok(Secret::new(
                std::fs::read_to_string(path)
                    .map_err(named)?
                    .trim()
                    .to_owned(),
            ))
        };
        let entry = |server: &config::IceServer| -> std::io::Result<(Vec<String>, Access)> {
            let access = match (&server.auth_secret_file, &server.credential_file) {
                (Some(path), _) => Access::SharedSecret(read(path)?),
                (None, Some(path)) => Access::Password {
                    username: server.username.clone().unwrap_or_default(),
                    password: read(path)?,
                },
                (None, None) => Access::Open,
            };
            Ok((server.urls.clone(), access))
        };
        servers
            .iter()
            .map(entry)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// For one caller, at `now_s` seconds of the Unix epoch.
    pub fn list(&self, caller: &str, now_s: i64) -> Vec<IceServer> {
        let entry = |(urls, access): &(Vec<String>, Access)| {
            let (username, credential) = match access {
                Access::Open => (None, None),
                // A caller needs the password to use the server; it goes to them over their own door only.
                Access::Password { username, password } => {
                    (Some(username.clone()), Some(password.expose().clone()))
                }
                Access::SharedSecret(secret) => {
                    let username = format!("{}:{caller}", now_s + TTL_S);
                    // The same: this is the secret's one use.
                    let credential = turn_password(secret.expose(), &username);
                    (Some(username), Some(credential))
                }
            };
            IceServer {
                urls: urls.clone(),
                username,
                credential,
            }
        };
        self.0.iter().map(entry).collect()
    }

    /// `Link` header values of RFC 9725 §4.6.
    pub fn links(&self, caller: &str, now_s: i64) -> Vec<String> {
        let servers = self.list(caller, now_s);
        servers
            .iter()
            .flat_map(|server| server.urls.iter().map(move |url| (server, url)))
            .map(|(server, url)| {
                let mut link =
                    format!("<{}>; rel=\"ice-server\"", url.replace(['<', '>', '"'], ""));
                if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
                    link.push_str(&format!(
                        "; username={}; credential={}; credential-type=\"password\"",
                        quoted(username),
                        quoted(credential)
                    ));
                }
                link
            })
            .collect()
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// draft-uberti-behave-turn-rest-00 §2.2.
fn turn_password(secret: &str, username: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, username.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_passwords_are_what_coturn_computes() {
        // printf %s 1433895918:demo | openssl dgst -sha1 -hmac north -binary | base64
        let expected = "0eBUfVlBacQ9bnn69pfIc09Mz/c=";
        assert_eq!(turn_password("north", "1433895918:demo"), expected);
    }

    #[test]
    fn credentials_expire_after_a_day_and_are_the_callers_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "north\n").unwrap();
        let servers = [
            config::IceServer {
                urls: vec!["stun:stun.example.org:3478".into()],
                username: None,
                credential_file: None,
                auth_secret_file: None,
            },
            config::IceServer {
                urls: vec!["turn:turn.example.org:3478?transport=udp".into()],
                username: None,
                credential_file: None,
                auth_secret_file: Some(path),
            },
        ];
        let ice = IceServers::load(&servers).unwrap();
        let list = ice.list("c1", 1_000);
        assert_eq!(list[0].username, None);
        assert_eq!(list[1].username.as_deref(), Some("87400:c1"));
        assert_eq!(list[1].credential, Some(turn_password("north", "87400:c1")));
        assert_ne!(ice.list("c2", 1_000)[1].credential, list[1].credential);
        let links = ice.links("c1", 1_000);
        assert_eq!(links[0], "<stun:stun.example.org:3478>; rel=\"ice-server\"");
        assert!(
            links[1].contains("username=\"87400:c1\"")
                && links[1].contains("credential-type=\"password\"")
        );
        assert!(!format!("{ice:?}").contains("north"));
    }

    #[test]
    fn a_missing_secret_file_is_named() {
        let server = config::IceServer {
            urls: vec![],
            username: None,
            credential_file: None,
            auth_secret_file: Some("/nonexistent/secret".into()),
        };
        assert!(
            IceServers::load(&[server])
                .unwrap_err()
                .to_string()
                .contains("/nonexistent/secret")
        );
    }
}
