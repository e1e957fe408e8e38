//! Kills of the command itself.

use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Place, signal, wait_until};

fn start(place: &Place) -> Child {
    let script = "touch up; setsid sleep 600 & exec sleep 600";
    let mut command = place.command(&["run", "shop.toml", "--", "sh", "-c", script]);
    command.spawn().unwrap()
}

fn kill(place: &Place, mut child: Child) {
    signal(child.id(), Signal::KILL);
    child.wait().unwrap();
    place.check_nothing_left();
}

#[test]
fn a_kill_while_the_command_runs_leaves_nothing() {
    let place = Place::new();
    let child = start(&place);
    wait_until("the command", || place.path().join("up").exists());
    kill(&place, child);
}

/// Kills runs, each a little later than the one before; one takes some ten milliseconds up to its
/// command.
fn kill_at_moments(count: u32, step: Duration) {
    for moment in 0..count {
        let place = Place::new();
        let child = start(&place);
        std::thread::sleep(step * moment);
        kill(&place, child);
    }
}

#[test]
fn a_kill_at_any_moment_leaves_nothing() {
    kill_at_moments(30, Duration::from_millis(1));
}

#[test]
#[ignore = "takes a minute: a part of cargo xtask soak"]
fn two_hundred_kills_leave_nothing() {
    kill_at_moments(200, Duration::from_micros(250));
}
