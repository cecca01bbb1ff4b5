//! The callers' page and its assets, in the binary.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::problem::Problem;

struct Asset {
    name: &'static str,
    kind: &'static str,
    data: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($name:literal, $kind:expr) => {
        Asset {
            name: $name,
            kind: $kind,
            data: include_bytes!(concat!("../../../web-join/", $name)),
        }
    };
}

const PAGE: Asset = asset!("index.html", HTML);
const ASSETS: [Asset; 10] = [
    asset!("join.css", CSS),
    asset!("join.js", SCRIPT),
    asset!("api.js", SCRIPT),
    asset!("backoff.js", SCRIPT),
    asset!("media.js", SCRIPT),
    asset!("session.js", SCRIPT),
    asset!("store.js", SCRIPT),
    asset!("view.js", SCRIPT),
    asset!("whip.js", SCRIPT),
    asset!("words.js", SCRIPT),
];

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// On every answer of this door.
pub(super) fn secure(headers: &mut HeaderMap) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(self), display-capture=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

pub(super) async fn home() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, "/join/main")]).into_response()
}

/// The same page for every show: it reads the show from its own address.
pub(super) async fn join(headers: HeaderMap) -> Response {
    serve(&PAGE, &headers)
}

pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => serve(asset, &headers),
        None => Problem::not_found("there is no such file").into_response(),
    }
}

fn serve(asset: &Asset, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", &blake3::hash(asset.data).to_hex()[..16]);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let same = known.is_some_and(|known| {
        known
            .split(',')
            .any(|tag| tag.trim().trim_start_matches("W/") == etag)
    });
    let base = [
        (header::ETAG, etag.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    if same {
        return (StatusCode::NOT_MODIFIED, base).into_response();
    }
    (base, [(header::CONTENT_TYPE, asset.kind)], asset.data).into_response()
}
