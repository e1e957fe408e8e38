//! `standin serve`, and how it ends. What it says in between is tested in `standin-session`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use rustix::process::Signal;

use crate::support::{Ended, Place, ended, signal};

/// An environment that is up, with a process in it.
fn start(place: &Place, file: &str) -> Child {
    let mut command = place.command(&["serve", "--stdio"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let requests =
        format!("{{\"id\": 1, \"method\": \"load\", \"params\": {{\"file\": \"{file}\"}}}}\n");
    let input = child.stdin.as_mut().unwrap();
    input.write_all(requests.as_bytes()).unwrap();
    // What it says later is not lost: nothing is read beyond what it has said by then.
    let mut output = BufReader::with_capacity(1, child.stdout.take().unwrap());
    let mut hear = |wanted: &str| {
        loop {
            let mut line = String::new();
            assert!(output.read_line(&mut line).unwrap() > 0, "no {wanted}");
            if line.contains(wanted) {
                return line;
            }
        }
    };
    assert!(hear("\"id\":1").contains("result"));
    input
        .write_all(b"{\"id\": 2, \"method\": \"start\"}\n")
        .unwrap();
    assert!(hear("\"id\":2").contains("result"));
    child.stdout = Some(output.into_inner());
    child
}

fn end(place: &Place, child: Child) -> Ended {
    let ended = ended(child);
    place.check_nothing_left();
    ended
}

#[test]
fn the_end_of_the_input_is_the_end_of_everything() {
    let place = Place::new();
    // `ended` closes the input.
    let child = start(&place, "shop.toml");
    end(&place, child).check(0, "");
}

#[test]
fn a_signal_takes_everything_down() {
    for (sent, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let place = Place::new();
        let mut child = start(&place, "shop.toml");
        let input = child.stdin.take();
        signal(child.id(), sent);
        end(&place, child).check(code, "");
        drop(input);
    }
}

#[test]
fn one_that_is_killed_leaves_nothing() {
    let place = Place::new();
    let mut child = start(&place, "shop.toml");
    let input = child.stdin.take();
    signal(child.id(), Signal::KILL);
    assert_eq!(end(&place, child).code, None);
    drop(input);
}

#[test]
fn what_is_missing_at_the_end_is_an_error() {
    let place = Place::new();
    let text = "name = 'bank'\n[[driver]]\ntype = 'tcp-server'\nname = 'bank'\n\
                framing = 'lines'\n[[driver.on]]\nequals = 'PAY'\nreply = 'paid'\ntimes = 1\n";
    place.write("bank.toml", text);
    let child = start(&place, "bank.toml");
    ended(child).check(125, "must match");
}

#[test]
fn there_is_only_one_way_to_speak() {
    let place = Place::new();
    place.run(&["serve"]).check(2, "--stdio");
}
