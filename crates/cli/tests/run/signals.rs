//! Requests to end.

use std::process::Child;

use rustix::process::Signal;

use crate::support::{Ended, Place, ended, read_to, signal, wait_until};

/// Starts a command that makes a file `up` when it runs, and waits for that.
fn start(place: &Place, script: &str) -> Child {
    start_with(place, "--default-signal", script)
}

fn start_with(place: &Place, signals: &str, script: &str) -> Child {
    let script = format!("{script}; touch up; while :; do sleep 0.01; done");
    let arguments = ["run", "shop.toml", "-v", "--", "sh", "-c", &script];
    let child = place.command_with(signals, &arguments).spawn().unwrap();
    wait_until("the command", || place.path().join("up").exists());
    child
}

fn end(place: &Place, child: Child) -> Ended {
    let ended = ended(child);
    place.check_left(&ended);
    ended
}

#[test]
fn a_signal_goes_to_the_command() {
    for (sent, name, code) in [
        (Signal::INT, "INT", 130),
        (Signal::TERM, "TERM", 143),
        (Signal::HUP, "HUP", 129),
    ] {
        let place = Place::new();
        let child = start(&place, ":");
        signal(child.id(), sent);
        end(&place, child).check(code, "is down after");

        let place = Place::new();
        let child = start(&place, &format!("trap 'touch got; exit 9' {name}"));
        signal(child.id(), sent);
        end(&place, child).check(9, "is down after");
        assert!(place.path().join("got").exists());
    }
}

#[test]
fn a_signal_that_is_ignored_from_the_start_stays_so() {
    let place = Place::new();
    let child = start_with(&place, "--ignore-signal=HUP", ":");
    signal(child.id(), Signal::HUP);
    signal(child.id(), Signal::TERM);
    end(&place, child).check(143, "is down after");
}

#[test]
fn a_second_signal_ends_a_command_that_ignores_the_first() {
    let place = Place::new();
    let child = start(&place, "trap 'touch got' TERM; trap 'touch got-int' INT");
    signal(child.id(), Signal::TERM);
    wait_until("the trap", || place.path().join("got").exists());
    signal(child.id(), Signal::INT);
    // Of the first one.
    end(&place, child).check(143, "");
    assert!(!place.path().join("got-int").exists());
}

#[test]
fn a_terminal_that_is_gone_ends_a_command_that_ignores_that() {
    let place = Place::new();
    let child = start(&place, "trap '' HUP");
    signal(child.id(), Signal::HUP);
    end(&place, child).check(137, "");
}

#[test]
fn a_signal_ends_a_start() {
    let place = Place::new();
    place.write_slow("touch UP; exec sleep 600", "never");
    let child = place
        .command(&["run", "slow.toml", "--", "touch", "ran"])
        .spawn()
        .unwrap();
    wait_until("the process", || place.path().join("up").exists());
    signal(child.id(), Signal::INT);
    let ended = ended(child);
    ended.check(130, "app");
    assert!(!place.path().join("ran").exists());
    assert!(place.processes().is_empty());
}

#[test]
fn a_signal_during_the_stop_is_answered_and_the_next_one_ends_that() {
    let place = Place::new();
    place.write_slow(
        "trap 'touch UP' TERM; echo ready; while :; do sleep 0.01; done",
        "ready",
    );
    let mut child = place
        .command(&["run", "slow.toml", "--", "true"])
        .spawn()
        .unwrap();
    wait_until("the stop", || place.path().join("up").exists());
    signal(child.id(), Signal::INT);
    read_to(
        &mut child,
        "standin: stopping; Ctrl-C once more ends everything at once\n",
    );
    // Two of a kind that come together may be one request.
    signal(child.id(), Signal::TERM);
    assert_eq!(ended(child).code, Some(130));
    wait_until("the end of all processes", || place.processes().is_empty());
}

#[test]
fn a_request_that_comes_as_two_signals_is_one() {
    let is_one = |_| {
        let place = Place::new();
        let child = start(&place, "trap 'sleep 0.2; touch got; exit 9' TERM");
        signal(child.id(), Signal::TERM);
        signal(child.id(), Signal::TERM);
        let ended = end(&place, child);
        let is_down = ended.code == Some(9) && ended.stderr.contains("is down after");
        is_down && place.path().join("got").exists()
    };
    // On a busy machine they may be too far apart, which makes them two.
    assert!((0..10).any(is_one), "two signals are never one request");
}
