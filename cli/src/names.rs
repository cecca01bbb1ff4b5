//! Resource names: short forms become the API's full names, and the other way round for people.

use crate::errors::{Failure, Outcome};

/// `c7k2m9` of `shows/main/callers/c7k2m9`.
pub fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// `main` of `shows/main/callers/c7k2m9`; empty if it belongs to none.
pub fn show_part(name: &str) -> &str {
    match name.split('/').collect::<Vec<_>>().as_slice() {
        ["shows", show, ..] => show,
        _ => "",
    }
}

/// 1 to 63 of a-z, 0-9 and -, not starting or ending with -.
pub fn is_id(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A new resource's id.
pub fn new_id(noun: &str, text: &str) -> Outcome<String> {
    if is_id(text) {
        Ok(text.to_owned())
    } else {
        Err(not_a_name(noun, text))
    }
}

pub fn show(text: &str) -> Outcome<String> {
    top_level("show", "shows", text)
}

pub fn slot(text: &str) -> Outcome<String> {
    top_level("slot", "slots", text)
}

pub fn channel(text: &str) -> Outcome<String> {
    top_level("channel", "channels", text)
}

/// A destination of a channel, which may also be given by its full name.
pub fn destination(channel_text: &str, text: &str) -> Outcome<String> {
    let parent = channel(channel_text)?;
    let own = format!("{parent}/destinations/");
    let id = text.strip_prefix(own.as_str()).unwrap_or(text);
    if is_id(id) {
        Ok(format!("{own}{id}"))
    } else {
        Err(Failure::usage(format!(
            "{:?} is not the name of a destination: use 1 to 63 of a-z, 0-9 and -",
            text.chars().take(64).collect::<String>()
        ))
        .next(format!("booth destination list {}", last_part(&parent))))
    }
}

pub fn operator(text: &str) -> Outcome<String> {
    top_level("operator", "operators", text)
}

/// A short id belongs to `show`.
pub fn invite(text: &str, show_text: &str) -> Outcome<String> {
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [id] if is_id(id) => Ok(format!("{}/invites/{id}", show(show_text)?)),
        ["shows", in_show, "invites", id] if is_id(in_show) && is_id(id) => Ok(text.to_owned()),
        _ => Err(not_a_name("invite", text)),
    }
}

/// A caller given by full name; `-` stands for any show.
pub fn full_caller(text: &str) -> Option<&str> {
    match text.split('/').collect::<Vec<_>>().as_slice() {
        ["shows", show, "callers", id] if (is_id(show) || *show == "-") && is_id(id) => Some(text),
        _ => None,
    }
}

fn top_level(noun: &str, collection: &str, text: &str) -> Outcome<String> {
    let id = text
        .strip_prefix(collection)
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(text);
    if is_id(id) {
        Ok(format!("{collection}/{id}"))
    } else {
        Err(not_a_name(noun, text))
    }
}

fn not_a_name(noun: &str, text: &str) -> Failure {
    let shown: String = text.chars().take(64).collect();
    Failure::usage(format!("{shown:?} is not the name of a {noun}: use 1 to 63 of a-z, 0-9 and -, or the full resource name"))
        .next(format!("booth {noun} list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_full_names_mean_the_same() {
        assert_eq!(slot("1").unwrap(), "slots/1");
        assert_eq!(slot("slots/1").unwrap(), "slots/1");
        assert_eq!(show("main").unwrap(), "shows/main");
        assert_eq!(operator("operators/anna").unwrap(), "operators/anna");
        assert_eq!(invite("i9f3", "main").unwrap(), "shows/main/invites/i9f3");
        assert_eq!(
            invite("shows/late/invites/i9f3", "main").unwrap(),
            "shows/late/invites/i9f3"
        );
    }

    #[test]
    fn a_destination_belongs_to_its_channel() {
        let full = "channels/radio/destinations/youtube";
        assert_eq!(channel("radio").unwrap(), "channels/radio");
        assert_eq!(destination("radio", "youtube").unwrap(), full);
        assert_eq!(destination("channels/radio", full).unwrap(), full);
        for text in ["", "You", "channels/tv/destinations/youtube", "a/b"] {
            assert_eq!(destination("radio", text).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_a_usage_error() {
        for text in [
            "",
            "-",
            "A",
            "slots/",
            "shows/1",
            "a/b",
            "1 ",
            "é",
            &"a".repeat(64),
        ] {
            assert_eq!(slot(text).unwrap_err().exit_code(), 2, "{text:?}");
        }
        assert!(invite("shows/main/callers/c1", "main").is_err());
    }

    #[test]
    fn a_full_caller_name_may_leave_the_show_open() {
        assert_eq!(
            full_caller("shows/-/callers/c1"),
            Some("shows/-/callers/c1")
        );
        assert_eq!(
            full_caller("shows/main/callers/c1"),
            Some("shows/main/callers/c1")
        );
        assert_eq!(full_caller("c1"), None);
        assert_eq!(full_caller("shows/main/callers/-"), None);
    }

    #[test]
    fn parts_of_a_name() {
        assert_eq!(last_part("shows/main/callers/c1"), "c1");
        assert_eq!(show_part("shows/main/callers/c1"), "main");
        assert_eq!(show_part("slots/1"), "");
    }
}
