//! What no honest client sends: a clear error, and the server goes on.

use booth_proto::v1;
use bytes::Bytes;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;

use super::roles::call;
use super::{ADMIN, Booth, admin, assert_refused, reason};

async fn assert_alive(booth: &Booth) {
    let list = v1::ListSlotsRequest {};
    booth.slots().list_slots(admin(list)).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_not_protobuf_is_an_invalid_argument() {
    let booth = Booth::start().await;
    for (path, body) in [
        (
            "/booth.v1.SlotService/TakeSlot",
            Bytes::from_static(&[0xff; 40]),
        ),
        (
            "/booth.v1.SlotService/TakeSlot",
            Bytes::from_static(b"\x0a\xff\xff\xff\xff\x0f"),
        ),
        (
            "/booth.v1.SlotService/GetSlot",
            Bytes::from_static(b"\x0a\x02\xc3\x28"),
        ),
        ("/booth.v1.WatchService/Watch", Bytes::from_static(b"\x08")),
        (
            "/booth.v1.WatchService/WatchMeters",
            Bytes::from_static(b"\x08"),
        ),
    ] {
        let status = call(&booth, path, Some(ADMIN), body).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::InvalidArgument, "MALFORMED_MESSAGE"),
            "{path}: {status:?}"
        );
    }
    assert_alive(&booth).await;
}

#[tokio::test]
async fn a_message_over_a_mebibyte_is_refused_by_its_length() {
    let booth = Booth::start().await;
    let note = |bytes: usize| {
        let text = "x".repeat(bytes);
        v1::NoteCallerRequest {
            name: "shows/main/callers/c1".into(),
            text,
            ..Default::default()
        }
    };
    let body = note(1024 * 1024).encode_to_vec().into();
    let status = call(
        &booth,
        "/booth.v1.CallerService/NoteCaller",
        Some(ADMIN),
        body,
    )
    .await
    .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        "{status:?}"
    );
    // Just below it is read, and refused for what it says.
    let status = assert_refused(
        booth
            .callers()
            .note_caller(admin(note(1024 * 1024 - 100)))
            .await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    assert_eq!(status.message(), "text: at most 2000 characters");
    assert_alive(&booth).await;
}

#[tokio::test]
async fn an_unknown_method_is_named_as_such() {
    let booth = Booth::start().await;
    for path in ["/booth.v1.SlotService/Explode", "/nope.Nope/Nope", "/"] {
        let status = call(&booth, path, Some(ADMIN), Bytes::new())
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unimplemented, "UNKNOWN_METHOD"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn bytes_of_another_protocol_end_their_own_connection_only() {
    let booth = Booth::start().await;
    let openings: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /booth.v1.SlotService/ListSlots HTTP/1.1\r\ncontent-length: nine\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for opening in openings {
        let mut connection = booth.connect();
        connection.write_all(opening).await.unwrap();
        let mut answer = Vec::new();
        // Closed by the server, with or without a word.
        let _ = connection.read_to_end(&mut answer).await;
        assert!(
            !answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        assert_alive(&booth).await;
    }
    // Cut off in the middle.
    let mut connection = booth.connect();
    connection
        .write_all(b"POST /booth.v1.SlotService/ListSlots HTTP/1.1\r\nhost")
        .await
        .unwrap();
    drop(connection);
    assert_alive(&booth).await;
}

#[tokio::test]
async fn a_plain_web_request_is_told_that_this_is_not_its_door() {
    let booth = Booth::start().await;
    let mut connection = booth.connect();
    let request = "GET /index.html HTTP/1.1\r\nhost: booth\r\nconnection: close\r\n\r\n";
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(
        answer.contains("there is nothing at /index.html"),
        "{answer}"
    );
}

#[tokio::test]
async fn names_and_messages_are_scrubbed_before_anything_sees_them() {
    let booth = Booth::start().await;
    booth.caller("c1", "Bravo").await;
    let nasty = "An\u{1b}]52;c;cm0gLXJm\u{7}na \u{202e}evil\u{2066}\n\n\tend\u{200b}";
    let invite = v1::CreateInviteRequest {
        parent: "shows/main".into(),
        display_name: nasty.into(),
        ..Default::default()
    };
    let made = booth
        .callers()
        .create_invite(admin(invite))
        .await
        .unwrap()
        .into_inner()
        .invite
        .unwrap();
    let clean = "An]52;c;cm0gLXJmna evil end";
    assert_eq!(made.display_name, clean);
    let chat = v1::ChatCallerRequest {
        name: "shows/-/callers/c1".into(),
        text: nasty.into(),
        ..Default::default()
    };
    let caller = booth
        .callers()
        .chat_caller(admin(chat))
        .await
        .unwrap()
        .into_inner()
        .caller
        .unwrap();
    assert_eq!(caller.chat[0].text, clean);
    let title = v1::SlotSettings {
        title: Some(nasty.repeat(20)),
        ..Default::default()
    };
    let update = v1::UpdateSlotRequest {
        name: "slots/1".into(),
        settings: Some(title),
        ..Default::default()
    };
    let slot = booth
        .slots()
        .update_slot(admin(update))
        .await
        .unwrap()
        .into_inner()
        .slot
        .unwrap();
    let title = slot.settings.unwrap().title.unwrap();
    assert!(
        title.chars().count() <= booth_core::NAME_MAX && !title.chars().any(char::is_control),
        "{title:?}"
    );
}

#[tokio::test]
async fn a_message_with_nothing_in_it_is_refused() {
    let booth = Booth::start().await;
    booth.caller("c1", "Bravo").await;
    for text in ["", "  \n", "\u{1b}\u{200b}\u{202e}"] {
        let name = "shows/main/callers/c1".to_owned();
        let chat = v1::ChatCallerRequest {
            name: name.clone(),
            text: text.into(),
            ..Default::default()
        };
        let status = assert_refused(
            booth.callers().chat_caller(admin(chat)).await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
        assert_eq!(status.message(), "text: say something");
        let note = v1::NoteCallerRequest {
            name,
            text: text.into(),
            ..Default::default()
        };
        assert_refused(
            booth.callers().note_caller(admin(note)).await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
    }
}

#[tokio::test]
async fn malformed_names_and_values_say_what_is_allowed() {
    let booth = Booth::start().await;
    let get = v1::GetSlotRequest {
        name: "slot/1".into(),
    };
    let status = assert_refused(
        booth.slots().get_slot(admin(get)).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    assert_eq!(
        status.message(),
        "name: \"slot/1\" is not a name like slots/1"
    );
    let hold = v1::HoldCallerRequest {
        name: "shows/main/callers/C 7".into(),
        ..Default::default()
    };
    let status = assert_refused(
        booth.callers().hold_caller(admin(hold)).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    assert!(
        status.message().starts_with("name: ") && status.message().contains("a-z"),
        "{status:?}"
    );
    let create = v1::CreateShowRequest {
        show_id: "Späti".into(),
        ..Default::default()
    };
    let status = assert_refused(
        booth.shows().create_show(admin(create)).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    assert!(status.message().starts_with("show_id: "), "{status:?}");
    let create = v1::CreateOperatorRequest {
        operator_id: "anna".into(),
        ..Default::default()
    };
    let status = assert_refused(
        booth.operators().create_operator(admin(create)).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    assert!(status.message().contains("ROLE_VIEWER"), "{status:?}");
    let take = v1::TakeSlotRequest {
        name: "slots/1".into(),
        ..Default::default()
    };
    let status = assert_refused(
        booth.slots().take_slot(admin(take)).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    assert!(status.message().starts_with("pick: "), "{status:?}");
    let release = v1::ReleaseSlotRequest {
        name: "slots/1".into(),
        disposition: 99,
        ..Default::default()
    };
    assert_refused(
        booth.slots().release_slot(admin(release)).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_a_stop_ends_the_server() {
    let booth = Booth::start().await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let server = tokio::spawn(crate::grpc::serve(
        booth.rooms.clone(),
        listener,
        None,
        stop.clone(),
    ));
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut slots = v1::slot_service_client::SlotServiceClient::new(channel);
    slots
        .list_slots(admin(v1::ListSlotsRequest {}))
        .await
        .unwrap();

    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    // The answer shows that the connection before it has been accepted.
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let later = endpoint.connect().await.unwrap();
    let mut later = v1::slot_service_client::SlotServiceClient::new(later);
    later
        .list_slots(admin(v1::ListSlotsRequest {}))
        .await
        .unwrap();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let mut answer = Vec::new();
    let _ = silent.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    // Some of the ten seconds may have passed before the pause.
    assert!(
        (5..25).contains(&begun.elapsed().as_secs()),
        "{:?}",
        begun.elapsed()
    );
    tokio::time::resume();

    stop.cancel();
    server.await.unwrap().unwrap();
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    assert!(endpoint.connect().await.is_err());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_answered_all_the_same() {
    let booth = Booth::start().await;
    let mut connection = booth.connect();
    let request = format!(
        "POST /booth.v1.SlotService/ListSlots HTTP/1.1\r\nhost: booth\r\nauthorization: Bearer {ADMIN}\r\n\
         content-type: application/grpc-web+proto\r\ncontent-length: 500\r\nconnection: close\r\n\r\n\0"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    tokio::time::pause();
    let mut answer = vec![0; 16];
    connection.read_exact(&mut answer).await.unwrap();
    let mut rest = Vec::new();
    let _ = connection.read_to_end(&mut rest).await;
    answer.extend(rest);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("grpc-status: 4"), "{answer}");
}

#[tokio::test]
async fn hostile_names_and_bytes_are_refused_by_every_method_of_channels() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    let names = [
        "channels/../../etc/passwd".to_owned(),
        "channels/radio\0".to_owned(),
        "channels/\u{1b}[2J\u{202e}".to_owned(),
        "channels/radio/destinations/\u{1b}]0;x\u{7}".to_owned(),
        format!("channels/{}", "x".repeat(900_000)),
    ];
    let mut bodies: Vec<Bytes> = names
        .into_iter()
        // Field 1 is the name, the parent or the id.
        .map(|name| v1::GetChannelRequest { name }.encode_to_vec().into())
        .collect();
    bodies.push(Bytes::from_static(&[0xff; 64]));
    // Groups that never end, and settings longer than the message.
    bodies.push(Bytes::from_static(&[0x0b; 512]));
    bodies.push(Bytes::from_static(b"\x12\xff\xff\xff\x7f"));
    let methods = crate::grpc::auth::TABLE.iter().map(|(path, _)| *path);
    let methods: Vec<_> = methods
        .filter(|path| path.contains(".ChannelService/") || path.contains(".DestinationService/"))
        .collect();
    assert_eq!(methods.len(), 21);
    for path in methods {
        // It takes nothing.
        if path.ends_with("/ListChannels") {
            continue;
        }
        for body in &bodies {
            let status = call(&booth, path, Some(ADMIN), body.clone()).await;
            let status = status.expect_err(path);
            assert_eq!(status.code(), Code::InvalidArgument, "{path}: {status:?}");
            let text = status.message();
            assert!(
                text.len() < 400 && !text.contains(char::is_control) && !text.contains('\u{202e}'),
                "{path}: {text:?}"
            );
        }
    }
    assert_eq!(booth.rooms.board.state().channels.len(), 1);
    assert_alive(&booth).await;
}

#[tokio::test]
async fn numbers_beyond_all_bounds_are_refused_with_their_field() {
    let booth = Booth::start().await;
    booth.new_channel_key("radio").await;
    let max = Some(u32::MAX);
    let policy = |policy| v1::ChannelSettings {
        policy: Some(policy),
        ..Default::default()
    };
    macro_rules! settings {
        ($($field:ident),*) => { [$(v1::ChannelSettings { $field: max, ..Default::default() }),*] };
    }
    macro_rules! policies {
        ($($field:ident),*) => { [$(policy(v1::FailoverPolicy { $field: max, ..Default::default() })),*] };
    }
    let cases = settings!(
        width,
        height,
        fps,
        video_bitrate_kbps,
        audio_bitrate_kbps,
        monitor_port
    );
    let policies = policies!(
        stable_ms,
        lost_ms,
        delay_ms,
        stable_max_ms,
        frozen_ms,
        black_ms,
        silent_ms,
        takeover_ms,
        fade_ms,
        alert_backup_ms,
        alert_destination_ms
    );
    for settings in cases.into_iter().chain(policies) {
        let status = assert_refused(
            booth
                .channels()
                .update_channel(admin(super::channels::update("radio", settings)))
                .await,
            Code::InvalidArgument,
            "INVALID_ARGUMENT",
        );
        assert!(status.message().starts_with("settings."), "{status:?}");
    }
}
