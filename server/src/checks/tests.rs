use super::*;
use crate::server::{LedgerStatus, UnitStatus};

#[test]
fn checks_are_named_in_their_order_and_an_unknown_one_is_named_back() {
    assert_eq!(named(&[]).unwrap(), SERVER);
    let some = ["disk".to_owned(), "listeners".to_owned()];
    assert_eq!(named(&some).unwrap(), ["listeners", "disk"]);
    assert_eq!(named(&["disk".into(), "luck".into()]), Err("luck".into()));
}

/// Both ways: every check has its entry, and no entry is about a check that is gone.
#[test]
fn every_check_has_its_entry_in_the_troubleshooting_page() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/troubleshooting.md");
    let page = std::fs::read_to_string(page).unwrap();
    let entries: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let known: Vec<&str> = booth_proto::checks::CLIENT
        .into_iter()
        .chain(SERVER)
        .collect();
    assert_eq!(entries, known);
}

#[test]
fn a_worker_that_was_restarted_warns_and_one_that_is_away_fails() {
    let well = UnitStatus {
        name: "slot-1".into(),
        attached: true,
        ..UnitStatus::default()
    };
    assert_eq!(
        site::workers(std::slice::from_ref(&well))[0].verdict,
        Verdict::Ok
    );
    let restarted = UnitStatus {
        restarts: 2,
        last_error: "exit status 3".into(),
        ..well.clone()
    };
    let away = UnitStatus {
        attached: false,
        name: "slot-2".into(),
        ..restarted.clone()
    };
    let found = site::workers(&[well, restarted, away]);
    let told: Vec<_> = found
        .iter()
        .map(|f| (f.subject.as_str(), f.verdict))
        .collect();
    assert_eq!(
        told,
        [
            ("units/slot-1", Verdict::Warning),
            ("units/slot-2", Verdict::Failed)
        ]
    );
    assert!(found[0].text.contains("exit status 3"));
}

#[test]
fn a_ledger_that_cannot_write_fails_and_what_it_repaired_warns() {
    let ledger = LedgerStatus {
        writable: false,
        problem: "No space left on device".into(),
        findings: vec!["a torn record was cut off".into()],
        ..LedgerStatus::default()
    };
    let found = site::ledger(&ledger);
    assert_eq!(found[0].verdict, Verdict::Failed);
    assert!(found[0].text.contains("No space left"));
    assert_eq!(found[1].verdict, Verdict::Warning);
}
