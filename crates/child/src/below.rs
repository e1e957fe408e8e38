//! The processes below another one.
//!
//! A process is held by a descriptor, so that no other one that gets its number
//! later is hit.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

/// A process that a child has started, directly or not.
#[derive(Debug)]
pub struct Descendant {
    pid: u32,
    name: String,
    handle: OwnedFd,
}

/// As `name (pid 12)`.
impl fmt::Display for Descendant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

impl Descendant {
    /// Returns its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns its name, as the system shows it: at most 15 bytes.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// Waits for its end, not beyond `until`, and returns whether it has ended; `None` waits as
    /// long as it takes.
    pub fn wait(&self, until: impl Into<Option<Instant>>) -> bool {
        let until = until.into();
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            // Rounded up, so that the last wait is not one of zero again and again.
            let timeout =
                left.and_then(|left| Timespec::try_from(left + Duration::from_micros(1)).ok());
            let mut fds = [PollFd::new(&self.handle, PollFlags::IN)];
            match rustix::event::poll(&mut fds, timeout.as_ref()) {
                Ok(0) if until.is_none_or(|until| Instant::now() < until) => {}
                Ok(ready) => return ready > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return true,
            }
        }
    }

    /// Asks it to end (`SIGTERM`).
    pub fn terminate(&self) {
        self.send(Signal::TERM);
    }

    /// Ends it (`SIGKILL`).
    pub fn kill(&self) {
        self.send(Signal::KILL);
    }

    fn send(&self, signal: Signal) {
        if let Err(error) = rustix::process::pidfd_send_signal(&self.handle, signal) {
            tracing::debug!(pid = self.pid, %error, "cannot be sent a signal");
        }
    }
}

#[derive(Debug)]
struct Entry {
    pid: u32,
    parent: u32,
    group: u32,
    name: String,
}

/// The processes below `root` by their parents, without `leader`.
pub(crate) fn list(root: u32, leader: u32) -> Vec<Descendant> {
    let entries = entries();
    let mut below: HashMap<u32, bool> = HashMap::from([(root, true)]);
    let parents: HashMap<u32, u32> = entries.iter().map(|e| (e.pid, e.parent)).collect();
    for entry in &entries {
        let mut line = vec![entry.pid];
        let found = loop {
            let last = line[line.len() - 1];
            if let Some(known) = below.get(&last) {
                break *known;
            }
            match parents.get(&last) {
                // A list that is read while it changes may have a circle.
                Some(parent) if !line.contains(parent) => line.push(*parent),
                _ => break false,
            }
        };
        below.extend(line.into_iter().map(|pid| (pid, found)));
    }
    let belongs = |entry: &Entry| {
        entry.pid != root
            && entry.pid != leader
            && below.get(&entry.pid).copied().unwrap_or_default()
    };
    hold(entries, belongs, |entry| entry.parent)
}

/// The processes of a group, without the one that leads it.
pub(crate) fn group(leader: u32) -> Vec<Descendant> {
    let belongs = |entry: &Entry| entry.pid != leader && entry.group == leader;
    hold(entries(), belongs, |entry| entry.group)
}

/// Holds those that belong, as long as what that was decided `by`, their parent or their group,
/// is what it was.
fn hold(
    entries: Vec<Entry>,
    belongs: impl Fn(&Entry) -> bool,
    by: fn(&Entry) -> u32,
) -> Vec<Descendant> {
    entries
        .into_iter()
        .filter(|entry| belongs(entry))
        .filter_map(|entry| {
            let pid = Pid::from_raw(i32::try_from(entry.pid).ok()?)?;
            let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
            // Held now: if it still belongs to that process, it can no longer become another.
            (by(&read(entry.pid)?) == by(&entry)).then_some(Descendant {
                pid: entry.pid,
                name: entry.name,
                handle,
            })
        })
        .collect()
}

/// All processes that can be seen and run. What vanishes meanwhile is left out.
fn entries() -> Vec<Entry> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    folder
        .filter_map(|entry| read(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .collect()
}

fn read(pid: u32) -> Option<Entry> {
    // Names need not be UTF-8.
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &String::from_utf8_lossy(&stat))
}

/// `12 (the name) S 1 12 ...`; the name may have anything in it.
fn parse(pid: u32, stat: &str) -> Option<Entry> {
    let (start, end) = (stat.find('(')?, stat.rfind(')')?);
    let mut fields = stat.get(end + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then(|| Entry {
        pid,
        parent,
        group,
        name: stat.get(start + 1..end).unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_with_parentheses_and_spaces() {
        let entry = parse(12, "12 (a) b) S) S 1 7 7 0").unwrap();
        assert_eq!((entry.parent, entry.group), (1, 7));
        assert_eq!(entry.name, "a) b) S");
        assert!(parse(12, "12 (gone) Z 1 7 7 0").is_none());
        assert!(parse(12, "nonsense").is_none());
    }

    #[test]
    fn a_member_of_a_group_is_held_also_when_it_has_just_lost_its_parent() {
        let mut process = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let mut entry = read(process.id()).unwrap();
        // As the system showed it before.
        entry.parent = process.id();
        let held = hold(vec![entry], |_| true, |entry| entry.group);
        assert_eq!(held.len(), 1);
        held[0].kill();
        assert!(held[0].wait(None));
        process.wait().unwrap();
    }
}
