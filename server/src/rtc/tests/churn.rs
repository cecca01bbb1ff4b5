//! What sessions leave behind: nothing.

use std::time::Duration;

use booth_core::{CallerId, Command};
use booth_proto::worker::Codec;

use super::{session_of, talk};
use crate::demo::publisher::Publisher;
use crate::http::testing::{LOCAL, PATIENCE, Site, publish};

/// The environment variable by which the test below calls itself in a process of its own: descriptors are counted for a
/// whole process.
const ALONE: &str = "BOOTH_TEST_CHURN";
const CYCLES: usize = 240;
/// Connections of the last requests may still be closing; a leak would be one or more for each call.
const SLACK: usize = 8;

#[test]
fn descriptors_stay_flat_over_240_calls_that_join_and_die() {
    alone(
        "descriptors_stay_flat_over_240_calls_that_join_and_die",
        churn(),
    );
}

#[test]
fn clients_that_leave_while_their_offer_is_answered_leave_no_descriptor() {
    alone(
        "clients_that_leave_while_their_offer_is_answered_leave_no_descriptor",
        leavers(),
    );
}

/// Runs the test in a process of its own.
fn alone(name: &str, test: impl Future<Output = ()>) {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(3)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test);
        return;
    }
    let name = format!("rtc::tests::churn::{name}");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn churn() {
    let site = Site::start().await;
    let invite = site.invite(None).await;
    let mut people = Vec::new();
    for i in 0..8 {
        people.push(site.join(&invite, &format!("caller {i}")).await);
    }
    // Once round first, so that everything that is made once is there.
    round(&site, &people, 16).await;
    let before = descriptors();
    round(&site, &people, CYCLES).await;
    for (id, _) in people {
        site.system(Command::Drop { id }).await;
    }
    settled(&site).await;
    let after = descriptors();
    assert!(
        after <= before + SLACK,
        "{before} descriptors before, {after} after {CYCLES} calls"
    );
    assert!(site.rooms.hub.is_empty());
}

/// Until nobody has a session or a port.
async fn settled(site: &Site) {
    let settled = async {
        while site.rtc.count() > 0 || !site.rtc.ports_used().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled)
        .await
        .expect("sessions stay");
}

async fn leavers() {
    let site = Site::start().await;
    let (caller, rejoin) = site.join(&site.invite(None).await, "Ann").await;
    let (publisher, offer) = Publisher::offer(&[LOCAL], true, Some(Codec::Vp8))
        .await
        .unwrap();
    // One whole session first, so that everything that is made once is there.
    let reply = site.whip(&rejoin, &offer).await;
    let location = reply.header("location").unwrap();
    let web = &site.web;
    web.request(http::Method::DELETE, location, &[], "")
        .await
        .unwrap();
    settled(&site).await;
    let before = descriptors();
    let mut left = 0;
    while left < 4 * SLACK {
        let offer = crate::rtc::sdp::check(offer.as_bytes()).unwrap();
        let mut opening = Box::pin(site.rtc.open(&caller, offer));
        match futures_util::poll!(opening.as_mut()) {
            std::task::Poll::Pending => left += 1,
            // The machine was busy elsewhere for all of it.
            std::task::Poll::Ready(opened) => {
                site.rtc.close(&opened.unwrap().token).await;
            }
        }
        drop(opening);
        settled(&site).await;
    }
    let after = descriptors();
    assert!(
        after <= before + SLACK,
        "{before} descriptors before, {after} after"
    );
    publisher.close().await;
}

/// Some never connect, some are killed without a word, some hang up; the next call of each replaces what is left.
async fn round(site: &Site, people: &[(CallerId, String)], cycles: usize) {
    let each = people
        .iter()
        .enumerate()
        .map(|(who, (caller, rejoin))| async move {
            for cycle in (who..cycles).step_by(people.len()) {
                if cycle % 3 == 0 {
                    let (publisher, offer) = Publisher::offer(&[LOCAL], true, Some(Codec::Vp8))
                        .await
                        .unwrap();
                    assert_eq!(site.whip(rejoin, &offer).await.status, 201);
                    publisher.close().await;
                    continue;
                }
                let before = session_of(site, caller);
                let (publisher, location) = publish(site, rejoin, true, Some(Codec::Vp8)).await;
                talk(&publisher, 0, || {
                    session_of(site, caller).is_some_and(|now| Some(now) != before)
                })
                .await;
                if cycle % 3 == 1 {
                    let reply = site
                        .web
                        .request(http::Method::DELETE, &location, &[], "")
                        .await
                        .unwrap();
                    assert_eq!(reply.status, 200);
                }
                publisher.close().await;
            }
        });
    futures_util::future::join_all(each).await;
}
