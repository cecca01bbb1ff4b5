use super::*;

const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:old\r\na=ice-pwd:oldpassword\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=extmap:3/sendonly urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on\r\na=sendrecv\r\na=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host\r\na=candidate:2 1 udp 2122260223 7f3a.local 50001 typ host\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\n";

#[test]
fn an_offer_keeps_its_lines_but_not_candidates_that_are_names() {
    let checked = check(OFFER.as_bytes()).unwrap();
    assert!(checked.sdp.contains("192.0.2.7"));
    assert!(!checked.sdp.contains(".local"));
    assert!(checked.audio);
    // Port 0 is a refused m-line.
    assert!(!checked.video);
}

#[test]
fn limits_are_held_before_the_parser_sees_anything() {
    assert_eq!(check(&vec![b'a'; SDP_MAX + 1]), Err(SdpError::TooLarge));
    assert_eq!(
        check(b"hello"),
        Err(SdpError::NotSdp("it does not begin with v=0"))
    );
    assert!(matches!(check(&[0xff, 0xfe]), Err(SdpError::NotSdp(_))));
    let many = format!("{OFFER}{}", "m=audio 9 RTP 0\r\n".repeat(7));
    assert_eq!(check(many.as_bytes()), Err(SdpError::TooManyMedia));
    let many = format!(
        "{OFFER}{}",
        "a=candidate:1 1 udp 1 192.0.2.7 1 typ host\r\n".repeat(31)
    );
    assert_eq!(check(many.as_bytes()), Err(SdpError::TooManyCandidates));
    let silent = OFFER.replace("a=sendrecv", "a=recvonly");
    assert_eq!(check(silent.as_bytes()), Err(SdpError::Nothing));
}

#[test]
fn an_extension_is_found_in_its_own_section() {
    assert_eq!(extension_id(OFFER, "audio", AUDIO_LEVEL_URI), Some(3));
    assert_eq!(extension_id(OFFER, "video", AUDIO_LEVEL_URI), None);
}

#[test]
fn the_public_address_stands_before_each_host_candidate() {
    let out = with_public_address(OFFER, Some("203.0.113.9".parse().unwrap()));
    let at = |s: &str| out.find(s).unwrap();
    assert!(at("203.0.113.9 50000 typ host") < at("192.0.2.7 50000 typ host"));
    assert_eq!(out.matches("203.0.113.9").count(), 1);
    let six = with_public_address(OFFER, Some("2001:db8::9".parse().unwrap()));
    assert!(!six.contains("2001:db8::9"));
}

#[test]
fn a_fragment_gives_credentials_and_candidates_by_mid() {
    let body = "a=ice-ufrag:new\r\na=ice-pwd:newpassword\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:9 1 udp 1 198.51.100.1 4000 typ host\r\na=candidate:9 1 udp 1 x.local 4000 typ host\r\na=end-of-candidates\r\n";
    let fragment = fragment(body.as_bytes()).unwrap();
    assert_eq!(fragment.candidates.len(), 1);
    let offer = with_credentials(OFFER, &fragment);
    assert!(offer.contains("a=ice-ufrag:new\r\n") && !offer.contains("oldpassword"));
    assert!(offer.contains("198.51.100.1") && !offer.contains("192.0.2.7"));
    assert!(super::fragment(b"nonsense").is_err());
}

#[test]
fn no_mangled_offer_gets_past_the_limits_or_panics() {
    // A small deterministic generator: the same cases in every run.
    let mut x: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    };
    for _ in 0..5_000 {
        let mut bytes = OFFER.as_bytes().to_vec();
        for _ in 0..(next() % 12) {
            let at = usize::try_from(next()).unwrap_or(0) % bytes.len();
            match next() % 3 {
                0 => bytes[at] = (next() & 0xff) as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, (next() & 0xff) as u8),
            }
        }
        if let Ok(checked) = check(&bytes) {
            assert!(checked.sdp.matches("\nm=").count() <= M_LINES_MAX);
        }
        let _ = fragment(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = extension_id(&text, "audio", AUDIO_LEVEL_URI);
        let _ = with_public_address(&text, Some("203.0.113.9".parse().unwrap()));
    }
}
