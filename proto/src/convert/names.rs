//! Resource names (AIP-122): `shows/main/callers/c7k2m9`, `slots/1`. Read strictly; what is refused says what is allowed.

use booth_core::{
    BadId, CallerId, ChannelId, Denied, DestinationId, InviteId, OperatorId, ShowId, SlotId,
};

use super::invalid;

pub fn show(id: &ShowId) -> String {
    format!("shows/{id}")
}

pub fn caller(show: &ShowId, id: &CallerId) -> String {
    format!("shows/{show}/callers/{id}")
}

pub fn invite(show: &ShowId, id: &InviteId) -> String {
    format!("shows/{show}/invites/{id}")
}

pub fn slot(id: &SlotId) -> String {
    format!("slots/{id}")
}

pub fn channel(id: &ChannelId) -> String {
    format!("channels/{id}")
}

pub fn destination(channel: &ChannelId, id: &DestinationId) -> String {
    format!("channels/{channel}/destinations/{id}")
}

pub fn operator(id: &OperatorId) -> String {
    format!("operators/{id}")
}

/// `field` is the request's field, for the error.
pub fn parse_show(field: &str, name: &str) -> Result<ShowId, Denied> {
    let form = "a name like shows/main";
    match parts(name).as_slice() {
        ["shows", id] => id_of(field, id, ShowId::new),
        _ => Err(malformed(field, name, form)),
    }
}

/// `shows/-/callers/c7` finds the caller in any show.
pub fn parse_caller(field: &str, name: &str) -> Result<(Option<ShowId>, CallerId), Denied> {
    let form = "a name like shows/main/callers/c7k2m9 or shows/-/callers/c7k2m9";
    match parts(name).as_slice() {
        ["shows", show, "callers", id] => {
            Ok((any_show(field, show)?, id_of(field, id, CallerId::new)?))
        }
        _ => Err(malformed(field, name, form)),
    }
}

/// `shows/-/invites/i9` finds the invite in any show.
pub fn parse_invite(field: &str, name: &str) -> Result<(Option<ShowId>, InviteId), Denied> {
    let form = "a name like shows/main/invites/i9f3 or shows/-/invites/i9f3";
    match parts(name).as_slice() {
        ["shows", show, "invites", id] => {
            Ok((any_show(field, show)?, id_of(field, id, InviteId::new)?))
        }
        _ => Err(malformed(field, name, form)),
    }
}

pub fn parse_slot(field: &str, name: &str) -> Result<SlotId, Denied> {
    match parts(name).as_slice() {
        ["slots", id] => id_of(field, id, SlotId::new),
        _ => Err(malformed(field, name, "a name like slots/1")),
    }
}

pub fn parse_channel(field: &str, name: &str) -> Result<ChannelId, Denied> {
    match parts(name).as_slice() {
        ["channels", id] => id_of(field, id, ChannelId::new),
        _ => Err(malformed(field, name, "a name like channels/radio")),
    }
}

pub fn parse_destination(field: &str, name: &str) -> Result<(ChannelId, DestinationId), Denied> {
    let form = "a name like channels/radio/destinations/youtube";
    match parts(name).as_slice() {
        ["channels", channel, "destinations", id] => Ok((
            id_of(field, channel, ChannelId::new)?,
            id_of(field, id, DestinationId::new)?,
        )),
        _ => Err(malformed(field, name, form)),
    }
}

pub fn parse_operator(field: &str, name: &str) -> Result<OperatorId, Denied> {
    match parts(name).as_slice() {
        ["operators", id] => id_of(field, id, OperatorId::new),
        _ => Err(malformed(field, name, "a name like operators/anna")),
    }
}

/// The last part of a name that is only being made.
pub fn parse_id<T>(
    field: &str,
    id: &str,
    make: impl FnOnce(&str) -> Result<T, BadId>,
) -> Result<T, Denied> {
    id_of(field, id, make)
}

fn parts(name: &str) -> Vec<&str> {
    // One more than the longest name has, so that anything longer matches nothing.
    name.splitn(5, '/').collect()
}

fn any_show(field: &str, show: &str) -> Result<Option<ShowId>, Denied> {
    match show {
        "-" => Ok(None),
        id => id_of(field, id, ShowId::new).map(Some),
    }
}

fn id_of<T>(
    field: &str,
    id: &str,
    make: impl FnOnce(&str) -> Result<T, BadId>,
) -> Result<T, Denied> {
    make(id).map_err(|bad| invalid(field, bad.to_string()))
}

fn malformed(field: &str, name: &str, form: &str) -> Denied {
    if name.is_empty() {
        return invalid(field, format!("missing: give {form}"));
    }
    // A hostile name is shortened before it is shown, and escaped by its debug form.
    let shown: String = name.chars().take(64).collect();
    invalid(field, format!("{shown:?} is not {form}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_as_they_were_written() {
        let main = ShowId::new("main").unwrap();
        let c7 = CallerId::new("c7").unwrap();
        let i1 = InviteId::new("i1").unwrap();
        assert_eq!(parse_show("name", &show(&main)), Ok(main.clone()));
        assert_eq!(
            parse_caller("name", &caller(&main, &c7)),
            Ok((Some(main.clone()), c7.clone()))
        );
        assert_eq!(
            parse_invite("name", &invite(&main, &i1)),
            Ok((Some(main), i1))
        );
        assert_eq!(parse_caller("name", "shows/-/callers/c7"), Ok((None, c7)));
        let one = SlotId::new("1").unwrap();
        assert_eq!(parse_slot("name", &slot(&one)), Ok(one));
        let radio = ChannelId::new("radio").unwrap();
        assert_eq!(parse_channel("name", &channel(&radio)), Ok(radio.clone()));
        let tube = DestinationId::new("youtube").unwrap();
        assert_eq!(
            parse_destination("name", &destination(&radio, &tube)),
            Ok((radio, tube))
        );
        let anna = OperatorId::new("anna").unwrap();
        assert_eq!(parse_operator("name", &operator(&anna)), Ok(anna));
    }

    #[test]
    fn anything_else_is_refused_with_the_field_and_what_is_allowed() {
        for bad in [
            "",
            "main",
            "shows",
            "shows/",
            "shows/Main",
            "shows/main/",
            "/shows/main",
            "shows/-",
            "shows/a/b",
            "shows/\u{1b}[2J",
        ] {
            let denied = parse_show("parent", bad).unwrap_err();
            assert_eq!(denied.reason(), "INVALID_ARGUMENT", "{bad:?}");
            let text = denied.to_string();
            assert!(text.starts_with("parent: "), "{text}");
            assert!(!text.contains('\u{1b}'), "{text:?}");
            assert!(
                text.contains("shows/main") || text.contains("a-z"),
                "{text}"
            );
        }
        for bad in [
            "shows/main/callers",
            "shows/main/callers/c7/x",
            "shows/main/callers/-",
            "shows/main/invites/c7",
            "shows//callers/c7",
            "callers/c7",
        ] {
            assert!(parse_caller("name", bad).is_err(), "{bad}");
        }
        for bad in [
            "channels/radio",
            "channels/-/destinations/youtube",
            "channels/radio/destinations/",
            "channels/radio/destinations/a/b",
        ] {
            assert!(parse_destination("name", bad).is_err(), "{bad}");
        }
        let long = "x".repeat(100_000);
        assert!(parse_slot("name", &long).unwrap_err().to_string().len() < 200);
    }
}
