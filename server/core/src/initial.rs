use crate::{Command, OperatorId, Role, ShowId, SlotId, SlotSettings, State, Text, TokenHash};

impl State {
    /// What makes the state of a bare start, to be decided one after the other by the system: show `main` LIVE, slots
    /// `1`, `2`, … listening on `ports`, and operator `admin` when there is a token for one.
    pub fn initial(admin: Option<TokenHash>, ports: &[u16]) -> Vec<Command> {
        let main = ShowId::well_known("main");
        let mut commands = vec![
            Command::CreateShow {
                id: main.clone(),
                title: Text::name("main"),
            },
            Command::StartShow { id: main.clone() },
        ];
        for (number, port) in (1..).zip(ports) {
            // A number is always an id.
            if let Ok(id) = SlotId::new(&u32::to_string(&number)) {
                commands.push(Command::CreateSlot {
                    id,
                    show: main.clone(),
                    settings: SlotSettings::listening(*port),
                });
            }
        }
        commands.extend(admin.map(|token| Command::CreateOperator {
            id: OperatorId::well_known("admin"),
            name: Text::name("admin"),
            role: Role::Admin,
            token,
        }));
        commands
    }
}
