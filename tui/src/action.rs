//! Every action there is, in one table: its keys, its words, where it works, and what it needs. Footer hints, help, the
//! palette, `docs/console.md` and remapping all come from here.

use serde::{Deserialize, Serialize};

/// Where in help and docs an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Air,
    Queue,
    Caller,
    Channel,
    View,
    Session,
}

impl Group {
    pub const ALL: [Self; 6] = [
        Self::Air,
        Self::Queue,
        Self::Caller,
        Self::Channel,
        Self::View,
        Self::Session,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Air => "air",
            Self::Queue => "queue",
            Self::Caller => "caller",
            Self::Channel => "channel",
            Self::View => "view",
            Self::Session => "session",
        }
    }
}

/// In which views a key means this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Anywhere,
    /// Air, Queue and Caller: a caller is selected there.
    Callers,
    /// A list of callers that can be sorted.
    Queue,
    Channels,
}

/// Rights, least first, as the server has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    Viewer,
    Screener,
    Operator,
}

#[derive(Debug)]
pub struct Spec {
    pub action: Action,
    /// As `config.toml` and the palette call it.
    pub name: &'static str,
    /// Sequences, the first one is shown.
    pub keys: &'static [&'static str],
    pub group: Group,
    pub scope: Scope,
    pub right: Right,
    /// What the server must say it can do; empty for nothing.
    pub capability: &'static str,
    /// Changes what is on air: armed first, and blocked while the console does not know the state.
    pub on_air: bool,
    /// One or two words for the footer.
    pub short: &'static str,
    /// One line for help.
    pub help: &'static str,
}

macro_rules! actions {
    ($($action:ident = $name:literal $keys:expr, $group:ident $scope:ident $right:ident $cap:literal $air:literal, $short:literal, $help:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Action { $($action,)* }
        /// The table.
        pub const ACTIONS: &[Spec] = &[$(Spec {
            action: Action::$action,
            name: $name,
            keys: &$keys,
            group: Group::$group,
            scope: Scope::$scope,
            right: Right::$right,
            capability: $cap,
            on_air: $air,
            short: $short,
            help: $help,
        },)*];
    };
}

actions! {
    Take = "take" ["t"], Air Callers Operator "slots" true, "take", "Take the selected caller (or the next READY one) to a free slot, the selected one first";
    Fade = "fade" ["f"], Air Callers Operator "slots" true, "fade", "The same with a crossfade";
    TakeOver = "take-over" ["T"], Air Callers Operator "slots" true, "take over", "Take to the selected slot, replacing who is on it, READY or not";
    Release = "release" ["r"], Air Callers Operator "slots" true, "release", "Release the selected slot; the caller stays on the line, HELD";
    ReleaseRequeue = "release-requeue" ["R q"], Air Callers Operator "slots" true, "to queue", "Release the selected slot; the caller is READY again, at the end of the queue";
    ReleaseDrop = "release-drop" ["R d"], Air Callers Operator "slots" true, "end call", "Release the selected slot and end the call; asks for the name";
    Undo = "undo" ["u"], Air Callers Operator "slots" true, "undo", "Undo your last take or release by the counter-command";
    AckClip = "ack-clip" ["!"], Air Anywhere Viewer "meters" false, "clip seen", "Take away the word CLIP";
    Approve = "approve" ["a"], Queue Callers Screener "callers" false, "approve", "Make the caller READY";
    Reject = "reject" ["x"], Queue Callers Screener "callers" false, "reject", "End the call with a reason the caller is told";
    Hold = "hold" ["h"], Queue Callers Screener "callers" false, "hold", "Keep the caller on the line, passed over by next";
    Screen = "screen" ["s"], Queue Callers Screener "callers" false, "screen", "Mark the caller as being screened";
    MoveDown = "move-down" ["J"], Queue Callers Screener "callers" false, "down", "Move the caller one place down";
    MoveUp = "move-up" ["K"], Queue Callers Screener "callers" false, "up", "Move the caller one place up";
    MoveFirst = "move-first" ["^"], Queue Callers Screener "callers" false, "to head", "Move the caller to the head of the queue";
    Note = "note" ["n"], Queue Callers Screener "callers" false, "note", "Write a note that operators see";
    Mark = "mark" ["v"], Queue Queue Screener "callers" false, "mark", "Mark the caller, or take the mark away: a h s x c d are for all who are marked";
    MarkAll = "mark-all" ["V"], Queue Queue Screener "callers" false, "mark all", "Mark everybody who is shown, or nobody";
    SortPosition = "sort-position" ["o p"], Queue Queue Viewer "" false, "place", "Sort by place in the queue";
    SortWait = "sort-wait" ["o w"], Queue Queue Viewer "" false, "wait", "Sort by time waited, longest first";
    SortName = "sort-name" ["o n"], Queue Queue Viewer "" false, "name", "Sort by name";
    SortState = "sort-state" ["o s"], Queue Queue Viewer "" false, "state", "Sort by state, READY first";
    SortScore = "sort-score" ["o q"], Queue Queue Viewer "" false, "quality", "Sort by quality of the link, best first";
    SortLevel = "sort-level" ["o l"], Queue Queue Viewer "" false, "level", "Sort by level, loudest first";
    SortReverse = "sort-reverse" ["o r"], Queue Queue Viewer "" false, "reverse", "Turn the order around";
    Card = "card" ["space"], Caller Callers Viewer "callers" false, "card", "Open or close the caller's card";
    Chat = "chat" ["c"], Caller Callers Screener "callers" false, "chat", "Write to the caller";
    Mute = "mute" ["m"], Caller Callers Operator "callers" true, "mute", "Silence the caller in the slot, or let them be heard again";
    Drop = "drop" ["d"], Caller Callers Operator "callers" true, "end call", "End the call; asks for the name";
    Invite = "invite" ["i"], Caller Anywhere Operator "callers" false, "join link", "Make a join link, with its QR code";
    Practice = "practice" ["P"], Caller Anywhere Operator "callers" false, "practice", "Let synthetic callers in, or send them away: to rehearse with";
    Auto = "channel-auto" ["b", "F a"], Channel Channels Operator "channels" true, "auto", "Let the channel choose live or backup by itself again";
    ForceLive = "channel-live" ["F l"], Channel Channels Operator "channels" true, "live", "Hold the channel on its live input";
    ForceBackup = "channel-backup" ["F b"], Channel Channels Operator "channels" true, "backup", "Hold the channel on its backup";
    Destination = "destination" ["D"], Channel Channels Operator "channels" true, "destination", "Switch a destination on or off";
    StartChannel = "channel-start" ["F s"], Channel Channels Operator "channels" true, "start", "Put the channel on air";
    StopChannel = "channel-stop" ["F x"], Channel Channels Operator "channels" true, "stop", "Take the channel off air; asks for the name";
    Next = "next-view" ["tab"], View Anywhere Viewer "" false, "next view", "Next view";
    Previous = "previous-view" ["shift-tab"], View Anywhere Viewer "" false, "previous view", "Previous view";
    GoAir = "view-air" ["g a"], View Anywhere Viewer "" false, "Air", "Slots, queue, channels and log at a glance";
    GoQueue = "view-queue" ["g q"], View Anywhere Viewer "callers" false, "Queue", "Everybody in the queue, sortable";
    GoChannels = "view-channels" ["g c"], View Anywhere Viewer "channels" false, "Channels", "24x7 outputs with their destinations";
    GoLog = "view-log" ["g l"], View Anywhere Viewer "" false, "Log", "What happened, and who did it";
    GoHealth = "view-health" ["g h"], View Anywhere Viewer "" false, "Health", "Server, workers, ledger, receivers";
    Down = "down" ["j", "down"], View Anywhere Viewer "" false, "down", "Next row";
    Up = "up" ["k", "up"], View Anywhere Viewer "" false, "up", "Previous row";
    PageDown = "page-down" ["pgdn", "ctrl-f"], View Anywhere Viewer "" false, "page down", "A page down";
    PageUp = "page-up" ["pgup", "ctrl-b"], View Anywhere Viewer "" false, "page up", "A page up";
    First = "first" ["g g", "home"], View Anywhere Viewer "" false, "first", "First row";
    Last = "last" ["G", "end"], View Anywhere Viewer "" false, "last", "Last row";
    Filter = "filter" ["/"], View Anywhere Viewer "" false, "filter", "Show only rows with these words";
    Palette = "palette" [":"], View Anywhere Viewer "" false, "command", "Find any command, caller, slot or channel";
    Help = "help" ["?", "f1"], View Anywhere Viewer "" false, "help", "All keys";
    Back = "back" ["esc"], View Anywhere Viewer "" false, "back", "Close what is open; cancel what is armed; stop a bulk action; drop marks, then the filter";
    StartShow = "show-start" [], Session Anywhere Operator "shows" false, "start show", "Start the show";
    StopShow = "show-stop" [], Session Anywhere Operator "shows" true, "stop show", "Stop the show; asks for the name";
    OpenShow = "show-open" [], Session Anywhere Operator "shows" false, "open", "Let new callers in, or keep them out";
    Immediate = "immediate" [], Session Anywhere Viewer "" false, "immediate", "On-air keys act at once, or arm first, until you leave";
    Theme = "theme" [], Session Anywhere Viewer "" false, "theme", "Dark or light";
    Pictures = "pictures" [], Session Anywhere Viewer "" false, "pictures", "Callers' pictures on or off";
    Redraw = "redraw" ["ctrl-l"], Session Anywhere Viewer "" false, "redraw", "Draw the whole screen again";
    Suspend = "suspend" ["ctrl-z"], Session Anywhere Viewer "" false, "suspend", "Back to the shell for a while; fg returns";
    Quit = "quit" ["q", "ctrl-c"], Session Anywhere Viewer "" false, "quit", "Leave; what is on air stays";
}

impl Action {
    pub fn spec(self) -> &'static Spec {
        // One row per variant, in order: the macro makes both.
        &ACTIONS[self as usize]
    }

    pub fn from_name(name: &str) -> Option<Self> {
        ACTIONS
            .iter()
            .find(|spec| spec.name == name)
            .map(|spec| spec.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_action_is_found_by_its_place_and_by_its_name() {
        for spec in ACTIONS {
            assert_eq!(spec.action.spec().name, spec.name);
            assert_eq!(Action::from_name(spec.name), Some(spec.action));
        }
        let names: BTreeSet<_> = ACTIONS.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), ACTIONS.len());
    }

    #[test]
    fn what_changes_the_air_is_for_those_who_may() {
        for spec in ACTIONS.iter().filter(|spec| spec.on_air) {
            assert!(spec.right == Right::Operator, "{}", spec.name);
        }
    }
}
