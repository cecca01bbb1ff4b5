//! WHIP by RFC 9725, and what is not an offer.

use std::time::Duration;

use booth_core::{CallerId, Command};
use http::Method;

use super::{SDP, offer, refused};
use crate::http::testing::{PATIENCE, Site, config, publish};

#[tokio::test(flavor = "multi_thread")]
async fn whip_answers_as_rfc_9725_says() {
    let mut config = config();
    config.rtc.ice_servers = vec![crate::config::IceServer {
        urls: vec!["stun:stun.example.org:3478".into()],
        username: None,
        credential_file: None,
        auth_secret_file: None,
    }];
    let site = Site::with(config, None).await;
    let (caller, rejoin) = site.join(&site.invite(None).await, "Ann").await;
    let (publisher, offer) = offer().await;
    let reply = site.whip(&rejoin, &offer).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("content-type"), Some("application/sdp"));
    assert_eq!(reply.header("booth-caller"), Some(caller.as_str()));
    assert_eq!(reply.header("booth-rejoin"), None);
    assert_eq!(
        reply.header("link"),
        Some("<stun:stun.example.org:3478>; rel=\"ice-server\"")
    );
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    let answer = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(answer.contains("a=candidate:") && answer.contains("a=end-of-candidates"));
    assert!(
        answer.contains("a=sendrecv"),
        "the return track is there from the start"
    );
    let session = reply.header("location").unwrap().to_owned();
    assert!(
        session.strip_prefix("/whip/sessions/").unwrap().len() >= 43,
        "{session}"
    );
    let etag = reply.header("etag").unwrap().to_owned();

    let fragment = ("content-type", "application/trickle-ice-sdpfrag");
    let body = "a=ice-ufrag:x\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 4000 typ host\r\n";
    let patch = |headers: Vec<(&'static str, String)>, body: &'static str| {
        let (web, session) = (site.web.clone(), session.clone());
        async move {
            let headers: Vec<_> = headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
            web.request(Method::PATCH, &session, &headers, body)
                .await
                .unwrap()
        }
    };
    let kind = (fragment.0, fragment.1.to_owned());
    refused(&patch(vec![kind.clone()], body).await, 428, "BAD_REQUEST");
    refused(
        &patch(vec![kind.clone(), ("if-match", "\"other\"".into())], body).await,
        412,
        "BAD_REQUEST",
    );
    refused(
        &patch(
            vec![(SDP.0, SDP.1.into()), ("if-match", etag.clone())],
            body,
        )
        .await,
        415,
        "BAD_REQUEST",
    );
    refused(
        &patch(vec![kind.clone(), ("if-match", etag.clone())], "nonsense").await,
        400,
        "BAD_REQUEST",
    );
    assert_eq!(
        patch(vec![kind.clone(), ("if-match", etag.clone())], body)
            .await
            .status,
        204
    );

    let options = site
        .web
        .request(Method::OPTIONS, &session, &[], "")
        .await
        .unwrap();
    assert_eq!(options.status, 204);
    assert_eq!(options.header("accept-post"), Some("application/sdp"));
    assert!(
        options
            .header("access-control-allow-methods")
            .unwrap()
            .contains("PATCH")
    );
    assert!(
        options
            .header("access-control-allow-headers")
            .unwrap()
            .contains("authorization")
    );

    let delete = site
        .web
        .request(Method::DELETE, &session, &[], "")
        .await
        .unwrap();
    assert_eq!(delete.status, 200);
    let again = site
        .web
        .request(Method::DELETE, &session, &[], "")
        .await
        .unwrap();
    refused(&again, 404, "NOT_FOUND");
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ice_restart_gets_new_credentials_and_a_new_etag() {
    let site = Site::start().await;
    let (caller, rejoin) = site.join(&site.invite(None).await, "Ann").await;
    let (publisher, session) = publish(&site, &rejoin, true, None).await;
    let body = "a=ice-ufrag:newufrag\r\na=ice-pwd:newpasswordnewpasswordnew\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n";
    let kind = ("content-type", "application/trickle-ice-sdpfrag");
    let reply = site
        .web
        .request(Method::PATCH, &session, &[kind, ("if-match", "*")], body)
        .await
        .unwrap();
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    assert_eq!(reply.header("content-type"), Some(kind.1));
    let fragment = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(
        fragment.contains("a=ice-ufrag:") && fragment.contains("a=candidate:"),
        "{fragment}"
    );
    let etag = reply.header("etag").unwrap().to_owned();
    let candidate =
        "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 4000 typ host\r\n";
    let reply = site
        .web
        .request(
            Method::PATCH,
            &session,
            &[kind, ("if-match", &etag)],
            candidate,
        )
        .await
        .unwrap();
    assert_eq!(reply.status, 204, "{:?}", reply.body);
    assert!(site.rooms.board.state().callers.contains_key(&caller));
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whip_refuses_what_is_not_an_offer_and_who_is_not_let_in() {
    let site = Site::start().await;
    let (_, rejoin) = site.join(&site.invite(None).await, "Ann").await;
    let bearer = format!("Bearer {rejoin}");
    let auth = ("authorization", bearer.as_str());
    let path = "/whip/shows/main";
    let (publisher, offer) = offer().await;
    let without = site.post(path, &[SDP], offer.clone()).await;
    refused(&without, 401, "INVITE_UNKNOWN");
    assert_eq!(without.header("www-authenticate"), Some("Bearer"));
    refused(&site.whip("wrong", &offer).await, 401, "INVITE_UNKNOWN");
    refused(
        &site
            .post(path, &[auth, ("content-type", "text/plain")], offer.clone())
            .await,
        415,
        "BAD_REQUEST",
    );
    refused(
        &site
            .post("/whip/shows/other", &[auth, SDP], offer.clone())
            .await,
        409,
        "CALLER_OTHER_SHOW",
    );
    refused(&site.whip(&rejoin, "hello").await, 400, "BAD_REQUEST");
    refused(
        &site.whip(&rejoin, &"v=0\r\n".repeat(20_000)).await,
        413,
        "BAD_REQUEST",
    );
    let many = format!("{offer}{}", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(9));
    refused(&site.whip(&rejoin, &many).await, 400, "BAD_REQUEST");
    // Mangled offers: a clear error or an answer, never a hang, and the server goes on.
    for cut in [200, 400, 700, 1_000, 1_300, 1_700] {
        let reply = site.whip(&rejoin, &offer[..cut.min(offer.len())]).await;
        assert!(
            reply.status.is_client_error() || reply.status == 201,
            "{:?}",
            reply.body
        );
    }
    for (from, to) in [
        ("a=fingerprint", "a=nothing"),
        ("opus/48000", "opus/4x000"),
        ("a=ice-pwd", "a=ice-pw"),
        ("a=mid:", "a=mod:"),
    ] {
        let reply = site.whip(&rejoin, &offer.replace(from, to)).await;
        assert!(
            reply.status.is_client_error() || reply.status == 201,
            "{from}: {:?}",
            reply.body
        );
    }
    assert_eq!(site.whip(&rejoin, &offer).await.status, 201);
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_without_candidates_is_answered_as_obs_needs_it() {
    let site = Site::start().await;
    let (_, rejoin) = site.join(&site.invite(None).await, "Ann").await;
    let (publisher, offer) = offer().await;
    let bare: String = offer
        .lines()
        .filter(|line| !line.starts_with("a=candidate") && *line != "a=end-of-candidates")
        .map(|line| format!("{line}\r\n"))
        .collect();
    // ffmpeg's muxer is the passive side.
    for offer in [
        bare.clone(),
        bare.replace("a=setup:actpass", "a=setup:passive"),
    ] {
        let reply = site.whip(&rejoin, &offer).await;
        assert_eq!(reply.status, 201, "{:?}", reply.body);
        assert!(reply.header("location").is_some());
        let answer = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(answer.contains("a=setup:active"), "{answer}");
    }
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_opens_the_whip_door_directly_and_a_new_session_replaces_the_old() {
    let site = Site::start().await;
    let invite = site.invite(Some(1)).await;
    let (publisher, offer) = offer().await;
    let bearer = format!("Bearer {invite}");
    let headers = [("authorization", bearer.as_str()), SDP];
    let reply = site
        .post(
            "/whip/shows/main?name=Bob%20%E2%80%AE&topic=Trees",
            &headers,
            offer.clone(),
        )
        .await;
    assert_eq!(reply.status, 201, "{:?}", reply.body);
    let caller = CallerId::new(reply.header("booth-caller").unwrap()).unwrap();
    let rejoin = reply.header("booth-rejoin").unwrap().to_owned();
    let first = reply.header("location").unwrap().to_owned();
    let known = site.rooms.board.state().callers[&caller].clone();
    // Bidirectional controls are scrubbed at the edge.
    assert_eq!(
        (known.name.as_str(), known.topic.as_str()),
        ("Bob", "Trees")
    );
    let second = site.whip(&rejoin, &offer).await;
    assert_eq!(second.status, 201);
    let gone = site
        .web
        .request(Method::DELETE, &first, &[], "")
        .await
        .unwrap();
    assert_eq!(gone.status, 404);
    refused(&site.whip(&invite, &offer).await, 401, "INVITE_USED_UP");
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_says_so_and_keeps_who_is_there() {
    let mut config = config();
    config.rtc.max_sessions = 1;
    let site = Site::with(config, None).await;
    let invite = site.invite(None).await;
    let (_, ann) = site.join(&invite, "Ann").await;
    let (_, bob) = site.join(&invite, "Bob").await;
    let (publisher, offer) = offer().await;
    assert_eq!(site.whip(&ann, &offer).await.status, 201);
    let full = site.whip(&bob, &offer).await;
    refused(&full, 503, "SERVER_FULL");
    assert!(full.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    // Coming back takes the caller's own place.
    assert_eq!(site.whip(&ann, &offer).await.status, 201);
    site.sessions(1).await;
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_not_used_by_a_full_server_or_an_offer_that_cannot_be_answered() {
    let mut config = config();
    config.rtc.max_sessions = 1;
    let site = Site::with(config, None).await;
    let (_, ann) = site.join(&site.invite(None).await, "Ann").await;
    let invite = site.invite(Some(1)).await;
    let (publisher, offer) = offer().await;
    let first = site.whip(&ann, &offer).await;
    assert_eq!(first.status, 201);
    refused(&site.whip(&invite, &offer).await, 503, "SERVER_FULL");
    let gone = site
        .web
        .request(Method::DELETE, first.header("location").unwrap(), &[], "")
        .await
        .unwrap();
    assert_eq!(gone.status, 200);
    // It looks like an offer, and the stack takes it for none.
    let bad = offer.replace("a=fingerprint:", "a=no-fingerprint:");
    refused(&site.whip(&invite, &bad).await, 400, "BAD_REQUEST");
    assert_eq!(site.rooms.board.state().callers.len(), 1);
    assert_eq!(site.whip(&invite, &offer).await.status, 201);
    refused(&site.whip(&invite, &offer).await, 503, "SERVER_FULL");
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_answered_for_an_invite_that_is_used_up_holds_nothing() {
    let site = Site::start().await;
    let invite = site.invite(Some(1)).await;
    site.join(&invite, "Ann").await;
    let (publisher, offer) = offer().await;
    refused(&site.whip(&invite, &offer).await, 401, "INVITE_USED_UP");
    let free = async {
        while site.rtc.count() > 0 || !site.rtc.ports_used().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.unwrap();
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_closes_when_the_call_ends() {
    let site = Site::start().await;
    let (caller, rejoin) = site.join(&site.invite(None).await, "Ann").await;
    let (publisher, session) = publish(&site, &rejoin, true, None).await;
    site.system(Command::Drop { id: caller.clone() }).await;
    let mut wants = site.rtc.wants();
    site.sessions(0).await;
    assert!(!wants.borrow_and_update().contains_key(&caller));
    let gone = site
        .web
        .request(Method::DELETE, &session, &[], "")
        .await
        .unwrap();
    assert_eq!(gone.status, 404);
    let (other, offer) = offer().await;
    refused(&site.whip(&rejoin, &offer).await, 409, "CALLER_ENDED");
    publisher.close().await;
    other.close().await;
}
