//! Pictures at addresses.

use booth_core::{Command, Fact, Role, Showing, SlotId, Timestamp};
use booth_proto::v1;
use bytes::Bytes;
use http::{Method, Request, StatusCode};

use super::json::{Answer, ask, request};
use super::{Booth, admin};
use crate::meters::Tile;

async fn get(booth: &Booth, path: &str) -> Answer {
    ask(booth, request(Method::GET, path), "").await
}

/// Size and pixels.
#[track_caller]
fn png(answer: &Answer) -> ((u32, u32), Vec<u8>) {
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "image/png");
    let mut reader = png::Decoder::new(std::io::Cursor::new(&answer.body))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    ((info.width, info.height), pixels)
}

fn blue() -> Bytes {
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 90)
        .encode(
            &[10, 20, 230].repeat(320 * 180),
            320,
            180,
            jpeg_encoder::ColorType::Rgb,
        )
        .unwrap();
    jpeg.into()
}

fn tile(booth: &Booth, age_ms: i64) -> Tile {
    Tile {
        jpeg: blue(),
        at: Timestamp(booth.rooms.clock.now().0 - age_ms),
    }
}

async fn shows(booth: &Booth, showing: Showing) {
    let slot: SlotId = "1".parse().unwrap();
    booth
        .fact(Fact::SlotShowing {
            slot: slot.clone(),
            showing: showing.clone(),
        })
        .await;
    booth
        .until(|state| state.slots[&slot].showing == showing)
        .await;
}

#[tokio::test]
async fn a_slots_tile_says_its_state_in_words_while_there_is_no_picture() {
    let booth = Booth::start().await;
    let offline = get(&booth, "/tiles/slots/1.png").await;
    let (size, down) = png(&offline);
    assert_eq!(size, (320, 180));
    assert_eq!(offline.headers["cache-control"], "no-store");
    booth.worker("1").await;
    let idle = png(&get(&booth, "/tiles/slots/1.png").await).1;
    assert_ne!(down, idle);
    assert_ne!(idle, png(&get(&booth, "/tiles/slots/2.png").await).1);
    let caller = booth.caller("c1", "Bravo").await;
    shows(
        &booth,
        Showing::Armed {
            caller: caller.clone(),
        },
    )
    .await;
    let armed = png(&get(&booth, "/tiles/slots/1.png").await).1;
    shows(&booth, Showing::Caller { caller }).await;
    let on_air = png(&get(&booth, "/tiles/slots/1.png").await).1;
    // The frame's corner: green, red.
    assert!(armed[1] > 120 && armed[0] < 60, "{:?}", &armed[..3]);
    assert!(on_air[0] > 150 && on_air[1] < 60, "{:?}", &on_air[..3]);
}

#[tokio::test]
async fn a_slots_picture_is_shown_while_it_is_of_now() {
    let booth = Booth::start().await;
    booth.worker("1").await;
    let slot: SlotId = "1".parse().unwrap();
    let middle = (90 * 320 + 160) * 3;
    let words = png(&get(&booth, "/tiles/slots/1.png").await).1;
    for (age_ms, seen) in [(0, true), (60_000, false)] {
        let tile = tile(&booth, age_ms);
        booth
            .rooms
            .meters
            .update(|r| r.slot_tiles.insert(slot.clone(), tile));
        let pixels = png(&get(&booth, "/tiles/slots/1.png").await).1;
        let is_blue = pixels[middle] < 60 && pixels[middle + 2] > 180;
        assert_eq!(is_blue, seen, "{age_ms}");
        assert_eq!(pixels == words, !seen);
    }
    // What is no picture is no fault: the words stand.
    let broken = Tile {
        jpeg: Bytes::from_static(b"\xff\xd8broken"),
        at: booth.rooms.clock.now(),
    };
    booth
        .rooms
        .meters
        .update(|r| r.slot_tiles.insert(slot, broken));
    assert_eq!(png(&get(&booth, "/tiles/slots/1.png").await).1, words);
}

#[tokio::test]
async fn a_callers_tile_is_the_workers_picture_or_words() {
    let booth = Booth::start().await;
    let caller = booth.caller("c1", "Bravo").await;
    let words = get(&booth, "/tiles/callers/c1.jpg").await;
    assert_eq!(words.status, StatusCode::OK);
    assert_eq!(words.headers["content-type"], "image/jpeg");
    assert!(
        words.body.starts_with(b"\xff\xd8\xff"),
        "{:?}",
        words.body.len()
    );
    let picture = tile(&booth, 0);
    booth
        .rooms
        .meters
        .update(|r| r.caller_tiles.insert(caller, picture));
    assert_eq!(get(&booth, "/tiles/callers/c1.jpg").await.body, blue());
}

#[tokio::test]
async fn a_caller_on_air_is_what_the_output_shows() {
    let booth = Booth::start().await;
    booth.worker("1").await;
    let caller = booth.caller("c1", "Bravo").await;
    shows(&booth, Showing::Caller { caller }).await;
    let picture = tile(&booth, 0);
    let slot: SlotId = "1".parse().unwrap();
    booth
        .rooms
        .meters
        .update(|r| r.slot_tiles.insert(slot, picture));
    assert_eq!(get(&booth, "/tiles/callers/c1.jpg").await.body, blue());
    let get = v1::GetCallerTileRequest {
        name: "shows/-/callers/c1".into(),
    };
    let answer = booth.callers().get_caller_tile(admin(get)).await.unwrap();
    assert_eq!(answer.into_inner().tile.unwrap().jpeg, blue());
}

#[tokio::test]
async fn one_who_has_it_already_is_told_so_until_it_changes() {
    let booth = Booth::start().await;
    let path = "/tiles/slots/1.png";
    let first = get(&booth, path).await;
    let tag = first.headers["etag"].clone();
    let again = || {
        request(Method::GET, path)
            .header("if-none-match", format!("\"x\", {}", tag.to_str().unwrap()))
    };
    let same = ask(&booth, again(), "").await;
    assert_eq!(
        (same.status, same.body.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    assert_eq!(same.headers["etag"], tag);
    booth.worker("1").await;
    assert_eq!(ask(&booth, again(), "").await.status, StatusCode::OK);
    let head = ask(&booth, request(Method::HEAD, path), "").await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn a_tile_asks_for_what_its_rpc_asks_for() {
    let booth = Booth::start().await;
    booth.operator("vera", Role::Viewer, "vera").await;
    let as_vera = |path: &str| {
        Request::builder()
            .uri(path)
            .header("host", "booth")
            .header("authorization", "Bearer vera")
    };
    for (path, reason) in [
        ("/tiles/slots/none.png", "SLOT_NOT_FOUND"),
        ("/tiles/callers/none.jpg", "CALLER_NOT_FOUND"),
        ("/tiles/slots/1.gif", "UNKNOWN_METHOD"),
        ("/tiles/slots/..%2f1.png", "UNKNOWN_METHOD"),
        ("/tiles/callers/c1.png", "UNKNOWN_METHOD"),
        ("/tiles/", "UNKNOWN_METHOD"),
    ] {
        let bare = Request::builder().uri(path).header("host", "booth");
        let nobody = ask(&booth, bare, "").await.refusal().2;
        assert!(
            ["TOKEN_MISSING", "UNKNOWN_METHOD"].contains(&nobody.as_str()),
            "{path}: {nobody}"
        );
        assert_eq!(
            ask(&booth, as_vera(path), "").await.refusal().2,
            reason,
            "{path}"
        );
    }
    assert_eq!(
        ask(&booth, as_vera("/tiles/slots/1.png"), "").await.status,
        StatusCode::OK
    );
    let post = as_vera("/tiles/slots/1.png").method(Method::POST);
    assert_eq!(
        ask(&booth, post, "").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    booth
        .order(Command::RevokeOperator {
            id: "vera".parse().unwrap(),
        })
        .await;
    let gone = ask(&booth, as_vera("/tiles/slots/1.png"), "").await;
    assert_eq!(gone.refusal().2, "TOKEN_UNKNOWN");
}

#[tokio::test]
async fn an_operator_who_asks_without_end_waits_and_no_other_does() {
    let booth = Booth::start().await;
    booth.operator("vera", Role::Viewer, "vera").await;
    let path = "/tiles/slots/1.png";
    let limited = loop {
        let answer = get(&booth, path).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
    };
    assert_eq!(
        limited.refusal(),
        (429, "resource_exhausted".into(), "RATE_LIMITED".into())
    );
    assert_eq!(limited.headers["retry-after"], "1");
    let vera = Request::builder()
        .uri(path)
        .header("host", "booth")
        .header("authorization", "Bearer vera");
    assert_eq!(ask(&booth, vera, "").await.status, StatusCode::OK);
}
