//! Where in a value something is.

use std::fmt;

use standin_error::text::Shortened;

/// One step into a list or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The item at this index of a list, counted from 0.
    Index(usize),
    /// The value under this key of a table.
    Key(String),
}

/// Whether one of the parts is within the other, or is the same.
pub(crate) fn overlap(first: &[Step], second: &[Step]) -> bool {
    first.starts_with(second) || second.starts_with(first)
}

/// The steps as one would write them behind the value's name: `[1].times`.
pub(crate) struct Within<'a>(&'a [Step]);

impl<'a> Within<'a> {
    /// A key that is wrong is named by the message, not by the place.
    pub(crate) fn new(path: &'a [Step], in_key: bool) -> Self {
        match path.split_last() {
            Some((_, rest)) if in_key => Self(rest),
            _ => Self(path),
        }
    }
}

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, ".{}", Shortened(key)),
        })
    }
}
