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
fn keys(table: &str, before: &str) -> Vec<String> {
    let file = format!("{before}no-such-key = 1\n");
    let error = load(Some(&file), &[], &[]).unwrap_err();
    let (_, expected) = error.split_once("expected").expect("what is allowed");
    let names = expected.split('`').skip(1).step_by(2);
    names.map(|name| format!("{table}.{name}")).collect()
}

#[test]
fn the_page_of_settings_is_the_one_that_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = written.split_once("<!-- keys -->\n").expect("the marker");
    let (_, after) = rest.split_once("<!-- /keys -->").expect("the end marker");
    let wanted = format!(
        "{before}<!-- keys -->\n\n{}\n<!-- /keys -->{after}",
        reference::page()
    );
    if std::env::var_os("BOOTH_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        written, wanted,
        "docs/settings.md is out of date: run this test once with BOOTH_UPDATE_DOCS=1"
    );
}

/// By what serde reads, not by the declarations that the page is made from.
#[test]
fn every_key_that_is_read_has_its_row_and_no_other() {
    let page = reference::page();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let tables = keys("", "").into_iter();
    let mut known: Vec<String> = tables
        .flat_map(|table| keys(&table[1..], &format!("[{}]\n", &table[1..])))
        .collect();
    let at = known.iter().position(|key| key == "rtc.ice_servers");
    let inside = keys("rtc.ice_servers[]", "[[rtc.ice_servers]]\n");
    known.splice(at.unwrap() + 1..at.unwrap() + 1, inside);
    assert!(known.len() > 20, "{known:?}");
    assert_eq!(documented, known);
}

/// A default that the reference shows is the one that holds when it is left out, and the one that holds when it is given.
#[test]
fn the_defaults_of_the_reference_are_those_of_an_empty_configuration() {
    let empty = load(Some(""), &[], &[]).unwrap();
    let shown = |config: &Config| {
        let settings = config.settings().into_iter();
        settings.map(|s| (s.key, s.value)).collect::<Vec<_>>()
    };
    let given: Vec<String> = shown(&Config::default())
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", value?)))
        .collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    assert_eq!(shown(&load(None, &[], &given).unwrap()), shown(&empty));
    let mut out = Vec::new();
    for setting in Config::default().settings() {
        assert_eq!(setting.refused(), None, "{}", setting.key);
        assert!(setting.help.ends_with('.'), "{}", setting.key);
        out.extend(
            setting
                .range
                .map(|(low, high)| (setting.key.clone(), low, high)),
        );
    }
    assert!(out.len() >= 4, "{out:?}");
    for (key, low, high) in out {
        for beyond in [low - 1, high + 1] {
            let error = load(None, &[], &[&format!("{key}={beyond}")]).unwrap_err();
            let limits = error.contains(&key) && error.contains(&format!("from {low} to {high}"));
            // Below a port's range there is none to be read at all.
            assert!(limits, "{key}={beyond}: {error}");
        }
    }
}

#[test]
fn the_reference_on_a_terminal_finds_a_key_by_a_word() {
    let all = reference::text("");
    for setting in Config::default().settings() {
        assert!(all.contains(&setting.key) && all.contains(&setting.variable()));
    }
    let found = reference::text("CORS");
    assert!(found.starts_with("grpc.cors_origins  (list of origins; default: none)\n"));
    assert!(found.ends_with("    BOOTH_GRPC_CORS_ORIGINS\n"), "{found}");
    assert_eq!(reference::text("no such thing"), "");
}

#[test]
fn a_list_is_given_as_words_between_commas_or_as_toml() {
    let (one, two) = ("https://a", "https://b");
    let origins = |env: &[(&str, &str)], sets: &[&str]| {
        let config = load(None, env, sets).unwrap();
        config.grpc.cors_origins
    };
    let name = "BOOTH_GRPC_CORS_ORIGINS";
    assert_eq!(origins(&[], &["grpc.cors_origins=https://a"]), [one]);
    assert_eq!(origins(&[(name, "https://a, https://b")], &[]), [one, two]);
    assert_eq!(origins(&[(name, "[\"https://a\"]")], &[]), [one]);
    assert_eq!(origins(&[(name, "\"https://a\"")], &[]), [one]);
    for known in ["*", "null"] {
        assert_eq!(origins(&[(name, known)], &[]), [known]);
    }
    assert!(origins(&[(name, "https://a")], &["grpc.cors_origins="]).is_empty());
    let config = load(None, &[], &["http.trusted_proxies=10.0.0.1,::1"]).unwrap();
    assert_eq!(config.http.trusted_proxies.len(), 2);
    // A text that has a comma is no list.
    let config = load(None, &[], &["log.filter=info,boothd=debug"]).unwrap();
    assert_eq!(config.log.filter, "info,boothd=debug");
}

#[test]
fn a_wrong_list_names_its_key_and_what_is_allowed() {
    for (given, parts) in [
        (
            "http.trusted_proxies=10.0.0.1,here",
            ["http.trusted_proxies", "list of IP addresses"],
        ),
        (
            "grpc.cors_origins=panel.example",
            ["grpc.cors_origins", "https://panel.example nor *"],
        ),
        (
            "grpc.cors_origins=https://a/",
            ["grpc.cors_origins", "https://panel.example nor *"],
        ),
        // As the shell leaves what was quoted.
        (
            "grpc.cors_origins=[https://a]",
            ["grpc.cors_origins", "list of origins"],
        ),
        (
            "grpc.cors_origins=\"https://a\",\"https://b\"",
            ["grpc.cors_origins", "list of origins"],
        ),
        (
            "grpc.cors_origins=[1]",
            ["grpc.cors_origins", "list of origins"],
        ),
        (
            "rtc.ice_servers=stun:a",
            ["rtc.ice_servers", "tables in TOML"],
        ),
        ("rtc.ice_servers=[{}]", ["rtc.ice_servers", "urls"]),
        ("data.ledger=tape", ["data.ledger", "disk or memory"]),
    ] {
        let error = load(None, &[], &[given]).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{given}: {error}");
        }
    }
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
