//! What is at stake, in the sentence that a person is asked: who, by name, and what becomes of them.
//!
//! Looked up only when there is a person. What is not there (any more) gives no question: the server refuses by itself.

use booth_proto::v1::caller_service_client::CallerServiceClient;
use booth_proto::v1::channel_service_client::ChannelServiceClient;
use booth_proto::v1::destination_service_client::DestinationServiceClient;
use booth_proto::v1::operator_service_client::OperatorServiceClient;
use booth_proto::v1::show_service_client::ShowServiceClient;
use booth_proto::v1::slot_service_client::SlotServiceClient;
use booth_proto::v1::*;

use crate::app::Ctx;
use crate::client::rpc;
use crate::confirm::Question;
use crate::errors::Outcome;
use crate::hints::Subject;
use crate::names::{last_part, show_part};
use crate::render::text::enum_text;

type Asked = Outcome<Option<Question>>;

pub async fn of_drop(ctx: &Ctx, name: &str) -> Asked {
    let caller = caller(ctx, name).await?;
    let caller = caller.filter(|one| one.state != caller::State::Ended as i32);
    Ok(caller.map(|caller| {
        let text = format!(
            "End the call of {}, who is {}?",
            who(&caller),
            place(&caller)
        );
        Question::new(text).at(caller.revision)
    }))
}

pub async fn of_reject(ctx: &Ctx, name: &str) -> Asked {
    let caller = caller(ctx, name).await?;
    let caller = caller.filter(|one| one.state != caller::State::Ended as i32);
    Ok(caller.map(|caller| {
        let (who, place) = (who(&caller), place(&caller));
        let text = format!("Reject {who}, who is {place}, and end the call?");
        Question::new(text).at(caller.revision)
    }))
}

pub fn of_drop_all(callers: &[Caller]) -> Option<Question> {
    let on_air = |one: &&Caller| one.state == caller::State::OnAir as i32;
    let on_air: Vec<String> = callers.iter().filter(on_air).map(who).collect();
    let on_air = match on_air.as_slice() {
        [] => String::new(),
        names => format!(", of whom {} ON AIR", are(names)),
    };
    let number = callers.len();
    let text = match callers {
        [] => return None,
        [one] => format!(
            "End the call of {}, the only one on the line{on_air}?",
            who(one)
        ),
        _ => format!("End the calls of all {number} on the line{on_air}?"),
    };
    Some(Question::new(text).typed(number.to_string()))
}

pub async fn of_invite(ctx: &Ctx, name: &str) -> Asked {
    let parent = format!("shows/{}", show_part(name));
    let list = rpc!(
        ctx,
        Subject::show(&parent),
        CallerServiceClient::list_invites,
        ListInvitesRequest {
            parent: parent.clone()
        }
    )?;
    let invite = list.invites.into_iter().find(|one| one.name == name);
    Ok(invite.map(|invite| {
        let of = match invite.display_name.as_str() {
            "" => String::new(),
            name => format!(" for {name}"),
        };
        let id = last_part(name);
        Question::new(format!(
            "The link of invite {id}{of} will let nobody in any more. Delete it?"
        ))
    }))
}

pub async fn of_release_and_drop(ctx: &Ctx, name: &str) -> Asked {
    let Some(slot) = slot(ctx, name).await? else {
        return Ok(None);
    };
    let id = last_part(name);
    let caller = match slot.assigned_caller.as_str() {
        "" => None,
        assigned => caller(ctx, assigned).await?,
    };
    Ok(caller.map(|caller| {
        let text = format!(
            "End the call of {}, who is ON AIR in slot {id}?",
            who(&caller)
        );
        Question::new(text).at(slot.revision)
    }))
}

pub async fn of_slot(ctx: &Ctx, name: &str) -> Asked {
    let Some(slot) = slot(ctx, name).await? else {
        return Ok(None);
    };
    let id = last_part(name);
    let caller = match slot.assigned_caller.as_str() {
        "" => None,
        assigned => caller(ctx, assigned).await?,
    };
    let on_it = caller.map_or(String::new(), |caller| {
        format!(
            "{} is ON AIR in slot {id} and goes on hold. ",
            capital(&who(&caller))
        )
    });
    let text = format!("{on_it}Delete slot {id} with its settings, and end its output?");
    Ok(Some(Question::new(text).at(slot.revision)))
}

pub async fn of_show(ctx: &Ctx, name: &str) -> Asked {
    let found = rpc!(
        ctx,
        Subject::show(name),
        ShowServiceClient::get_show,
        GetShowRequest {
            name: name.to_owned()
        }
    )?;
    Ok(found.show.map(|show| {
        let named = titled("show", name, &show.title);
        Question::new(format!(
            "Delete {named} with its settings, its invites and the list of its callers?"
        ))
    }))
}

pub async fn of_channel(ctx: &Ctx, name: &str) -> Asked {
    let found = channel(ctx, name).await?;
    Ok(found.map(|channel| {
        let to = match destinations(&channel).as_slice() {
            [] => String::new(),
            [one] => format!(" and its destination {one}"),
            several => format!(" and its destinations {}", several.join(", ")),
        };
        Question::new(format!(
            "Delete {} with its settings, its live key{to}?",
            channel_named(&channel)
        ))
    }))
}

/// Of one that runs.
pub async fn of_stop(ctx: &Ctx, name: &str) -> Asked {
    let found = channel(ctx, name).await?.filter(|channel| channel.running);
    Ok(found.map(|channel| {
        let showing = channel::Showing::try_from(channel.showing).ok();
        let showing = enum_text(showing.map(|one| one.as_str_name()), "SHOWING_");
        let fed = publisher(&channel).map_or(String::new(), |by| format!(", fed by {by}"));
        let to = channel.destinations.iter().filter(|to| to.enabled);
        let to: Vec<&str> = to.map(|to| last_part(&to.name)).collect();
        let to = match to.as_slice() {
            [] => String::new(),
            to => format!(", and goes to {}", to.join(", ")),
        };
        Question::new(format!(
            "{} shows {showing}{fed}{to}. Take it off air?",
            capital(&channel_named(&channel))
        ))
    }))
}

pub async fn of_key(ctx: &Ctx, name: &str) -> Asked {
    let found = channel(ctx, name).await?;
    Ok(found.map(|channel| {
        let whom = publisher(&channel).map_or(String::new(), |by| {
            format!(", and whoever publishes now ({by}) is disconnected")
        });
        Question::new(format!(
            "The live key of {} will not be valid any more{whom}. Make a new one?",
            channel_named(&channel)
        ))
    }))
}

/// Of one that is connected, or is trying.
pub async fn of_disable(ctx: &Ctx, name: &str) -> Asked {
    let found = destination(ctx, name).await?;
    let found = found.filter(|to| to.state != destination::State::Idle as i32);
    Ok(found.map(|to| {
        let (named, state) = destination_named(&to);
        Question::new(format!("{} is {state}. Disconnect it?", capital(&named)))
    }))
}

pub async fn of_destination(ctx: &Ctx, name: &str) -> Asked {
    let found = destination(ctx, name).await?;
    Ok(found.map(|to| {
        let (named, state) = destination_named(&to);
        Question::new(format!(
            "{} is {state}. Remove it with its settings and its key?",
            capital(&named)
        ))
    }))
}

pub async fn of_operator(ctx: &Ctx, name: &str) -> Asked {
    let list = rpc!(
        ctx,
        Subject::operator(name),
        OperatorServiceClient::list_operators,
        ListOperatorsRequest {}
    )?;
    let found = list.operators.into_iter().find(|one| one.name == name);
    Ok(found.map(|operator| {
        let role = Role::try_from(operator.role).ok();
        let role = enum_text(role.map(|role| role.as_str_name()), "ROLE_");
        let named = titled("operator", name, &operator.display_name);
        Question::new(format!(
            "Sign {named}, who is {role}, out everywhere, and remove them with all their tokens?"
        ))
    }))
}

async fn caller(ctx: &Ctx, name: &str) -> Outcome<Option<Caller>> {
    let query = GetCallerRequest {
        name: name.to_owned(),
    };
    Ok(rpc!(
        ctx,
        Subject::caller(name),
        CallerServiceClient::get_caller,
        query
    )?
    .caller)
}

async fn slot(ctx: &Ctx, name: &str) -> Outcome<Option<Slot>> {
    let query = GetSlotRequest {
        name: name.to_owned(),
    };
    Ok(rpc!(ctx, Subject::slot(name), SlotServiceClient::get_slot, query)?.slot)
}

async fn channel(ctx: &Ctx, name: &str) -> Outcome<Option<Channel>> {
    let query = GetChannelRequest {
        name: name.to_owned(),
    };
    Ok(rpc!(
        ctx,
        Subject::channel(name),
        ChannelServiceClient::get_channel,
        query
    )?
    .channel)
}

async fn destination(ctx: &Ctx, name: &str) -> Outcome<Option<Destination>> {
    let query = GetDestinationRequest {
        name: name.to_owned(),
    };
    let subject = Subject::destination(name);
    let found = rpc!(
        ctx,
        subject,
        DestinationServiceClient::get_destination,
        query
    )?;
    Ok(found.destination)
}

/// By name and id: names are not unique.
fn who(caller: &Caller) -> String {
    let noun = match caller.kind == caller::Kind::Host as i32 {
        true => "host",
        false => "caller",
    };
    titled(noun, &caller.name, &caller.display_name)
}

fn place(caller: &Caller) -> String {
    let state = caller::State::try_from(caller.state).ok();
    match state {
        Some(caller::State::OnAir) => format!("ON AIR in slot {}", last_part(&caller.slot)),
        _ => enum_text(state.map(|state| state.as_str_name()), "STATE_").to_owned(),
    }
}

fn titled(noun: &str, name: &str, title: &str) -> String {
    let id = last_part(name);
    match title {
        "" => format!("{noun} {id}"),
        title if title == id => format!("{noun} {id}"),
        title => format!("{noun} {title} ({id})"),
    }
}

fn channel_named(channel: &Channel) -> String {
    let title = channel
        .settings
        .as_ref()
        .and_then(|set| set.title.as_deref());
    titled("channel", &channel.name, title.unwrap_or_default())
}

fn destinations(channel: &Channel) -> Vec<&str> {
    let all = channel.destinations.iter();
    all.map(|to| last_part(&to.name)).collect()
}

fn publisher(channel: &Channel) -> Option<String> {
    let by = channel.publisher.as_ref()?;
    Some(format!("{} from {}", by.protocol.to_uppercase(), by.peer))
}

fn destination_named(to: &Destination) -> (String, &'static str) {
    let parent = to.name.split("/destinations/").next().unwrap_or_default();
    let (id, parent) = (last_part(&to.name), last_part(parent));
    let state = destination::State::try_from(to.state).ok();
    let state = enum_text(state.map(|state| state.as_str_name()), "STATE_");
    (format!("destination {id} of channel {parent}"), state)
}

fn are(names: &[String]) -> String {
    match names {
        [one] => format!("{one} is"),
        several => format!("{} are", several.join(", ")),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
