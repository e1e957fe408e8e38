use std::convert::Infallible;
use std::fmt;
use std::time::Instant;

/// A process that a child has started, directly or not. On this system they
/// cannot be found, and so there is never one.
#[derive(Debug)]
pub struct Descendant(Infallible);

impl fmt::Display for Descendant {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl Descendant {
    /// Returns its number.
    pub fn pid(&self) -> u32 {
        match self.0 {}
    }

    /// Returns its name, as the system shows it.
    pub fn name(&self) -> &str {
        match self.0 {}
    }

    /// Waits for its end, not beyond `until`, and returns whether it has ended; `None` waits as
    /// long as it takes.
    pub fn wait(&self, _until: impl Into<Option<Instant>>) -> bool {
        match self.0 {}
    }

    /// Asks it to end (`SIGTERM`).
    pub fn terminate(&self) {
        match self.0 {}
    }

    /// Ends it (`SIGKILL`).
    pub fn kill(&self) {
        match self.0 {}
    }
}
