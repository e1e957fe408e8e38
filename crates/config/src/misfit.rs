//! [`Misfit`]: options that are right alone and wrong together.

use std::fmt;
use std::ops::Range;

use crate::step::{Step, Within};

/// A conflict between options that are valid one by one, or between parts of one option. Found by
/// a function that a config names with `#[config(check(option, option) = function)]` on its struct.
///
/// ```
/// use standin_config::{Config, Misfit, Node};
///
/// /// A range.
/// #[derive(Clone, Debug, Config)]
/// #[config(check(from, to) = in_order)]
/// struct RangeConfig {
///     /// Where it begins.
///     from: u32,
///     /// Where it ends.
///     to: u32,
/// }
///
/// fn in_order(from: &u32, to: &u32) -> Vec<Misfit> {
///     match from <= to {
///         true => Vec::new(),
///         false => vec![Misfit::new("to", format!("it ends before {from}"))],
///     }
/// }
///
/// let error = Node::new("range", RangeBuilder::new().from(3).to(2)).unwrap_err();
/// assert_eq!(error.to_string(), "range: option \"to\": it ends before 3");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    option: String,
    path: Vec<Step>,
    within: Option<Range<usize>>,
    message: String,
    help: Option<String>,
}

impl Misfit {
    /// Something wrong with this option.
    pub fn new(option: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            option: option.into(),
            path: Vec::new(),
            within: None,
            message: message.into(),
            help: None,
        }
    }

    /// Something wrong with a table as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self::new("", message)
    }

    /// Sets the part of the option's value that it is about.
    #[must_use]
    pub fn at(mut self, path: impl IntoIterator<Item = Step>) -> Self {
        self.path.extend(path);
        self
    }

    /// Sets the bytes of the text that it is about, if the part is a text.
    #[must_use]
    pub fn within(mut self, bytes: Range<usize>) -> Self {
        self.within = Some(bytes);
        self
    }

    /// Sets how to fix it. Default: the purpose of the option.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns the option's name.
    pub fn option(&self) -> &str {
        &self.option
    }

    /// Returns the reason.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns where in the value it is.
    pub fn path(&self) -> &[Step] {
        &self.path
    }

    /// Which bytes of the text there are meant, if it is a text and not all are.
    pub fn bytes(&self) -> Option<Range<usize>> {
        self.within.clone()
    }

    pub(crate) fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// The option with the place in its value, and what is wrong: `"on[1].match": ...`.
impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = Within::new(&self.path, false);
        write!(f, "\"{}{within}\": {}", self.option, self.message)
    }
}
