//! Examples for the end of every help page and manual page. A test types each of them.

/// By what was typed, without `booth`; lines indented by two, `  # what it does` after a command where it helps.
pub fn of(path: &str) -> Option<&'static str> {
    EXAMPLES
        .iter()
        .find(|(known, _)| *known == path)
        .map(|(_, text)| *text)
}

const EXAMPLES: &[(&str, &str)] = &[
    (
        "status",
        "  booth status\n  booth status -o json | jq .units  # CPU and memory of each worker",
    ),
    (
        "console",
        "  booth console  # the show main; ? shows all keys\n  booth console --show evening --read-only  # look, touch nothing\n  booth console --record fault.jsonl  # keep what happens, to be looked at later\n  booth console --replay fault.jsonl  # without a server\n  booth console --replay fault.jsonl --snapshot svg --size 100x30 --at 90s > fault.svg",
    ),
    (
        "watch",
        "  booth watch\n  booth watch -o ndjson --since 41  # go on after revision 41: nothing is missed\n  booth watch --meters --rate 5 -o ndjson",
    ),
    (
        "invite create",
        "  booth invite create --name Anna --qr\n  booth invite create --show late --uses 20 --ttl 2h -o json | jq -r .url",
    ),
    (
        "invite list",
        "  booth invite list\n  booth invite list --show late -o name",
    ),
    ("invite delete", "  booth invite delete i9f3"),
    (
        "caller list",
        "  booth caller list\n  booth caller list --show main --ended -o json | jq -r '.callers[].displayName'",
    ),
    (
        "caller get",
        "  booth caller get c7k2m9\n  booth caller get Anna -o json",
    ),
    ("caller screen", "  booth caller screen Anna"),
    ("caller approve", "  booth caller approve c7k2m9"),
    (
        "caller reject",
        "  booth caller reject Anna --reason 'not today, sorry'",
    ),
    ("caller hold", "  booth caller hold Anna"),
    (
        "caller move",
        "  booth caller move Anna --to 1  # the head of the queue",
    ),
    (
        "caller note",
        "  booth caller note Anna speaks fast, has a strong opinion",
    ),
    (
        "caller drop",
        "  booth caller drop Anna\n  booth caller drop --all --show main --yes",
    ),
    ("caller mute", "  booth caller mute Anna"),
    ("caller unmute", "  booth caller unmute Anna"),
    (
        "caller chat",
        "  booth caller chat Anna You are next, please turn the radio down\n  booth caller chat Anna  # show what was said",
    ),
    ("caller tile", "  booth caller tile Anna --out anna.jpg"),
    ("slot list", "  booth slot list\n  booth slot list -o name"),
    (
        "slot create",
        "  booth slot create 3\n  booth slot create phones --audio-only --idle test --port 9010\n  booth slot create 4 --push srt://studio.example:9000 --passphrase-file secret",
    ),
    ("slot get", "  booth slot get 1"),
    (
        "slot update",
        "  booth slot update 1 --idle image:/srv/standby.png --latency 200\n  booth slot update 1 --passphrase-file secret --stream-id slot1\n  booth slot update 1 --vmix 192.0.2.20 --vmix-input 4 --vmix-title 12/Headline.Text\n  booth slot update 1 --no-vmix",
    ),
    ("slot delete", "  booth slot delete 3 --yes"),
    (
        "slot take",
        "  booth slot take 1 --next --wait  # the first READY caller; returns once they are on the output\n  booth slot take 1 Anna --fade 500\n  booth slot take 1 Ben --override  # not READY, or somebody is on it",
    ),
    (
        "slot release",
        "  booth slot release 1 --wait\n  booth slot release 1 --requeue --fade 1s",
    ),
    (
        "slot arm",
        "  booth slot arm 1 Anna --wait  # a take is only a switch then\n  booth slot arm 1 --auto",
    ),
    (
        "slot url",
        "  booth slot url 1 --for vmix\n  ffplay $(booth slot url 1 --for ffmpeg)\n  booth slot url 1 --for obs --host 203.0.113.7",
    ),
    ("slot tile", "  booth slot tile 1 --out slot1.jpg"),
    ("channel list", "  booth channel list"),
    (
        "channel create",
        "  booth channel create radio --backup /srv/loop.mp4 --start\n  booth channel create tv --mode transcode --size 1920x1080 --fps 25 --backup /srv/a.mp4 /srv/b.mp4",
    ),
    ("channel get", "  booth channel get radio"),
    (
        "channel update",
        "  booth channel update radio --lost 300ms --delay 600ms\n  booth channel update radio --backup /srv/new.mp4",
    ),
    ("channel delete", "  booth channel delete radio --yes"),
    (
        "channel start",
        "  booth channel start radio --wait  # returns once it is on air",
    ),
    ("channel stop", "  booth channel stop radio --wait"),
    (
        "channel force",
        "  booth channel force radio backup --wait\n  booth channel force radio auto",
    ),
    ("channel rotate-key", "  booth channel rotate-key radio"),
    ("channel key", "  booth channel key radio --reveal"),
    ("channel kick", "  booth channel kick radio"),
    (
        "channel url",
        "  booth channel url radio --for obs --reveal\n  booth channel url radio --host live.example",
    ),
    (
        "channel check",
        "  booth channel check /srv/loop.mp4 --for radio",
    ),
    (
        "channel drill",
        "  booth channel drill radio\n  booth channel drill radio -o json | jq .summary",
    ),
    ("destination list", "  booth destination list radio"),
    (
        "destination add",
        "  booth destination add radio youtube --preset youtube --key-file yt.key\n  booth destination add radio studio --url srt://studio.example:9000 --disabled",
    ),
    ("destination get", "  booth destination get radio youtube"),
    (
        "destination update",
        "  booth destination update radio youtube --key-file new.key",
    ),
    (
        "destination enable",
        "  booth destination enable radio youtube --wait  # returns once it is LIVE",
    ),
    (
        "destination disable",
        "  booth destination disable radio youtube --wait",
    ),
    (
        "destination remove",
        "  booth destination remove radio youtube --yes",
    ),
    (
        "destination key",
        "  booth destination key radio youtube --reveal",
    ),
    ("show list", "  booth show list"),
    (
        "show create",
        "  booth show create late --title 'Late show'",
    ),
    ("show get", "  booth show get main"),
    (
        "show update",
        "  booth show update main --max-callers 50 --grace 2m\n  booth show update main --open false",
    ),
    ("show start", "  booth show start late"),
    ("show retry", "  booth show retry late"),
    ("show stop", "  booth show stop late"),
    ("show delete", "  booth show delete late --yes"),
    ("operator list", "  booth operator list"),
    (
        "operator add",
        "  booth operator add anna --role screener --display-name Anna > anna.token\n  booth operator add companion --role operator -o json | jq -r .token",
    ),
    ("operator token", "  booth operator token anna > anna.token"),
    (
        "operator link",
        "  booth operator link --ttl 1h  # for ?token= in a browser or a vMix web input",
    ),
    ("operator revoke", "  booth operator revoke anna --yes"),
    ("operator whoami", "  booth operator whoami"),
    ("context list", "  booth context list"),
    ("context use", "  booth context use studio"),
    (
        "context add",
        "  booth context add studio --server http://127.0.0.1:7401 --token-file ~/studio.token",
    ),
    ("context remove", "  booth context remove studio --yes"),
    (
        "login",
        "  booth login studio --server http://127.0.0.1:7401  # asks for the token, and does not show it\n  booth login studio --token-file anna.token",
    ),
    (
        "doctor",
        "  booth doctor\n  booth doctor disk turn\n  booth doctor -o json | jq '.checks[] | select(.result != \"RESULT_OK\")'",
    ),
    ("backup", "  booth backup booth-monday.backup"),
    (
        "restore",
        "  booth restore booth-monday.backup --data /var/lib/booth",
    ),
    (
        "demo",
        "  booth demo --callers 3\n  booth demo --callers 20 --seconds 600",
    ),
    (
        "completions",
        "  booth completions bash > ~/.local/share/bash-completion/completions/booth\n  booth completions zsh > ~/.zfunc/_booth\n  booth completions fish > ~/.config/fish/completions/booth.fish",
    ),
    (
        "man",
        "  booth man slot take | man -l -\n  booth man --dir ~/.local/share/man/man1",
    ),
    ("version", "  booth version"),
];
