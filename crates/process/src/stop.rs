use std::time::{Duration, Instant};

use standin_child::{Child, Descendant};
use standin_driver::DriverBase;
use standin_entity::Check;

use crate::{Signal, log, sys};

/// A stop under way: the process was asked to end.
pub(crate) struct Stop {
    pub(crate) signal: Signal,
    /// When the patience with it, and with what it has started, ends; `None` for never.
    pub(crate) until: Option<Instant>,
    /// What had to be killed, by name.
    pub(crate) killed: Vec<String>,
    /// What it left behind when it ended, by name.
    pub(crate) orphans: Vec<String>,
}

impl Stop {
    pub(crate) fn new(signal: Signal, grace: Duration) -> Self {
        Self {
            signal,
            // What is longer than the clock can count does not end.
            until: Instant::now().checked_add(grace),
            killed: Vec::new(),
            orphans: Vec::new(),
        }
    }

    /// Waits for the end of the process and then of what it has started, and
    /// kills them when their time is over. Answers whether all are gone.
    pub(crate) fn come_down(&mut self, child: &Child, base: &DriverBase) -> Check {
        let pid = child.pid();
        if child.wait(self.until).is_none() {
            let text = format!("process {pid} is still running after `stop_timeout`, killing it");
            log::warn(base, text);
            self.killed.push(format!("process {pid}"));
        } else {
            self.end_orphans(child, base);
        }
        match child.end(Instant::now() + Child::DEATH) {
            true => Check::Ready,
            false => Check::not_yet(format!(
                "process {pid}, or what it has started, survives SIGKILL"
            )),
        }
    }

    /// Asks what it has left behind to end, and waits for that. What those start
    /// while they end is asked as well.
    fn end_orphans(&mut self, child: &Child, base: &DriverBase) {
        let mut asked: Vec<u32> = Vec::new();
        while !child.is_over() {
            let left = child.below();
            let (known, new): (Vec<&Descendant>, Vec<&Descendant>) =
                left.iter().partition(|left| asked.contains(&left.pid()));
            if !new.is_empty() {
                let names: Vec<String> = new.iter().map(ToString::to_string).collect();
                let text = format!(
                    "process {} ended before what it had started: {}",
                    child.pid(),
                    names.join(", ")
                );
                log::warn(base, text);
                self.orphans.extend(names);
                // They had no reason to end yet, unless the whole group was asked.
                let _ = child.signal_group(sys::number(self.signal));
                new.iter().for_each(|left| left.terminate());
                asked.extend(new.iter().map(|left| left.pid()));
            }
            match known.into_iter().chain(new).next() {
                Some(left) => {
                    left.wait(self.until);
                }
                // One that came while the list was made: the next look has it.
                None => {
                    child.wait_until_over(Instant::now() + Duration::from_millis(5));
                }
            }
            if self.until.is_some_and(|until| Instant::now() >= until) && !child.is_over() {
                let names = child
                    .below()
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>();
                log::warn(base, format!("killing {}", names.join(", ")));
                self.killed.extend(names);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patience_that_the_clock_cannot_count_does_not_end() {
        assert_eq!(Stop::new(Signal::Terminate, Duration::MAX).until, None);
        let until = Stop::new(Signal::Terminate, Duration::ZERO).until;
        assert!(until.is_some_and(|until| until <= Instant::now()));
    }
}
