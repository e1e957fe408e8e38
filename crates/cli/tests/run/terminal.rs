//! Requests to end from a terminal.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{Place, ended, read_to, signal, wait_until};

/// What a terminal sends for Ctrl-C.
const CTRL_C: &[u8] = &[3];

/// A terminal, with a run in its foreground.
struct Terminal {
    keys: File,
    child: Child,
}

impl Terminal {
    /// Starts the command with these arguments, at a terminal of its own. What it prints goes
    /// elsewhere.
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let name = ptsname(&keys, Vec::new()).unwrap();
        let screen = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(name.to_str().unwrap())
            .unwrap();
        let command = place.command(arguments);
        // Only the leader of a session may have a terminal.
        let mut leader = Command::new("setsid");
        leader
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(place.path())
            .stdin(screen)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        Terminal {
            keys: keys.into(),
            child: leader.spawn().unwrap(),
        }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// Waits for the end of the run, and checks that nothing is left.
    fn end(self, place: &Place, code: i32) {
        let ended = ended(self.child);
        ended.check(code, "");
        place.check_left(&ended);
    }
}

#[test]
fn ctrl_c_between_the_environment_and_the_command_ends_the_run() {
    let place = Place::new();
    // It is written between the two, and nobody can write to a FIFO before somebody reads it.
    let variables = place.path().join("variables");
    mknodat(CWD, &variables, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let run = ["run", "shop.toml", "-v", "--env-file", "variables", "--"];
    let command = ["sh", "-c", "touch ran; while :; do sleep 0.01; done"];
    let mut terminal = Terminal::start(&place, &[run.as_slice(), &command].concat());
    read_to(&mut terminal.child, "environment \"shop\" is up after");
    let is_up = || {
        place
            .processes()
            .iter()
            .any(|line| line.contains("sleep 600"))
    };
    assert!(is_up());
    terminal.press(CTRL_C);
    terminal.end(&place, 130);
    assert!(!place.path().join("ran").exists());
}

#[test]
fn a_signal_of_another_process_is_passed_to_a_command_at_a_terminal() {
    let place = Place::new();
    let script = "trap 'touch got; exit 9' INT; sleep 0.2; touch up; \
                  while :; do sleep 0.01; done";
    let arguments = ["run", "shop.toml", "--", "sh", "-c", script];
    let terminal = Terminal::start(&place, &arguments);
    wait_until("the command", || place.path().join("up").exists());
    signal(terminal.child.id(), Signal::INT);
    terminal.end(&place, 9);
    assert!(place.path().join("got").exists());
}

#[test]
fn ctrl_c_at_any_moment_ends_the_run() {
    for round in 0..40 {
        let place = Place::new();
        let arguments = ["run", "shop.toml", "-v", "--", "sleep", "600"];
        let mut terminal = Terminal::start(&place, &arguments);
        read_to(&mut terminal.child, "environment \"shop\" is up after");
        // At another moment in each round.
        for _ in 0..round * 20 {
            thread::yield_now();
        }
        terminal.press(CTRL_C);
        terminal.end(&place, 130);
    }
}

#[test]
fn a_command_that_has_just_begun_gets_ctrl_c_once() {
    for _ in 0..10 {
        let place = Place::new();
        let script = "trap 'echo got >> got' INT; touch up; \
                      while ! test -e stop; do sleep 0.01; done";
        let arguments = ["run", "shop.toml", "--", "sh", "-c", script];
        let mut terminal = Terminal::start(&place, &arguments);
        wait_until("the command", || place.path().join("up").exists());
        terminal.press(CTRL_C);
        wait_until("the trap", || !place.read("got").is_empty());
        place.write("stop", "");
        terminal.end(&place, 0);
        assert_eq!(place.read("got"), "got\n");
    }
}

#[test]
fn a_command_can_ask_at_the_terminal_whatever_its_streams_are() {
    let place = Place::new();
    let inner = "./standin run shop.toml -- \
                 sh -c 'read line </dev/tty; echo $line >got' </dev/null";
    let arguments = ["run", "shop.toml", "--", "sh", "-c", inner];
    let mut terminal = Terminal::start(&place, &arguments);
    terminal.press(b"hello\n");
    terminal.end(&place, 0);
    assert_eq!(place.read("got"), "hello\n");
}
