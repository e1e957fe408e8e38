use std::time::{Duration, Instant};

use standin_driver::{DriverBase, Level};
use standin_entity::Check;

use crate::Signal;
use crate::child::Child;
use crate::tree::Member;

/// How long a process may take to be gone after it was killed.
pub(crate) const DEATH: Duration = Duration::from_secs(5);

/// A stop under way: the process has been told.
pub(crate) struct Stop {
    pub(crate) signal: Signal,
    /// When the patience with it, and with what it has started, ends.
    pub(crate) until: Instant,
    /// Whether it had to be killed.
    pub(crate) killed: bool,
    /// What was below the process when it was told to stop.
    pub(crate) below: Vec<Member>,
    /// What it left behind when it ended, by name.
    pub(crate) orphans: Vec<String>,
}

impl Stop {
    pub(crate) fn new(signal: Signal, grace: Duration) -> Self {
        let now = Instant::now();
        Self {
            signal,
            // Longer than the clock can tell is longer than anybody waits.
            until: now.checked_add(grace).unwrap_or(now + 1000 * DEATH),
            killed: false,
            below: Vec::new(),
            orphans: Vec::new(),
        }
    }

    /// Waits for the end of the process and then of what it has started, and
    /// kills them when their time is over. Answers whether all are gone.
    pub(crate) fn come_down(&mut self, child: &Child, base: &DriverBase) -> Check {
        let pid = child.pid();
        if child.wait(Some(self.until)).is_none() {
            let text = format!("process {pid} is still there after `stop_timeout`, killing it");
            base.log(Level::WARN, text);
            self.killed = true;
            child.kill();
            if child.wait(Some(Instant::now() + DEATH)).is_none() {
                return Check::not_yet(format!("process {pid} survives SIGKILL"));
            }
        }
        let mut left: Vec<Member> = child.members();
        for member in self.below.drain(..) {
            if !member.has_ended() && !left.iter().any(|other| other.pid() == member.pid()) {
                left.push(member);
            }
        }
        if !left.is_empty() {
            let names: Vec<String> = left.iter().map(Member::to_string).collect();
            let text = format!(
                "process {pid} ended before what it had started: {}",
                names.join(", ")
            );
            base.log(Level::WARN, text);
            self.orphans.extend(names);
            self.end(child, &left, base);
        }
        match child.finish(Instant::now() + DEATH) {
            true => Check::Ready,
            false => Check::not_yet(format!("process {pid} is still there")),
        }
    }

    fn end(&self, child: &Child, left: &[Member], base: &DriverBase) {
        // They had no reason to end yet, unless the whole group was told.
        let _ = child.signal_group(self.signal);
        left.iter().for_each(Member::terminate);
        for member in left {
            if !member.wait(self.until) {
                base.log(Level::WARN, format!("killing {member}"));
                member.kill();
                member.wait(Instant::now() + DEATH);
            }
        }
    }
}
