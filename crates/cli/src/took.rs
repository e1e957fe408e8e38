//! [`Took`]: durations as people read them.

use std::fmt;
use std::time::Duration;

/// A duration as people read it.
pub(crate) struct Took(pub(crate) Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        match self.0.as_secs() {
            0 if seconds < 0.1 => write!(f, "{:.0} ms", seconds * 1e3),
            0..60 => write!(f, "{seconds:.1} s"),
            whole => write!(f, "{} min {} s", whole / 60, whole % 60),
        }
    }
}
