//! `standin every-cut`.

use crate::support::{Ended, Place};

/// A server that answers, and a proxy before it.
const PINGS: &str = r#"
name = "pings"

[export]
HOST = "127.0.0.1"
PORT = "{{ context.wan.port }}"

[[driver]]
type = "tcp-server"
name = "server"
host = "127.0.0.1"
framing = "lines"

[[driver.on]]
equals = "PING"
reply = "PONG\n"

[[driver]]
type = "tcp-proxy"
name = "wan"
host = "127.0.0.1"
framing = "lines"
to = { driver = "server", value = "{{ host }}:{{ port }}" }
"#;

const CONNECT: &str = "exec 3<>/dev/tcp/$HOST/$PORT || exit 0; echo PING >&3";

fn place() -> Place {
    let place = Place::new();
    place.write("pings.toml", PINGS);
    place
}

#[test]
fn a_command_that_takes_what_comes_passes_every_cut() {
    let place = place();
    // Long enough for the cut to happen on a busy machine: what is given up before is not cut.
    let script = format!("{CONNECT}; read -t 5 answer <&3; true");
    let words = ["every-cut", "pings.toml", "--", "bash", "-c", &script];
    let ended = place.run(&words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let begin = "every cut: 2 frames on 1 connection, 10 runs in ";
    assert!(ended.stdout.starts_with(begin), "{ended:?}");
    assert!(
        ended.stdout.contains("10 passed, 0 failed, 0 hung"),
        "{ended:?}"
    );
    assert_eq!(ended.stderr, "");
    place.check_left(&ended);
}

#[test]
fn cuts_that_break_a_command_are_shown_and_one_that_hangs_is_ended() {
    let place = place();
    // It waits forever, and says what it has got.
    let script =
        format!("{CONNECT}; read answer <&3; echo \"got '$answer'\"; [ \"$answer\" = PONG ]");
    let run = |limit: &str| {
        place.run(&[
            "every-cut",
            "pings.toml",
            "--faults",
            "close,silence",
            "--limit",
            limit,
            "--",
            "bash",
            "-c",
            &script,
        ])
    };
    // On a busy machine a run that does not hang may take longer than a short limit.
    let is_as_expected = |ended: &Ended| ended.stdout.contains("0 passed, 2 failed, 2 hung");
    let ended = ["2s", "8s"].into_iter().map(run).find(is_as_expected);
    let ended = ended.unwrap_or_else(|| run("32s"));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(is_as_expected(&ended), "{ended:?}");
    let said = &ended.stdout;
    assert!(
        said.contains("the smallest cut that breaks it: wan:0:up:frame0:close"),
        "{said}"
    );
    assert!(said.contains("exit code 1"), "{said}");
    assert!(said.contains("  | got ''"), "{said}");
    let alone = [
        "every-cut",
        "pings.toml",
        "--cut",
        "wan:0:up:frame0:close",
        "--",
        "bash",
        "-c",
        &script,
    ];
    let ended = place.run(&alone);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stdout.starts_with("got ''\nevery cut: 2 frames"),
        "{ended:?}"
    );
    // What goes over its connections can be looked at.
    let files = ended.stdout.lines();
    let mut files = files.filter_map(|line| line.trim().strip_prefix("recorded: "));
    let transcript = files.find(|path| path.ends_with("transcript.txt"));
    let transcript = std::fs::read_to_string(transcript.unwrap()).unwrap();
    assert!(transcript.contains("close up at frame 0"), "{transcript}");
    place.check_left(&ended);
}

#[test]
fn what_cannot_be_cut_is_said() {
    let place = place();
    let every_cut = |file: &str, script: &str| {
        place.run(&[
            "every-cut",
            file,
            "--limit",
            "60s",
            "--",
            "bash",
            "-c",
            script,
        ])
    };
    for (file, script, says) in [
        (
            "pings.toml",
            "echo no luck; exit 3",
            "the test fails without a cut",
        ),
        ("pings.toml", "true", "nothing went through the proxy"),
        ("shop.toml", "true", "the test has no proxy"),
        ("none.toml", "true", "none.toml"),
    ] {
        let ended = every_cut(file, script);
        assert_eq!(ended.code, Some(125), "{ended:?}");
        assert!(ended.stderr.contains(says), "{says}: {ended:?}");
    }
    let ended = place.run(&[
        "every-cut",
        "pings.toml",
        "--faults",
        "explode",
        "--",
        "true",
    ]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

#[test]
fn a_command_that_ends_with_the_code_of_a_timeout_does_not_hang() {
    let place = place();
    let script = format!("{CONNECT}; read -r line <&3; [ \"$line\" = PONG ] || exit 124");
    let words = [
        "every-cut",
        "pings.toml",
        "--faults",
        "reset",
        "--",
        "bash",
        "-c",
        &script,
    ];
    let ended = place.run(&words);
    assert!(
        ended.stdout.contains("0 passed, 2 failed, 0 hung"),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("exit code 124"), "{ended:?}");
}
