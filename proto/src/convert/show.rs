use booth_core::{Show, ShowSettings, ShowState};

use super::{names, time};
use crate::v1;

pub fn show(show: &Show) -> v1::Show {
    v1::Show {
        name: names::show(&show.id),
        title: show.title.to_string(),
        state: state(show.state).into(),
        settings: Some(settings(&show.settings)),
        queue: show
            .queue
            .iter()
            .map(|id| names::caller(&show.id, id))
            .collect(),
        create_time: Some(time(show.created_at)),
        update_time: Some(time(show.updated_at)),
        revision: show.revision,
    }
}

fn state(state: ShowState) -> v1::show::State {
    match state {
        ShowState::Creating => v1::show::State::Creating,
        ShowState::Starting => v1::show::State::Starting,
        ShowState::Live => v1::show::State::Live,
        ShowState::Stopping => v1::show::State::Stopping,
        ShowState::Stopped => v1::show::State::Stopped,
        ShowState::Error => v1::show::State::Error,
    }
}

fn settings(settings: &ShowSettings) -> v1::ShowSettings {
    v1::ShowSettings {
        grace_ms: Some(settings.grace_ms),
        on_air_grace_ms: Some(settings.on_air_grace_ms),
        max_callers: Some(settings.max_callers),
        open: Some(settings.open),
    }
}

/// `base` with what is set in `patch`.
pub fn patched(base: &ShowSettings, patch: &v1::ShowSettings) -> ShowSettings {
    ShowSettings {
        grace_ms: patch.grace_ms.unwrap_or(base.grace_ms),
        on_air_grace_ms: patch.on_air_grace_ms.unwrap_or(base.on_air_grace_ms),
        max_callers: patch.max_callers.unwrap_or(base.max_callers),
        open: patch.open.unwrap_or(base.open),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_what_it_sets_and_nothing_else() {
        let base = ShowSettings::default();
        let patch = v1::ShowSettings {
            open: Some(false),
            ..Default::default()
        };
        let want = ShowSettings {
            open: false,
            ..base
        };
        assert_eq!(patched(&base, &patch), want);
        assert_eq!(patched(&base, &v1::ShowSettings::default()), base);
    }
}
