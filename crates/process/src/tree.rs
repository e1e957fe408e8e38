//! Finding what a process has started, also what has left its group.
//!
//! On Linux three traces are followed: the process group, the parents, and an
//! environment variable that children inherit. A process is held by a
//! descriptor, so that no other one that gets its number later is hit. On other
//! systems only the group is known.

#[cfg(target_os = "linux")]
pub(crate) use linux::{Member, descendants, members};
#[cfg(not(target_os = "linux"))]
pub(crate) use other::{Member, descendants, members};

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::fmt;
    use std::fs;
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec};
    use rustix::process::{Pid, PidfdFlags};

    /// A process that belongs to a tree.
    pub(crate) struct Member {
        pid: u32,
        name: String,
        handle: OwnedFd,
    }

    impl fmt::Display for Member {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} (pid {})", self.name, self.pid)
        }
    }

    impl Member {
        pub(crate) fn pid(&self) -> u32 {
            self.pid
        }

        /// Waits until it has ended; answers whether it has.
        pub(crate) fn wait(&self, until: Instant) -> bool {
            loop {
                let left = until.saturating_duration_since(Instant::now());
                // Rounded up, so that the last wait is not one of zero again and again.
                let timeout = Timespec::try_from(left + Duration::from_micros(1)).ok();
                let mut fds = [PollFd::new(&self.handle, PollFlags::IN)];
                match rustix::event::poll(&mut fds, timeout.as_ref()) {
                    Ok(0) if Instant::now() < until => {}
                    Ok(ready) => return ready > 0,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(_) => return true,
                }
            }
        }

        pub(crate) fn has_ended(&self) -> bool {
            self.wait(Instant::now())
        }

        pub(crate) fn kill(&self) {
            self.send(rustix::process::Signal::KILL);
        }

        pub(crate) fn terminate(&self) {
            self.send(rustix::process::Signal::TERM);
        }

        fn send(&self, signal: rustix::process::Signal) {
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

    /// The processes below `leader` by their parents, as they are now.
    pub(crate) fn descendants(leader: u32) -> Vec<Member> {
        let entries = list();
        let mut below: HashMap<u32, bool> = HashMap::from([(leader, true)]);
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
        hold(entries, |entry| {
            entry.pid != leader && below.get(&entry.pid).copied().unwrap_or_default()
        })
    }

    /// The processes, `leader` excepted, that are of its group or have `mark`
    /// (`NAME=value`) in their environment.
    pub(crate) fn members(leader: u32, mark: &str) -> Vec<Member> {
        let own = std::process::id();
        hold(list(), |entry| {
            entry.pid != leader
                && entry.pid != own
                && (entry.group == leader || has_mark(entry.pid, mark.as_bytes()))
        })
    }

    fn has_mark(pid: u32, mark: &[u8]) -> bool {
        // That of another user's process cannot be read: it is none of ours.
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
            environ
                .split(|byte| *byte == 0)
                .any(|variable| variable == mark)
        })
    }

    fn hold(entries: Vec<Entry>, belongs: impl Fn(&Entry) -> bool) -> Vec<Member> {
        entries
            .into_iter()
            .filter(|entry| belongs(entry))
            .filter_map(|entry| {
                let pid = Pid::from_raw(i32::try_from(entry.pid).ok()?)?;
                let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
                // Held now: if it is still the same one, it cannot become another any more.
                let same = read(entry.pid)?;
                (same.parent == entry.parent && same.group == entry.group).then_some(Member {
                    pid: entry.pid,
                    name: entry.name,
                    handle,
                })
            })
            .filter(|member| !member.has_ended())
            .collect()
    }

    /// All processes that can be seen. What vanishes meanwhile is left out.
    fn list() -> Vec<Entry> {
        let Ok(folder) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        folder
            .filter_map(|entry| read(entry.ok()?.file_name().to_str()?.parse().ok()?))
            .collect()
    }

    fn read(pid: u32) -> Option<Entry> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        parse(pid, &stat)
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
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::fmt;
    use std::time::Instant;

    /// Never made: only the group as a whole is known here.
    pub(crate) enum Member {}

    impl fmt::Display for Member {
        fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match *self {}
        }
    }

    impl Member {
        pub(crate) fn pid(&self) -> u32 {
            match *self {}
        }

        pub(crate) fn wait(&self, _until: Instant) -> bool {
            match *self {}
        }

        pub(crate) fn has_ended(&self) -> bool {
            match *self {}
        }

        pub(crate) fn kill(&self) {
            match *self {}
        }

        pub(crate) fn terminate(&self) {
            match *self {}
        }
    }

    pub(crate) fn descendants(_leader: u32) -> Vec<Member> {
        Vec::new()
    }

    pub(crate) fn members(_leader: u32, _mark: &str) -> Vec<Member> {
        Vec::new()
    }
}
