//! Finds the caller that somebody typed: by full name, id, start of an id, or exact display name.
//!
//! Display names are chosen by callers, so an exact id always wins over them, and anything that fits two callers is
//! refused with the candidates: the wrong person on air is worse than a second try.

use booth_proto::v1::caller_service_client::CallerServiceClient;
use booth_proto::v1::{Caller, GetCallerRequest, ListCallersRequest, caller};

use crate::app::Ctx;
use crate::client::rpc;
use crate::errors::{Failure, Outcome};
use crate::hints::Subject;
use crate::names;
use crate::render::text::scrub;

/// The full name of the caller meant by `text`.
pub async fn caller(ctx: &Ctx, text: &str) -> Outcome<String> {
    if let Some(name) = names::full_caller(text) {
        if names::show_part(name) != "-" {
            return Ok(name.to_owned());
        }
        let query = GetCallerRequest {
            name: name.to_owned(),
        };
        let found = rpc!(
            ctx,
            Subject::caller(name),
            CallerServiceClient::get_caller,
            query
        )?;
        return Ok(found.caller.map(|caller| caller.name).unwrap_or_default());
    }
    let query = ListCallersRequest {
        parent: String::new(),
        include_ended: true,
    };
    let list = rpc!(
        ctx,
        Subject::default(),
        CallerServiceClient::list_callers,
        query
    )?;
    pick(text, &list.callers).map(|caller| caller.name.clone())
}

fn pick<'a>(text: &str, callers: &'a [Caller]) -> Outcome<&'a Caller> {
    if let Some(exact) = callers
        .iter()
        .find(|caller| names::last_part(&caller.name) == text)
    {
        return Ok(exact);
    }
    let fits = |caller: &&Caller| {
        caller.display_name == text
            || (!text.is_empty() && names::last_part(&caller.name).starts_with(text))
    };
    let on_the_line: Vec<&Caller> = callers
        .iter()
        .filter(|caller| caller.state != caller::State::Ended as i32)
        .filter(fits)
        .collect();
    match on_the_line.as_slice() {
        [one] => Ok(one),
        [] => match callers.iter().filter(fits).collect::<Vec<_>>().as_slice() {
            [ended] => Ok(ended),
            _ => Err(
                Failure::not_found(format!("there is no caller {:?}", scrub(text)))
                    .reason("CALLER_NOT_FOUND")
                    .next("booth caller list"),
            ),
        },
        several => {
            let candidates: Vec<String> = several
                .iter()
                .map(|caller| {
                    format!(
                        "{} ({})",
                        names::last_part(&caller.name),
                        scrub(&caller.display_name)
                    )
                })
                .collect();
            Err(Failure::usage(format!(
                "{:?} fits {} callers: {}",
                scrub(text),
                several.len(),
                candidates.join(", ")
            ))
            .reason("CALLER_AMBIGUOUS")
            .next("name one of them by id"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callers(list: &[(&str, &str, caller::State)]) -> Vec<Caller> {
        list.iter()
            .map(|(id, name, state)| Caller {
                name: format!("shows/main/callers/{id}"),
                display_name: (*name).to_owned(),
                state: *state as i32,
                ..Caller::default()
            })
            .collect()
    }

    fn picked(text: &str, list: &[(&str, &str, caller::State)]) -> Result<String, (i32, String)> {
        pick(text, &callers(list))
            .map(|caller| names::last_part(&caller.name).to_owned())
            .map_err(|failure| (failure.exit_code(), failure.message))
    }

    use caller::State::{Ended, Ready, Waiting};

    #[test]
    fn a_caller_is_found_by_id_start_of_id_or_exact_name() {
        let list = [("c7k2m9", "Anna", Ready), ("c7x111", "Ben", Waiting)];
        assert_eq!(picked("c7k2m9", &list).unwrap(), "c7k2m9");
        assert_eq!(picked("c7k", &list).unwrap(), "c7k2m9");
        assert_eq!(picked("Ben", &list).unwrap(), "c7x111");
    }

    #[test]
    fn what_fits_two_callers_lists_them() {
        let list = [("c7k2m9", "Anna", Ready), ("c7x111", "Anna", Waiting)];
        for text in ["c7", "Anna"] {
            let (exit, message) = picked(text, &list).unwrap_err();
            assert_eq!(exit, 2);
            assert!(
                message.contains("c7k2m9 (Anna), c7x111 (Anna)"),
                "{message}"
            );
        }
    }

    #[test]
    fn nobody_can_name_themselves_into_the_place_of_another() {
        let list = [
            ("c7k2m9", "Anna", Ready),
            ("c8", "c7k2m9", Waiting),
            ("c9", "c7k", Waiting),
        ];
        assert_eq!(picked("c7k2m9", &list).unwrap(), "c7k2m9");
        assert_eq!(picked("c7k", &list).unwrap_err().0, 2);
    }

    #[test]
    fn those_on_the_line_come_before_those_who_left() {
        let list = [
            ("c1", "Anna", Ended),
            ("c2", "Anna", Waiting),
            ("d1", "Ben", Ended),
        ];
        assert_eq!(picked("Anna", &list).unwrap(), "c2");
        assert_eq!(picked("c1", &list).unwrap(), "c1");
        assert_eq!(picked("Ben", &list).unwrap(), "d1");
    }

    #[test]
    fn an_unknown_caller_is_not_found() {
        assert_eq!(picked("zz", &[("c1", "Anna", Ready)]).unwrap_err().0, 3);
        assert_eq!(picked("", &[("c1", "Anna", Ready)]).unwrap_err().0, 3);
    }
}
