//! What the tests share.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs::{self, File};
use std::io::{PipeReader, Read};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use standin_child::Command;

/// A bound for what should take no time at all: a hang is what it finds.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) fn soon() -> Instant {
    Instant::now() + SOON
}

pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// The reading end of a pipe that is the standard output of a program and of all
/// that it starts: it ends when the last of them has ended.
pub(crate) struct Trace(PipeReader);

pub(crate) fn traced(command: &mut Command) -> Trace {
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(File::from(OwnedFd::from(writer)));
    // The command keeps a copy of it: it is dropped by the next call of `stdout`.
    Trace(reader)
}

impl Trace {
    /// Reads what was written, until all have ended.
    #[track_caller]
    pub(crate) fn read_to_end(mut self) -> String {
        let mut text = Vec::new();
        loop {
            self.wait();
            let mut buffer = [0; 4096];
            match self.0.read(&mut buffer).unwrap() {
                0 => return String::from_utf8_lossy(&text).into_owned(),
                count => text.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Reads one line.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            self.wait();
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            if byte == [b'\n'] {
                return String::from_utf8(line).unwrap();
            }
            line.push(byte[0]);
        }
    }

    #[track_caller]
    fn wait(&self) {
        let timeout = Timespec::try_from(SOON).unwrap();
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&timeout)).unwrap();
        assert!(ready > 0, "somebody is alive, and writes nothing");
    }
}

/// The state of a process, such as `S`; `None` if there is none.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

#[track_caller]
pub(crate) fn eventually(what: impl Fn() -> bool) {
    let until = soon();
    while !what() {
        assert!(Instant::now() < until, "it did not come to pass");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many descriptors and children this process has.
#[cfg(target_os = "linux")]
pub(crate) fn descriptors_and_children() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
        + fs::read_to_string("/proc/thread-self/children")
            .map_or(0, |children| children.split_whitespace().count())
}
