use crate::{Denied, Event, Operator, OperatorId, Role, Target, Text, TokenHash};

use super::draft::Draft;

pub(super) fn create(
    draft: &mut Draft<'_>,
    id: &OperatorId,
    name: &Text,
    role: Role,
    token: TokenHash,
) -> Result<Target, Denied> {
    if draft.state().operators.contains_key(id) {
        let operator = id.clone();
        return Err(Denied::OperatorExists { operator });
    }
    let name = if name.is_empty() {
        Text::name(id.as_str())
    } else {
        name.clone()
    };
    draft.emit(Event::OperatorCreated {
        id: id.clone(),
        name,
        role,
        token,
    });
    Ok(Target::Operator(id.clone()))
}

pub(super) fn add_token(
    draft: &mut Draft<'_>,
    id: &OperatorId,
    token: TokenHash,
) -> Result<Target, Denied> {
    let operator = known(draft, id)?;
    draft.fresh(operator.revision)?;
    if !operator.tokens.contains(&token) {
        let id = id.clone();
        draft.emit(Event::OperatorTokenAdded { id, token });
    }
    Ok(Target::Operator(id.clone()))
}

/// Never the last admin: nobody could let anybody in again.
pub(super) fn revoke(draft: &mut Draft<'_>, id: &OperatorId) -> Result<Target, Denied> {
    let operator = known(draft, id)?;
    draft.fresh(operator.revision)?;
    let mut others = draft.state().operators.values().filter(|o| o.id != *id);
    if operator.role == Role::Admin && !others.any(|o| o.role == Role::Admin) {
        return Err(Denied::LastAdmin);
    }
    draft.emit(Event::OperatorRevoked { id: id.clone() });
    Ok(Target::Operator(id.clone()))
}

fn known<'a>(draft: &'a Draft<'_>, id: &OperatorId) -> Result<&'a Operator, Denied> {
    let operator = draft.state().operators.get(id).map(AsRef::as_ref);
    operator.ok_or_else(|| Denied::OperatorNotFound {
        operator: id.clone(),
    })
}
