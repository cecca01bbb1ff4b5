use booth_core::*;

use crate::world::*;

fn create(id: &str, role: Role) -> Command {
    Command::CreateOperator {
        id: operator(id),
        name: text("Anna"),
        role,
        token: token(id),
    }
}

#[test]
fn an_operator_is_found_by_each_valid_token() {
    let mut world = World::new();
    world.ok(create("anna", Role::Operator));
    let add = Command::AddOperatorToken {
        id: operator("anna"),
        token: token("second"),
    };
    world.ok(add.clone());
    world.no_change(add);
    for secret in ["anna", "second"] {
        let found = world.state.operator_by_token(&token(secret)).unwrap();
        assert_eq!(found.id, operator("anna"));
    }
    world.ok(Command::RevokeOperator {
        id: operator("anna"),
    });
    assert_eq!(world.state.operator_by_token(&token("anna")), None);
}

#[test]
fn a_ninth_token_retires_the_oldest() {
    let mut world = World::new();
    for n in 0..TOKENS_MAX {
        world.ok(Command::AddOperatorToken {
            id: operator("admin"),
            token: token(&format!("t{n}")),
        });
    }
    assert_eq!(world.state.operator_by_token(&token("admin")), None);
    assert!(world.state.operator_by_token(&token("t0")).is_some());
}

#[test]
fn the_last_admin_stays() {
    let mut world = World::new();
    world.ok(create("anna", Role::Operator));
    let revoke = Command::RevokeOperator {
        id: operator("admin"),
    };
    assert_eq!(world.denied(revoke.clone()), Denied::LastAdmin);
    world.ok(create("root", Role::Admin));
    world.ok(revoke);
}

#[test]
fn operators_are_made_once_and_named_when_missing() {
    let mut world = World::new();
    let exists = Denied::OperatorExists {
        operator: operator("admin"),
    };
    assert_eq!(world.denied(create("admin", Role::Viewer)), exists);
    let no = Denied::OperatorNotFound {
        operator: operator("no"),
    };
    assert_eq!(
        world.denied(Command::RevokeOperator { id: operator("no") }),
        no
    );
    let add = Command::AddOperatorToken {
        id: operator("no"),
        token: token("x"),
    };
    assert_eq!(world.denied(add), no);
}
