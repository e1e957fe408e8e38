//! [`Mistake`]: one thing that is wrong in a file; [`FileErrors`]: all of them.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};
use standin_error::Reportable;
use thiserror::Error;

/// One thing that is wrong in a file, and where.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// The text is not TOML.
    #[error("{message}")]
    #[diagnostic(code(standin::config::syntax))]
    Syntax {
        /// What the TOML parser said.
        message: String,
        /// Where.
        #[label("here")]
        span: SourceSpan,
    },
    /// The file is not UTF-8.
    #[error("the file is not UTF-8 text")]
    #[diagnostic(code(standin::config::not_utf8), help("save the file as UTF-8"))]
    NotUtf8 {
        /// The first bytes that are no text.
        #[label("these bytes are no text")]
        span: SourceSpan,
    },
    /// A key that means nothing there.
    #[error("unknown key {key:?} in {place}")]
    #[diagnostic(code(standin::config::unknown_option))]
    UnknownKey {
        /// The key.
        key: String,
        /// What it was written in: `driver "server"`.
        place: String,
        /// The nearest key that is known, or all of them.
        #[help]
        help: String,
        /// The key.
        #[label("not known here")]
        span: SourceSpan,
    },
    /// A value of the wrong type, or an unreadable one.
    #[error("{place}: {key} is not {expected}")]
    #[diagnostic(code(standin::config::wrong_type))]
    WrongType {
        /// The key.
        key: String,
        /// What it was written in.
        place: String,
        /// What would have fitted.
        expected: String,
        /// What is wrong with it.
        found: String,
        /// What the option is for.
        #[help]
        help: Option<String>,
        /// The value.
        #[label("{found}")]
        span: SourceSpan,
    },
    /// A value that breaks a constraint of its option.
    #[error("{place}: {key} is {found}, but {rule}")]
    #[diagnostic(code(standin::config::constraint_broken))]
    Broken {
        /// The key.
        key: String,
        /// What it was written in.
        place: String,
        /// The value.
        found: String,
        /// The constraint in words.
        rule: String,
        /// What the option is for.
        #[help]
        help: Option<String>,
        /// The value.
        #[label("{rule}")]
        span: SourceSpan,
    },
    /// An option that must be set is not.
    #[error("{place}: {key} is missing")]
    #[diagnostic(code(standin::config::missing_option))]
    Missing {
        /// The key.
        key: String,
        /// What it should be written in.
        place: String,
        /// How to set it.
        #[help]
        help: String,
        /// The table that lacks it.
        #[label("{key:?} is missing here")]
        span: SourceSpan,
    },
    /// Two drivers have the same name.
    #[error("two drivers are called {name:?}")]
    #[diagnostic(
        code(standin::config::duplicate_name),
        help("give each driver a name of its own: others refer to it by its name")
    )]
    DuplicateName {
        /// The name.
        name: String,
        /// Where it was used first.
        #[label("first used here")]
        first: SourceSpan,
        /// Where it was used again.
        #[label("used again here")]
        span: SourceSpan,
    },
    /// No type of that name is registered.
    #[error("there is no driver type {type_name:?}")]
    #[diagnostic(code(standin::config::unknown_type))]
    UnknownType {
        /// The name.
        type_name: String,
        /// The nearest type that is known, or all of them.
        #[help]
        help: String,
        /// The name.
        #[label("not a known type")]
        span: SourceSpan,
    },
    /// A driver depends on one that is not in the file.
    #[error("{place} depends on {name:?}, but there is no such driver")]
    #[diagnostic(code(standin::config::unknown_dependency))]
    UnknownDependency {
        /// The name.
        name: String,
        /// Who depends on it.
        place: String,
        /// The nearest name that is known, or all of them.
        #[help]
        help: String,
        /// The name.
        #[label("no driver has this name")]
        span: SourceSpan,
    },
    /// A context value reads the context of a driver that is not in the file.
    #[error("{place}: {key} reads from driver {name:?}, but there is no such driver")]
    #[diagnostic(code(standin::config::unknown_context_driver))]
    UnknownContextDriver {
        /// The name.
        name: String,
        /// The key that holds the context value.
        key: String,
        /// What it was written in.
        place: String,
        /// The nearest name that is known, or all of them.
        #[help]
        help: String,
        /// The name.
        #[label("no driver has this name")]
        span: SourceSpan,
    },
    /// A template is not well-formed.
    #[error("{place}: the template of {key} does not parse: {reason}")]
    #[diagnostic(
        code(standin::config::bad_template),
        help(
            "a template reads another driver's context, such as \"{{{{ host }}}}:{{{{ port }}}}\""
        )
    )]
    BadTemplate {
        /// The key that holds the template.
        key: String,
        /// What it was written in.
        place: String,
        /// What the template engine said.
        reason: String,
        /// The template.
        #[label("{reason}")]
        span: SourceSpan,
    },
    /// Drivers wait for each other.
    #[error("drivers wait for each other: {cycle}")]
    #[diagnostic(
        code(standin::config::dependency_cycle),
        help(
            "a driver starts after those in its `after` and those whose context it reads: take one of these away"
        )
    )]
    Cycle {
        /// The drivers in order: `a -> b -> a`.
        cycle: String,
        /// The place that closes the cycle.
        #[label("this closes the cycle")]
        span: SourceSpan,
    },
}

standin_error::reportable!(Mistake);

impl Mistake {
    /// Where in the text it is.
    pub fn span(&self) -> SourceSpan {
        match self {
            Mistake::Syntax { span, .. }
            | Mistake::NotUtf8 { span }
            | Mistake::UnknownKey { span, .. }
            | Mistake::WrongType { span, .. }
            | Mistake::Broken { span, .. }
            | Mistake::Missing { span, .. }
            | Mistake::DuplicateName { span, .. }
            | Mistake::UnknownType { span, .. }
            | Mistake::UnknownDependency { span, .. }
            | Mistake::UnknownContextDriver { span, .. }
            | Mistake::BadTemplate { span, .. }
            | Mistake::Cycle { span, .. } => *span,
        }
    }

    /// Whether it may come from a part of the text that could not be parsed.
    pub(crate) fn tells_of_absence(&self) -> bool {
        matches!(
            self,
            Mistake::Missing { .. }
                | Mistake::UnknownDependency { .. }
                | Mistake::UnknownContextDriver { .. }
        )
    }
}

/// Everything that is wrong in a file, in the order of its text.
///
/// As a diagnostic it shows each mistake with its place in the text.
#[derive(Clone)]
pub struct FileErrors {
    file: String,
    source: Arc<NamedSource<String>>,
    mistakes: Vec<Mistake>,
}

impl FileErrors {
    pub(crate) fn new(file: &str, text: &str, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.span().offset());
        Self {
            file: file.to_owned(),
            source: Arc::new(NamedSource::new(file, text.to_owned()).with_language("TOML")),
            mistakes,
        }
    }

    /// The mistakes; there is at least one.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }
}

impl fmt::Display for FileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.as_slice() {
            [only] => write!(f, "{}: {only}", self.file),
            mistakes => {
                write!(f, "{}: {} mistakes", self.file, mistakes.len())?;
                if f.alternate() {
                    return Ok(());
                }
                // Whoever shows no related errors shows them here.
                mistakes
                    .iter()
                    .try_for_each(|mistake| write!(f, "\n  - {mistake}"))
            }
        }
    }
}

impl std::error::Error for FileErrors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.mistakes.as_slice() {
            [only] => only.source(),
            mistakes => Some(mistakes.first()?),
        }
    }
}

standin_error::reportable!(FileErrors, parts = FileErrors::parts);

impl FileErrors {
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        self.mistakes.iter().map(|mistake| mistake as _).collect()
    }
}

// By hand: a single mistake is the report itself, several are listed below a heading.
impl Diagnostic for FileErrors {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self.mistakes.as_slice() {
            [only] => only.code(),
            _ => Some(Box::new("standin::config::invalid_file")),
        }
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self.mistakes.as_slice() {
            [only] => only.help(),
            _ => None,
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match self.mistakes.as_slice() {
            [only] => only.labels(),
            _ => None,
        }
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self.mistakes.as_slice() {
            [_] => None,
            mistakes => Some(Box::new(
                mistakes.iter().map(|mistake| mistake as &dyn Diagnostic),
            )),
        }
    }
}

/// Why a file could not be read.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum ReadError {
    /// The system could not read it.
    #[error("cannot read {}", .path.display())]
    #[diagnostic(
        code(standin::config::unreadable_file),
        help("check that the file exists and that you may read it")
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There are mistakes in it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(#[from] FileErrors),
}

standin_error::reportable!(ReadError { Invalid });
