//! What can be wrong with options, one by one ([`OptionError`]) and collected ([`ConfigErrors`]).

use std::fmt;

use miette::Diagnostic;
use standin_error::Reportable;
use thiserror::Error;

use crate::Value;
use crate::kind::Kind;

/// Why a value is not one of the wanted kind: what was expected, what was found, and where within
/// the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    expected: String,
    found: String,
    reason: Option<String>,
    path: Vec<Step>,
    template: bool,
}

/// One step into a list or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Index(usize),
    Key(String),
}

impl ValueError {
    /// An error for a value that is not `expected` but `found`.
    pub fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            found: found.into(),
            reason: None,
            path: Vec::new(),
            template: false,
        }
    }

    /// An error for a value of the wrong type.
    pub(crate) fn wrong_type(expected: impl Into<String>, value: &Value) -> Self {
        Self::new(expected, value.to_string())
    }

    /// Adds why the value does not fit, in words of whoever read it.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// What would have fitted.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What there was instead.
    pub fn found(&self) -> &str {
        &self.found
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    pub(crate) fn path(&self) -> &[Step] {
        &self.path
    }

    pub(crate) fn is_template(&self) -> bool {
        self.template
    }

    pub(crate) fn bad_template(mut self) -> Self {
        self.template = true;
        self
    }

    pub(crate) fn at_index(mut self, index: usize) -> Self {
        self.path.insert(0, Step::Index(index));
        self
    }

    pub(crate) fn at_key(mut self, key: &str) -> Self {
        self.path.insert(0, Step::Key(key.to_owned()));
        self
    }

    pub(crate) fn or_expected(mut self, other: &str) -> Self {
        if self.path.is_empty() && self.reason.is_none() {
            self.expected = format!("{} or {other}", self.expected);
        }
        self
    }

    pub(crate) fn expecting(mut self, kind: &Kind) -> Self {
        if self.path.is_empty() && self.reason.is_none() {
            self.expected = kind.to_string();
        }
        self
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.path {
            match step {
                Step::Index(index) => write!(f, "item {index}: ")?,
                Step::Key(key) => write!(f, "`{key}`: ")?,
            }
        }
        write!(f, "expected {}, found {}", self.expected, self.found)?;
        match &self.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ValueError {}

/// What is wrong with one option of one config.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionError {
    /// The config has no such option.
    #[error("{owner}: there is no option {option:?}")]
    #[diagnostic(code(standin::config::unknown_option))]
    Unknown {
        /// Whose config it is.
        owner: String,
        /// The name that was used.
        option: String,
        /// What to write instead.
        #[help]
        help: String,
    },
    /// The value is of the wrong type, or unreadable.
    #[error("{owner}: option {option:?}: {error}")]
    #[diagnostic(code(standin::config::wrong_type))]
    WrongType {
        /// Whose config it is.
        owner: String,
        /// The option's name.
        option: String,
        /// What was expected and found.
        error: ValueError,
        /// What the option is for.
        #[help]
        help: Option<String>,
    },
    /// A template is not well-formed.
    #[error("{owner}: option {option:?}: the template does not parse: {reason}")]
    #[diagnostic(
        code(standin::config::bad_template),
        help(
            "a template reads another driver's context, such as \"{{{{ host }}}}:{{{{ port }}}}\""
        )
    )]
    BadTemplate {
        /// Whose config it is.
        owner: String,
        /// The option's name.
        option: String,
        /// What the template engine said.
        reason: String,
    },
    /// The value breaks a constraint that the option declares.
    #[error("{owner}: option {option:?} is {found}, but {rule}")]
    #[diagnostic(code(standin::config::constraint_broken))]
    Broken {
        /// Whose config it is.
        owner: String,
        /// The option's name.
        option: String,
        /// The value.
        found: String,
        /// The constraint in words: "it must be from 1 to 10".
        rule: String,
        /// What the option is for.
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
    /// The value is one that only code can give and read, so it cannot be read by name.
    #[error("{owner}: option {option:?} has no written form")]
    #[diagnostic(
        code(standin::config::code_only),
        help(
            "it holds code, such as a hook: set it with its builder method, read it from the typed config"
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
    /// The name of the option.
    pub fn option(&self) -> &str {
        match self {
            OptionError::Unknown { option, .. }
            | OptionError::WrongType { option, .. }
            | OptionError::BadTemplate { option, .. }
            | OptionError::Broken { option, .. }
            | OptionError::Missing { option, .. }
            | OptionError::NoValue { option, .. }
            | OptionError::CodeOnly { option, .. } => option,
        }
    }

    /// The name of the entity whose option it is.
    pub fn owner(&self) -> &str {
        match self {
            OptionError::Unknown { owner, .. }
            | OptionError::WrongType { owner, .. }
            | OptionError::BadTemplate { owner, .. }
            | OptionError::Broken { owner, .. }
            | OptionError::Missing { owner, .. }
            | OptionError::NoValue { owner, .. }
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
    /// `None` when nothing is wrong.
    pub(crate) fn from_errors(owner: &str, errors: Vec<OptionError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        Err(Self {
            owner: owner.to_owned(),
            errors,
        })
    }

    /// The mistakes; there is at least one.
    pub fn errors(&self) -> &[OptionError] {
        &self.errors
    }

    /// The name of the entity whose config is wrong.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    fn only(&self) -> Option<&OptionError> {
        match self.errors.as_slice() {
            [only] => Some(only),
            _ => None,
        }
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
        match self.only() {
            Some(error) => write!(f, "{error}"),
            None => write!(f, "{}: {} options are wrong", self.owner, self.errors.len()),
        }?;
        if f.alternate() || self.only().is_some() {
            return Ok(());
        }
        // Whoever shows no related errors shows them here.
        self.errors
            .iter()
            .try_for_each(|error| write!(f, "\n  - {error}"))
    }
}

impl std::error::Error for ConfigErrors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.only() {
            Some(error) => error.source(),
            None => Some(self.errors.first()?),
        }
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
        match self.only() {
            Some(_) => None,
            None => Some(Box::new(
                self.errors.iter().map(|error| error as &dyn Diagnostic),
            )),
        }
    }
}

standin_error::reportable!(ConfigErrors, parts = ConfigErrors::parts);

impl ConfigErrors {
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        self.errors.iter().map(|error| error as _).collect()
    }
}

/// Why a config cannot get a parent.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParentError {
    /// It has one already, and keeps it for life.
    #[error("{owner}: its parent is already {parent:?}")]
    #[diagnostic(
        code(standin::config::parent_already_set),
        help("a config keeps its parent; make a copy with `denormalize` to give it another one")
    )]
    AlreadySet {
        /// Whose config it is.
        owner: String,
        /// The parent that it has.
        parent: String,
    },
    /// The parent is the config itself or one that inherits from it.
    #[error("{owner}: {parent:?} cannot be its parent, for it inherits from {owner:?}")]
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
