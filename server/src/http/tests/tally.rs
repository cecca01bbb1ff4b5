//! The caller's page says who is really on air, where a vMix knows.

use booth_core::{Command, Fact, Pick, Showing, SlotId, SlotSettings, Transition};

use super::door::next_view;
use crate::http::testing::Site;
use crate::vmix::{SlotVmix, Tally};

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_told_the_tally_of_their_slot_once_it_shows_them() {
    let site = Site::start().await;
    let invite = site.invite(None).await;
    let (caller, rejoin) = site.join(&invite, "Ann").await;
    let bearer = format!("Bearer {rejoin}");
    let auth = ("authorization", bearer.as_str());
    let mut body = site.web.stream("/api/call/events", &[auth]).await.unwrap();
    let mut pending = String::new();
    let slot = SlotId::new("1").unwrap();
    let address = "vmix:8099";
    let tallies = &site.rooms.tallies;
    let say = |tally: Option<Tally>| {
        let told = SlotVmix {
            connected: tally.is_some(),
            tally,
            error: String::new(),
        };
        tallies.tell(address, &[(slot.clone(), told)].into());
    };
    /// Reads on until the view is like this.
    macro_rules! view {
        ($state:expr, $tally:expr) => {
            loop {
                let view = next_view(&mut body, &mut pending).await.unwrap();
                if view["state"] == $state && view["tally"] == serde_json::json!($tally) {
                    break;
                }
            }
        };
    }
    view!("joining", ());
    site.system(Command::CreateSlot {
        id: slot.clone(),
        show: "main".parse().unwrap(),
        settings: SlotSettings::listening(9_001),
    })
    .await;
    let showing = |showing| Fact::SlotShowing {
        slot: slot.clone(),
        showing,
    };
    site.rooms
        .director
        .fact(Fact::WorkerUp {
            slot: slot.clone(),
            showing: Showing::Idle,
        })
        .await;
    site.system(Command::Take {
        slot: slot.clone(),
        pick: Pick::Caller(caller.clone()),
        transition: Transition::Cut,
        override_checks: true,
    })
    .await;
    view!("on_air", ());
    // Somebody's vMix has the slot in its programme already; what it shows there is not this caller yet.
    tallies.assign(&[(slot.clone(), address.to_owned())].into());
    say(Some(Tally::Program));
    view!("on_air", "off");
    site.rooms
        .director
        .fact(showing(Showing::Caller {
            caller: caller.clone(),
        }))
        .await;
    view!("on_air", "program");
    say(Some(Tally::Preview));
    view!("on_air", "preview");
    say(Some(Tally::Off));
    view!("on_air", "off");
    // Lost: nobody knows, and on the slot counts as on air.
    say(None);
    view!("on_air", ());
    say(Some(Tally::Program));
    view!("on_air", "program");
    site.system(Command::Release {
        slot: slot.clone(),
        disposition: booth_core::Disposition::Hold,
        transition: Transition::Cut,
    })
    .await;
    view!("held", ());
}
