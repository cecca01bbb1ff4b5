use booth_core::{Actor, Denied, Operator, Role, State};

use super::{invalid, names, time};
use crate::v1;

pub fn operator(operator: &Operator) -> v1::Operator {
    v1::Operator {
        name: names::operator(&operator.id),
        display_name: operator.name.to_string(),
        role: role(operator.role).into(),
        tokens: u32::try_from(operator.tokens.len()).unwrap_or(u32::MAX),
        create_time: Some(time(operator.created_at)),
        revision: operator.revision,
    }
}

pub fn role(role: Role) -> v1::Role {
    match role {
        Role::Viewer => v1::Role::Viewer,
        Role::Screener => v1::Role::Screener,
        Role::Operator => v1::Role::Operator,
        Role::Admin => v1::Role::Admin,
    }
}

pub fn parse_role(field: &str, wire: i32) -> Result<Role, Denied> {
    match v1::Role::try_from(wire) {
        Ok(v1::Role::Viewer) => Ok(Role::Viewer),
        Ok(v1::Role::Screener) => Ok(Role::Screener),
        Ok(v1::Role::Operator) => Ok(Role::Operator),
        Ok(v1::Role::Admin) => Ok(Role::Admin),
        Ok(v1::Role::Unspecified) | Err(_) => Err(invalid(
            field,
            "ROLE_VIEWER, ROLE_SCREENER, ROLE_OPERATOR or ROLE_ADMIN",
        )),
    }
}

/// The name of who did something; the states are searched for a caller's show, newest first.
pub fn actor(actor: &Actor, states: &[&State]) -> String {
    match actor {
        Actor::Operator(id) => names::operator(id),
        Actor::Caller(id) => states
            .iter()
            .find_map(|state| state.callers.get(id))
            .map_or_else(
                || format!("shows/-/callers/{id}"),
                |caller| names::caller(&caller.show, id),
            ),
        Actor::System => "system".into(),
    }
}
