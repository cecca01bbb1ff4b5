//! Tiles go to files and pipes.

use serde_json::json;

use crate::fake::{Fake, Reply};

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_goes_to_a_file_or_a_pipe() {
    let fake = Fake::start().await;
    fake.always(
        "get_slot_tile",
        Reply::Json(json!({ "tile": { "jpeg": "YWJj", "atMs": "5" } })),
    );
    assert_eq!(
        fake.booth(&["slot", "tile", "1"]).await.exits(0).stdout,
        "abc"
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.jpg");
    let done = fake
        .booth(&["slot", "tile", "1", "--out", file.to_str().unwrap()])
        .await
        .exits(0);
    assert_eq!(done.stdout, "");
    assert_eq!(std::fs::read(&file).unwrap(), b"abc");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_picture_is_not_found() {
    let fake = Fake::start().await;
    fake.booth(&["slot", "tile", "1"]).await.exits(3);
}
