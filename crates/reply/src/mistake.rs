//! The mistakes in replies before any connection.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use miette::Diagnostic;
use standin_error::text::{Count, Names, Quoted, Shortened};
use standin_error::{Reportable, several};
use thiserror::Error;

use crate::Times;

/// Where in replies something is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// The greeting.
    Greeting,
    /// The rule of that index, in the order of declaration, counted from 0. Messages count from 1.
    Rule(usize),
    /// What happens to unmatched frames.
    Otherwise,
    /// A step of a dialogue.
    Dialogue {
        /// The connection whose own dialogue it is, or `None` for the one of all others.
        connection: Option<usize>,
        /// The indices that lead to the step, counted from 0: of the step; in a `repeat`, of the
        /// step in it; in a `branch`, of the arm and of the step in that. Messages count from 1.
        path: Vec<usize>,
    },
    /// How many connections there may be.
    Connections,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Greeting => f.write_str("the greeting"),
            Place::Rule(index) => write!(f, "rule {}", index + 1),
            Place::Otherwise => f.write_str("what happens otherwise"),
            Place::Dialogue { connection, path } => {
                write!(f, "step {} of ", Path(path))?;
                match connection {
                    Some(index) => write!(f, "the dialogue of connection {index}"),
                    None => f.write_str("the dialogue"),
                }
            }
            Place::Connections => f.write_str("the number of connections"),
        }
    }
}

/// `3.1.2`, counted from 1.
pub(crate) struct Path<'a>(pub(crate) &'a [usize]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, index) in self.0.iter().enumerate() {
            let dot = if depth == 0 { "" } else { "." };
            write!(f, "{dot}{}", index + 1)?;
        }
        Ok(())
    }
}

/// A mistake in replies, and where.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("{place}: {problem}")]
#[diagnostic(forward(problem))]
pub struct Mistake {
    place: Place,
    problem: Problem,
}

impl Mistake {
    pub(crate) fn new(place: Place, problem: Problem) -> Mistake {
        Mistake { place, problem }
    }

    /// Returns where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Returns the reason.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        vec![&self.problem]
    }
}

standin_error::reportable!(Mistake, parts = Mistake::parts);

/// A problem in a part of replies.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum Problem {
    /// A regular expression does not parse.
    #[error("the pattern `{}` is not valid: {reason}", Shortened(expression))]
    #[diagnostic(
        code(standin::reply::pattern),
        help(
            "see https://docs.rs/regex/latest/regex/#syntax; `\\` before a special character makes it literal"
        )
    )]
    Pattern {
        /// The expression.
        expression: Arc<str>,
        /// The reason.
        reason: String,
        /// Which bytes of it are meant, if that is known.
        span: Option<Range<usize>>,
    },

    /// A template uses an unknown name.
    #[error("the reply names `{}`, which is unknown", Shortened(name))]
    #[diagnostic(
        code(standin::reply::unknown_name),
        help(
            "a pattern gives a name to what its groups match, `(?<{}>...)`; {}",
            Shortened(name),
            available(known)
        )
    )]
    UnknownName {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },

    /// A template does not parse.
    #[error("the reply is not a valid template: {reason}")]
    #[diagnostic(
        code(standin::reply::template),
        help("`{{{{ name }}}}` is replaced; to send braces as they are, use `reply_bytes`")
    )]
    Template {
        /// The reason.
        reason: String,
    },

    /// A text is not valid hexadecimal.
    #[error("invalid hexadecimal: {reason}")]
    #[diagnostic(
        code(standin::reply::hex),
        help("write two digits for each byte: \"00 ff 0a\"")
    )]
    Hex {
        /// The reason.
        reason: String,
    },

    /// A file with a reply cannot be read.
    #[error("cannot read the reply in `{}`: {reason}", path.display())]
    #[diagnostic(
        code(standin::reply::file),
        help("the path is relative to the working directory, unless it begins with `/`")
    )]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },

    /// A rule never applies, because an earlier one does.
    #[error("{what} can never be reached: rule {} ({earlier}) matches everything that it matches", by + 1)]
    #[diagnostic(
        code(standin::reply::unreachable),
        help(
            "the first rule that matches applies: declare this one before the other, or limit how often the other does, `times(..=1)`"
        )
    )]
    Unreachable {
        /// The frames that the rule matches.
        what: String,
        /// The index of the earlier rule, counted from 0.
        by: usize,
        /// The frames that the earlier one matches.
        earlier: String,
    },

    /// A rule is for a state that no connection gets into.
    #[error("no answer brings a connection into the state {}", Quoted(state))]
    #[diagnostic(code(standin::reply::unknown_state), help("{}", states(known)))]
    UnknownState {
        /// The state.
        state: Arc<str>,
        /// The states that there are.
        known: Vec<Arc<str>>,
    },

    /// At least more than at most.
    #[error("no number is {} or more and {} or less", times.least(), times.most().unwrap_or_default())]
    #[diagnostic(
        code(standin::reply::impossible_times),
        help("write `1..=3`, the smaller number first")
    )]
    ImpossibleTimes {
        /// How often.
        times: Times,
    },

    /// A step of a dialogue has what only rules have.
    #[error("a step of a dialogue has {what}")]
    #[diagnostic(
        code(standin::reply::only_for_rules),
        help("a dialogue waits for one frame after the other; repeat a part of it with `repeat`")
    )]
    OnlyForRules {
        /// What it declares: a number of times or a state.
        what: &'static str,
    },

    /// Two rules have the same name.
    #[error("rule {} is called {} too", other + 1, Quoted(name))]
    #[diagnostic(
        code(standin::reply::same_name),
        help("give each rule a name of its own")
    )]
    SameName {
        /// The name.
        name: Arc<str>,
        /// The index of the earlier rule, counted from 0.
        other: usize,
    },

    /// A dialogue is for a connection that may not come.
    #[error(
        "connection {index} has a dialogue, but the limit is {}",
        Count(*most, "connection")
    )]
    #[diagnostic(
        code(standin::reply::too_many_connections),
        help("connections are counted from 0: the first one is connection 0")
    )]
    NoSuchConnection {
        /// The connection.
        index: usize,
        /// How many may come.
        most: usize,
    },
}

standin_error::reportable!(Problem);

fn available(known: &[String]) -> String {
    match known {
        [] => "no names are known here".to_owned(),
        known => format!("the known names are {}", Names(known)),
    }
}

fn states(known: &[Arc<str>]) -> String {
    match known {
        [] => "answers enter a state with `enter`; none does".to_owned(),
        known => format!(
            "answers enter a state with `enter`; the states are {}",
            Names(known)
        ),
    }
}

/// All that is wrong with replies.
pub struct ScriptError {
    mistakes: Vec<Mistake>,
}

impl ScriptError {
    /// There must be at least one.
    pub(crate) fn new(mistakes: Vec<Mistake>) -> ScriptError {
        ScriptError { mistakes }
    }

    /// Returns the mistakes, in the order of their places.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        several::parts(&self.mistakes)
    }
}

standin_error::reportable!(ScriptError, parts = ScriptError::parts);

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = format_args!("the replies cannot work: ");
        several::write(&self.mistakes, f, before, "mistakes")
    }
}

impl std::error::Error for ScriptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        several::source(&self.mistakes)
    }
}

impl Diagnostic for ScriptError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match several::only(&self.mistakes) {
            Some(only) => only.code(),
            None => Some(Box::new("standin::reply::mistakes")),
        }
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        several::only(&self.mistakes).and_then(Diagnostic::help)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        several::related(&self.mistakes)
    }
}
