//! The door over real HTTP.

mod channel;
mod door;
mod tally;
mod whip;

use booth_proto::worker::Codec;
use serde_json::Value;

use super::testing::LOCAL;
use crate::demo::publisher::Publisher;
use crate::demo::web::Reply;

const SDP: (&str, &str) = ("content-type", "application/sdp");

async fn offer() -> (Publisher, String) {
    Publisher::offer(&[LOCAL], true, Some(Codec::Vp8))
        .await
        .unwrap()
}

#[track_caller]
fn refused(reply: &Reply, status: u16, reason: &str) {
    assert_eq!(reply.status.as_u16(), status, "{:?}", reply.body);
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    let problem: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["reason"], reason);
    assert!(
        !problem["detail"].as_str().unwrap().is_empty()
            && !problem["title"].as_str().unwrap().is_empty()
    );
}
