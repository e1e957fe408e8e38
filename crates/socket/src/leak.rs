//! Proof that nothing was left behind.

use std::{
    collections::BTreeMap,
    fmt, io, thread,
    time::{Duration, Instant},
};

use miette::Diagnostic;
use thiserror::Error;

use crate::{
    sys::{self, Inventory},
    wait,
};

/// Compares the open descriptors and running threads of this process with those of before.
///
/// Begin with [`LeakCheck::new`], before a test opens anything, and end with [`LeakCheck::finish`],
/// after it has closed everything. Linux only; see [`LeakCheck::is_supported`].
///
/// ```
/// use standin_socket::{LeakCheck, Server};
///
/// # if !LeakCheck::is_supported() { return Ok(()); }
/// let check = LeakCheck::new()?;
/// let server = Server::builder().bind()?;
/// server.close();
/// check.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Other tests in the same process
/// Tests that run in parallel open and close descriptors too. What one of them has open when the
/// check ends looks like a leak at first, so the check gives every suspect [some
/// time](LeakCheck::grace) to disappear; what others open later does not count. Everything it
/// reports existed throughout.
#[derive(Debug)]
#[must_use = "only `finish` checks"]
pub struct LeakCheck {
    before: Inventory,
    grace: Duration,
}

impl LeakCheck {
    /// How long suspects may take to disappear, unless [`grace`](LeakCheck::grace) sets another
    /// time: 10 s.
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

    /// Returns whether this platform can report what a process has open.
    pub fn is_supported() -> bool {
        sys::inventory().is_ok()
    }

    /// Records what exists before the test.
    ///
    /// # Errors
    ///
    /// Returns an error if the platform cannot report it.
    pub fn new() -> io::Result<LeakCheck> {
        // The calling thread's means of waiting stay until it ends. They are not a leak, so they
        // count as there before.
        wait::with_waiter(|_| ())?;
        Ok(LeakCheck {
            before: sys::inventory()?,
            grace: Self::DEFAULT_GRACE,
        })
    }

    /// Sets how long new descriptors and threads may take to disappear: parallel tests should have
    /// ended by then. Default: 10 s.
    pub fn grace(mut self, grace: Duration) -> LeakCheck {
        self.grace = grace;
        self
    }

    /// Checks that nothing new exists.
    ///
    /// # Errors
    ///
    /// Returns [`LeakError::Left`] with everything that was left, [`LeakError::Io`] if the platform
    /// cannot report it.
    pub fn finish(self) -> Result<(), LeakError> {
        let started = Instant::now();
        let mut suspects = self.before.news(sys::inventory()?);
        // There is no event for the close of a descriptor: this is the one place that has to look
        // again.
        let mut pause = Duration::from_millis(1);
        while !suspects.is_empty() {
            if started.elapsed() >= self.grace {
                return Err(LeakError::Left(Box::new(suspects)));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
            suspects = suspects.remaining(sys::inventory()?);
        }
        Ok(())
    }
}

impl Inventory {
    /// What `now` has and `self` does not.
    fn news(&self, now: Inventory) -> Leftovers {
        let mut news = Leftovers {
            descriptors: now.descriptors,
            threads: now.threads,
        };
        // A number is used again for something else; the same number and name may be, too, and
        // is then not seen.
        news.descriptors
            .retain(|number, name| self.descriptors.get(number) != Some(name));
        news.threads
            .retain(|number, name| self.threads.get(number) != Some(name));
        news
    }
}

/// What was left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftovers {
    /// The kind of each descriptor (`socket:[4711]`), by number.
    pub descriptors: BTreeMap<u32, String>,
    /// The name of each thread, by its number.
    pub threads: BTreeMap<u32, String>,
}

impl Leftovers {
    fn is_empty(&self) -> bool {
        self.descriptors.is_empty() && self.threads.is_empty()
    }

    /// Those that are still there.
    fn remaining(mut self, now: Inventory) -> Leftovers {
        self.descriptors
            .retain(|number, name| now.descriptors.get(number) == Some(name));
        // A thread sets its name a moment after it begins.
        self.threads
            .retain(|number, name| match now.threads.get(number) {
                Some(current) => {
                    name.clone_from(current);
                    true
                }
                None => false,
            });
        self
    }
}

impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, what) in &self.descriptors {
            write!(f, "\n  descriptor {number}: {what}")?;
        }
        for (number, name) in &self.threads {
            write!(f, "\n  thread {number}: {name}")?;
        }
        Ok(())
    }
}

/// Why a leak check failed.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum LeakError {
    /// Something was left behind.
    #[error("left behind: {} descriptors, {} threads{}", .0.descriptors.len(), .0.threads.len(), .0)]
    #[diagnostic(
        code(standin::socket::leak),
        help(
            "close what opened them; or, if other tests of this process hold them, allow a longer grace"
        )
    )]
    Left(Box<Leftovers>),

    /// The platform cannot report it.
    #[error("cannot find out what this process has open")]
    #[diagnostic(
        code(standin::socket::leak_unknown),
        help("only Linux can report this")
    )]
    Io(#[from] io::Error),
}

standin_error::reportable!(LeakError);

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(descriptors: &[(u32, &str)]) -> Inventory {
        let descriptors = descriptors
            .iter()
            .map(|(number, name)| (*number, (*name).to_owned()))
            .collect();
        Inventory {
            descriptors,
            threads: BTreeMap::new(),
        }
    }

    #[test]
    fn a_suspect_is_what_is_new_and_a_leak_what_stays() {
        let before = inventory(&[(3, "socket:[1]"), (4, "pipe:[2]")]);
        let suspects = before.news(inventory(&[
            (3, "socket:[9]"),
            (4, "pipe:[2]"),
            (5, "socket:[10]"),
        ]));
        assert_eq!(
            suspects.descriptors.keys().copied().collect::<Vec<_>>(),
            [3, 5]
        );
        let left = suspects.remaining(inventory(&[
            (3, "socket:[9]"),
            (5, "socket:[11]"),
            (6, "socket:[12]"),
        ]));
        assert_eq!(left.descriptors.into_keys().collect::<Vec<_>>(), [3]);
    }
}
