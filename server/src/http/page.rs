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

const PAGE: Asset = Asset {
    name: "",
    kind: "text/html; charset=utf-8",
    data: include_bytes!("../../../web-join/index.html"),
};
/// Each file of web-join beside the page.
const ASSETS: [Asset; 10] = [
    style("join.css", include_bytes!("../../../web-join/join.css")),
    script("join.js", include_bytes!("../../../web-join/join.js")),
    script("api.js", include_bytes!("../../../web-join/api.js")),
    script("backoff.js", include_bytes!("../../../web-join/backoff.js")),
    script("media.js", include_bytes!("../../../web-join/media.js")),
    script("session.js", include_bytes!("../../../web-join/session.js")),
    script("store.js", include_bytes!("../../../web-join/store.js")),
    script("view.js", include_bytes!("../../../web-join/view.js")),
    script("whip.js", include_bytes!("../../../web-join/whip.js")),
    script("words.js", include_bytes!("../../../web-join/words.js")),
];

const fn script(name: &'static str, data: &'static [u8]) -> Asset {
    Asset {
        name,
        kind: "text/javascript; charset=utf-8",
        data,
    }
}

const fn style(name: &'static str, data: &'static [u8]) -> Asset {
    Asset {
        name,
        kind: "text/css; charset=utf-8",
        data,
    }
}

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
