use super::*;

fn load(file: Option<&str>, env: &[(&str, &str)], sets: &[&str]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("booth.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    Config::load(
        file.map(|_| path.as_path()),
        env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        &sets.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(),
    )
    .map_err(|e| e.to_string())
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let file = "[grpc]\nlisten = \"127.0.0.1:1\"\n[rtc]\nudp_ports = \"1000-1001\"\n";
    let env = [
        ("BOOTH_GRPC_LISTEN", "127.0.0.1:2"),
        ("BOOTH_RTC_UDP_PORTS", "2000-2001"),
        ("BOOTH_SERVER", "x"),
    ];
    let config = load(
        Some(file),
        &env,
        &["grpc.listen=127.0.0.1:3", "slots.first_port=9500"],
    )
    .unwrap();
    assert_eq!(config.grpc.listen.port(), 3);
    assert_eq!(config.rtc.udp_range(), Ok((2000, 2001)));
    assert_eq!(config.slots.first_port, 9500);
    assert_eq!(config.http.listen.port(), 8080);
}

#[test]
fn an_error_names_file_line_key_and_what_is_allowed() {
    let error = load(Some("[grpc]\n\nlisen = \"127.0.0.1:1\"\n"), &[], &[]).unwrap_err();
    for part in ["booth.toml", "line 3", "lisen", "listen"] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
}

/// The keys of a table, as serde lists them when it meets one that it does not know.
fn keys(table: &str) -> Vec<String> {
    let error = load(Some(&format!("[{table}]\nno-such-key = 1\n")), &[], &[]).unwrap_err();
    let (_, expected) = error.split_once("expected").expect("what is allowed");
    let names = expected.split('`').skip(1).step_by(2);
    names.map(|name| format!("{table}.{name}")).collect()
}

#[test]
fn the_page_of_settings_names_every_key_and_no_other() {
    let page = include_str!("../../docs/settings.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let known: Vec<String> = TABLES.iter().flat_map(|table| keys(table)).collect();
    assert!(known.len() > 20, "{known:?}");
    assert_eq!(documented, known);
}

#[test]
fn an_overlay_error_names_where_it_came_from() {
    let error = load(None, &[("BOOTH_GRPC_PORT", "1")], &[]).unwrap_err();
    assert!(
        error.contains("BOOTH_GRPC_PORT") && error.contains("listen"),
        "{error}"
    );
    let error = load(None, &[], &["rtc.max_sessions=lots"]).unwrap_err();
    assert!(error.contains("rtc.max_sessions=lots"), "{error}");
    let error = load(None, &[], &["nonsense"]).unwrap_err();
    assert!(error.contains("key=value"), "{error}");
    let error = load(None, &[], &["rtc.udp_ports=9-1"]).unwrap_err();
    assert!(error.contains("rtc.udp_ports"), "{error}");
    let error = load(None, &[], &["rtmp.listen=here"]).unwrap_err();
    assert!(
        error.contains("rtmp.listen=here") && error.contains("1935"),
        "{error}"
    );
}

#[test]
fn rtmp_is_switched_off_by_an_empty_address_and_rtmps_needs_a_certificate() {
    let config = load(None, &[], &[]).unwrap();
    assert_eq!(config.rtmp.listen.unwrap().port(), 1935);
    assert!(config.takes_rtmp());
    let config = load(None, &[("BOOTH_RTMP_LISTEN", "")], &[]).unwrap();
    assert!(!config.takes_rtmp());
    let error = load(None, &[], &["rtmp.tls_listen=0.0.0.0:1936"]).unwrap_err();
    assert!(error.contains("rtmp.tls_cert"), "{error}");
    let tls = [
        "rtmp.tls_listen=0.0.0.0:1936",
        "http.tls_cert=door.pem",
        "http.tls_key=door.key",
    ];
    // Laid over one by one: the pair is looked at when all are there.
    let config = load(None, &[], &tls).unwrap();
    assert_eq!(
        config.rtmp_tls(),
        Some((Path::new("door.pem"), Path::new("door.key")))
    );
}
