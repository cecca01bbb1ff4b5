//! A small HTTP client for the callers' door: one connection per request, a stream for events.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const ANSWER: Duration = Duration::from_secs(15);
const BODY_MAX: usize = 256 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error("{0:?} is not a URL of booth's page, like http://127.0.0.1:8080")]
    Url(String),
    #[error("cannot reach {0}: {1}")]
    Reach(String, std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("no answer in time")]
    Late,
    #[error("the answer is too large or broke off")]
    Body,
    #[error("{0}")]
    Tls(String),
    #[error("{status}: {reason}: {detail}")]
    Refused {
        status: StatusCode,
        reason: String,
        detail: String,
        retry_after: Option<u64>,
    },
}

#[derive(Clone)]
pub struct Web {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Web({}:{})", self.host, self.port)
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The reply if it is a success, else what the problem body says.
    pub fn ok(self) -> Result<Self, WebError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        let retry_after = self
            .header(header::RETRY_AFTER)
            .and_then(|value| value.parse().ok());
        Err(WebError::Refused {
            status: self.status,
            reason: text("reason"),
            detail: text("detail"),
            retry_after,
        })
    }
}

impl Web {
    /// `ca` is a PEM file to trust for `https`.
    pub fn new(url: &str, ca: Option<&std::path::Path>) -> Result<Self, WebError> {
        let bad = || WebError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let host = uri
            .host()
            .ok_or_else(bad)?
            .trim_matches(['[', ']'])
            .to_owned();
        let (tls, default) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (Some(connector(ca)?), 443),
            _ => return Err(bad()),
        };
        Ok(Self {
            host,
            port: uri.port_u16().unwrap_or(default),
            tls,
        })
    }

    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Reply, WebError> {
        let work = async {
            let response = self.send(method, path, headers, body.into()).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, BODY_MAX)
                .collect()
                .await
                .map_err(|_| WebError::Body)?
                .to_bytes();
            Ok(Reply {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        };
        tokio::time::timeout(ANSWER, work)
            .await
            .map_err(|_| WebError::Late)?
    }

    /// A response whose body goes on.
    pub async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Result<Incoming, WebError> {
        let sent =
            tokio::time::timeout(ANSWER, self.send(Method::GET, path, headers, Bytes::new()));
        let response = sent.await.map_err(|_| WebError::Late)??;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let (status, refused) = (response.status(), String::new());
        Err(WebError::Refused {
            status,
            reason: refused,
            detail: String::new(),
            retry_after: None,
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<http::Response<Incoming>, WebError> {
        let authority = format!("{}:{}", self.host, self.port);
        let reach = |e| WebError::Reach(authority.clone(), e);
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(reach)?;
        let _ = stream.set_nodelay(true);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &authority);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|_| WebError::Url(path.to_owned()))?;
        match &self.tls {
            None => talk(stream, request).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone())
                    .map_err(|e| WebError::Tls(e.to_string()))?;
                talk(tls.connect(name, stream).await.map_err(reach)?, request).await
            }
        }
    }
}

async fn talk<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<http::Response<Incoming>, WebError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the response's body.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

/// Trusts the system's authorities, and the certificates in `ca`.
fn connector(ca: Option<&std::path::Path>) -> Result<TlsConnector, WebError> {
    let bad = |e: &dyn std::fmt::Display| WebError::Tls(e.to_string());
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        for cert in CertificateDer::pem_file_iter(path).map_err(|e| bad(&e))? {
            roots.add(cert.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
