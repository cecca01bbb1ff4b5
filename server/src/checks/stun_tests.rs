use super::super::Verdict;
use super::*;

/// A TURN server as far as an allocation goes: it asks for a login, and takes the one it knows.
async fn relay(password: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let mut request = decoded(&buffer[..length]).unwrap();
            let class = rtc_stun::message::CLASS_SUCCESS_RESPONSE;
            let mut answer = message(MessageType::new(request.typ.method, class)).unwrap();
            let signed = request.contains(rtc_stun::attributes::ATTR_MESSAGE_INTEGRITY);
            let provider = rtc_crypto::default_provider().unwrap();
            let right = signed && {
                let key = MessageIntegrity::long_term_integrity_key(
                    "doctor".into(),
                    "studio".into(),
                    password.into(),
                    provider.crypto(),
                );
                MessageIntegrity::check(&mut request, &key.unwrap(), provider.crypto()).is_ok()
            };
            if right {
                let relayed = XorMappedAddress {
                    ip: "203.0.113.9".parse().unwrap(),
                    port: 49_152,
                };
                answer.transaction_id = request.transaction_id;
                answer.write_transaction_id();
                relayed
                    .add_to_as(&mut answer, ATTR_XOR_RELAYED_ADDRESS)
                    .unwrap();
            } else {
                let kind = MessageType::new(request.typ.method, CLASS_ERROR_RESPONSE);
                answer = message(kind).unwrap();
                answer.transaction_id = request.transaction_id;
                answer.write_transaction_id();
                let error = ErrorCodeAttribute {
                    code: rtc_stun::error_code::ErrorCode(401),
                    reason: b"Unauthorized".to_vec(),
                };
                error.add_to(&mut answer).unwrap();
                for (attribute, text) in [(ATTR_REALM, "studio"), (ATTR_NONCE, "n0nce")] {
                    TextAttribute::new(attribute, text.into())
                        .add_to(&mut answer)
                        .unwrap();
                }
            }
            socket.send_to(&answer.raw, from).await.unwrap();
        }
    });
    address
}

fn server(address: SocketAddr, password: Option<&str>) -> Server {
    let url = format!("turn:{address}?transport=udp");
    Server {
        place: place(&url).unwrap(),
        url,
        username: password.map(|_| "doctor".into()),
        credential: password.map(str::to_owned),
    }
}

#[tokio::test]
async fn a_relay_address_is_allocated_with_the_right_password_only() {
    let address = relay("open sesame").await;
    let relayed = allocated(&server(address, Some("open sesame"))).await;
    assert_eq!(relayed.unwrap().to_string(), "203.0.113.9:49152");
    let wrong = allocated(&server(address, Some("abracadabra"))).await;
    assert!(
        wrong
            .unwrap_err()
            .contains("refuses the name and the password")
    );
    let none = allocated(&server(address, None)).await;
    assert!(none.unwrap_err().contains("none is set"));
}

#[tokio::test]
async fn a_stun_server_tells_the_address_it_sees() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move { answer_binding(&socket).await });
    let seen = mapped(&place(&format!("stun:{address}")).unwrap())
        .await
        .unwrap();
    assert_eq!(seen.ip(), address.ip());
}

#[tokio::test]
async fn a_server_that_is_not_there_or_speaks_something_else_is_no_crash() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let lost = mapped(&place(&format!("stun:{address}")).unwrap()).await;
    assert_eq!(lost.unwrap_err(), "no answer");
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = other.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n................")
            .await
            .unwrap();
    });
    let nonsense = mapped(&place(&format!("stun:{address}?transport=tcp")).unwrap()).await;
    assert!(nonsense.is_err());
}

#[test]
fn addresses_are_read_as_browsers_read_them() {
    let read = |url: &str| place(url).map(|p| (p.relay, p.host, p.port, p.way));
    assert_eq!(
        read("stun:a.example"),
        Some((false, "a.example".into(), 3_478, Way::Udp))
    );
    assert_eq!(
        read("turn:a.example:99?transport=tcp"),
        Some((true, "a.example".into(), 99, Way::Tcp))
    );
    assert_eq!(
        read("turns:[::1]"),
        Some((true, "::1".into(), 5_349, Way::Tls))
    );
    for url in ["", "http://a", "turn:", "turn:a:b", "turn:a?transport=sctp"] {
        assert_eq!(read(url), None, "{url}");
    }
}

#[test]
fn another_address_than_the_one_set_is_told() {
    let seen = || Ok("203.0.113.7:5000".parse().unwrap());
    let at = |ip: &str| Some(ip.parse().unwrap());
    assert_eq!(seen_as(seen(), at("203.0.113.7")).verdict, Verdict::Ok);
    let other = seen_as(seen(), at("203.0.113.8"));
    assert_eq!(other.verdict, Verdict::Failed);
    assert_eq!(other.mend, "set rtc.public_ip=203.0.113.7");
    assert_eq!(seen_as(seen(), None).verdict, Verdict::Warning);
    assert_eq!(
        seen_as(Err("no answer".into()), None).verdict,
        Verdict::Failed
    );
}
