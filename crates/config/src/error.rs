//! The mistakes in options, one by one ([`OptionError`]) and collected ([`ConfigErrors`]).

use std::fmt;

use miette::Diagnostic;
use standin_error::text::{Quoted, Shortened};
use standin_error::{Reportable, several};
use thiserror::Error;

use crate::misfit::Misfit;
use crate::step::Step;
use crate::value_error::{BrokenRule, ValueError};

/// A mistake in one option of one config.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionError {
    /// The config has no such option.
    #[error("{owner}: unknown option {}", Quoted(option))]
    #[diagnostic(code(standin::config::unknown_option))]
    Unknown {
        /// Whose config it is.
        owner: String,
        /// The name that was used.
        option: String,
        /// A suggestion.
        #[help]
        help: String,
    },
    /// The value is of the wrong type, or unreadable.
    #[error("{owner}: option \"{}{}\": {}", Shortened(option), error.place(), error.statement())]
    #[diagnostic(code(standin::config::wrong_type))]
    WrongType {
        /// Whose config it is.
        owner: String,
        /// The option's name.
        option: String,
        /// The expected and the found value.
        error: ValueError,
        /// The purpose of the option.
        #[help]
        help: Option<String>,
    },
    /// A template is not well-formed.
    #[error("{owner}: option \"{option}{}\": the template does not parse: {}", error.place(), error.reason().unwrap_or(error.found()))]
    #[diagnostic(code(standin::config::bad_template))]
    BadTemplate {
        /// Whose config it is.
        owner: String,
        /// The option's name.
        option: String,
        /// The position of the template in the value, and the error of the template engine.
        error: ValueError,
        /// The purpose of the option.
        #[help]
        help: Option<String>,
    },
    /// The value breaks a constraint that the option declares.
    #[error("{owner}: option \"{option}{}\" {broken}", broken.within())]
    #[diagnostic(code(standin::config::constraint_broken))]
    Broken {
        /// Whose config it is.
        owner: String,
        /// The option's name.
        option: String,
        /// The value, and the constraint that it breaks.
        broken: BrokenRule,
        /// The purpose of the option.
        #[help]
        help: Option<String>,
    },
    /// Options that are right one by one do not fit together.
    #[error("{owner}: option {misfit}")]
    #[diagnostic(code(standin::config::misfit))]
    Misfit {
        /// Whose config it is.
        owner: String,
        /// The conflict.
        misfit: Misfit,
        /// How to fix it, or the purpose of the option.
        #[help]
        help: Option<String>,
    },
    /// An option that must be set is not.
    #[error("{owner}: option {option:?} is missing")]
    #[diagnostic(code(standin::config::missing_option))]
    Missing {
        /// Whose config it is.
        owner: String,
        /// The option's name.
        option: String,
        /// How to set it.
        #[help]
        help: String,
    },
    /// An inherited option has no value here and none in any parent.
    #[error("{owner}: option {option:?} has no value{}", asked_text(.asked))]
    #[diagnostic(
        code(standin::config::no_value),
        help(
            "set {option:?} on {owner:?}, on one of its parents, or in the defaults of its environment"
        )
    )]
    NoValue {
        /// Whose config it is.
        owner: String,
        /// The option's name.
        option: String,
        /// The parents that were asked, nearest first.
        asked: Vec<String>,
    },
    /// The value can only be set and read in code, so it cannot be read by name.
    #[error("{owner}: option {option:?} has no written form")]
    #[diagnostic(
        code(standin::config::code_only),
        help(
            "it holds code, such as a hook: set it with its builder method, and read it from the typed config"
        )
    )]
    CodeOnly {
        /// Whose config it is.
        owner: String,
        /// The option's name.
        option: String,
    },
}

standin_error::reportable!(OptionError);

impl OptionError {
    /// The same with another help, where it has one.
    pub(crate) fn with_help(mut self, text: String) -> Self {
        match &mut self {
            OptionError::Unknown { help, .. } | OptionError::Missing { help, .. } => *help = text,
            OptionError::WrongType { help, .. }
            | OptionError::BadTemplate { help, .. }
            | OptionError::Broken { help, .. }
            | OptionError::Misfit { help, .. } => *help = Some(text),
            OptionError::NoValue { .. } | OptionError::CodeOnly { .. } => {}
        }
        self
    }

    /// The part of the value that it is about, and whether the last key is what is wrong there.
    pub(crate) fn part(&self) -> (&[Step], bool) {
        match self {
            OptionError::WrongType { error, .. } | OptionError::BadTemplate { error, .. } => {
                (error.path(), error.is_in_key())
            }
            OptionError::Broken { broken, .. } => (broken.path(), broken.is_in_key()),
            OptionError::Misfit { misfit, .. } => (misfit.path(), false),
            _ => (&[], false),
        }
    }

    /// Returns the name of the option.
    pub fn option(&self) -> &str {
        match self {
            OptionError::Unknown { option, .. }
            | OptionError::WrongType { option, .. }
            | OptionError::BadTemplate { option, .. }
            | OptionError::Broken { option, .. }
            | OptionError::Missing { option, .. }
            | OptionError::NoValue { option, .. }
            | OptionError::CodeOnly { option, .. } => option,
            OptionError::Misfit { misfit, .. } => misfit.option(),
        }
    }

    /// Returns the name of the entity whose option it is.
    pub fn owner(&self) -> &str {
        match self {
            OptionError::Unknown { owner, .. }
            | OptionError::WrongType { owner, .. }
            | OptionError::BadTemplate { owner, .. }
            | OptionError::Broken { owner, .. }
            | OptionError::Missing { owner, .. }
            | OptionError::NoValue { owner, .. }
            | OptionError::Misfit { owner, .. }
            | OptionError::CodeOnly { owner, .. } => owner,
        }
    }
}

fn asked_text(asked: &[String]) -> String {
    match asked {
        [] => ", and there is no parent to ask".to_owned(),
        asked => format!(", and neither has {}", asked.join(", ")),
    }
}

/// Everything that is wrong with one config, in the order of its options.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    owner: String,
    errors: Vec<OptionError>,
}

/// Why a config has no values: some options are missing or do not fit.
pub type ResolveError = ConfigErrors;

impl ConfigErrors {
    /// `Ok` when nothing is wrong.
    pub(crate) fn from_errors(owner: &str, errors: Vec<OptionError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        Err(Self::of(owner, errors))
    }

    pub(crate) fn of(owner: &str, errors: Vec<OptionError>) -> Self {
        Self {
            owner: owner.to_owned(),
            errors,
        }
    }

    /// Options of `owner` that do not fit together; there must be at least one misfit.
    pub fn of_misfits(owner: &str, misfits: Vec<Misfit>) -> Self {
        let error = |misfit: Misfit| OptionError::Misfit {
            owner: owner.to_owned(),
            help: misfit.help_text().map(str::to_owned),
            misfit,
        };
        Self::of(owner, misfits.into_iter().map(error).collect())
    }

    /// Returns the mistakes; there is at least one.
    pub fn errors(&self) -> &[OptionError] {
        &self.errors
    }

    pub(crate) fn into_errors(self) -> Vec<OptionError> {
        self.errors
    }

    /// Returns the name of the entity whose config is wrong.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    fn only(&self) -> Option<&OptionError> {
        several::only(&self.errors)
    }
}

impl From<OptionError> for ConfigErrors {
    fn from(error: OptionError) -> Self {
        Self {
            owner: error.owner().to_owned(),
            errors: vec![error],
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A mistake names the owner itself.
        match self.only() {
            Some(error) => fmt::Display::fmt(error, f),
            None => {
                let before = format_args!("{}: ", self.owner);
                several::write(&self.errors, f, before, "options are wrong")
            }
        }
    }
}

impl std::error::Error for ConfigErrors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        several::source(&self.errors)
    }
}

// By hand: a single mistake speaks for itself, several are listed below a heading.
impl Diagnostic for ConfigErrors {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self.only() {
            Some(error) => error.code(),
            None => Some(Box::new("standin::config::invalid")),
        }
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.only().and_then(Diagnostic::help)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        several::related(&self.errors)
    }
}

standin_error::reportable!(ConfigErrors, parts = ConfigErrors::parts);

impl ConfigErrors {
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        several::parts(&self.errors)
    }
}

/// Why a config cannot get a parent.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParentError {
    /// It has one already, and keeps it for life.
    #[error("{owner}: {}", already(parent.as_deref()))]
    #[diagnostic(
        code(standin::config::parent_already_set),
        help("a config keeps its parent; make a copy with `denormalize` to give it another one")
    )]
    AlreadySet {
        /// Whose config it is.
        owner: String,
        /// The present parent. `None`: the owner determines it, and has none now.
        parent: Option<String>,
    },
    /// The parent is the config itself or one that inherits from it.
    #[error("{owner}: {parent:?} cannot be its parent, because it inherits from {owner:?}")]
    #[diagnostic(
        code(standin::config::parent_cycle),
        help("parents form a tree: give {owner:?} a parent that does not inherit from it")
    )]
    Cycle {
        /// Whose config it is.
        owner: String,
        /// The parent that was refused.
        parent: String,
    },
}

standin_error::reportable!(ParentError);

fn already(parent: Option<&str>) -> String {
    parent.map_or_else(
        || "it inherits from what its owner belongs to".to_owned(),
        |parent| format!("its parent is already {parent:?}"),
    )
}
