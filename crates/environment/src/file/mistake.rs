//! [`Mistake`]: one thing that is wrong in a file; [`FileErrors`]: all of them.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};
use standin_config::OptionError;
use standin_error::{Reportable, Spot, write_located};
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
        /// How to write it, where one can tell.
        #[help]
        help: Option<String>,
        /// Where.
        #[label("here")]
        span: SourceSpan,
    },
    /// The file is not UTF-8.
    #[error("the file is not UTF-8 text")]
    #[diagnostic(code(standin::config::not_utf8), help("save the file as UTF-8"))]
    NotUtf8 {
        /// The first bytes that are not text.
        #[label("these bytes are not valid UTF-8")]
        span: SourceSpan,
    },
    /// An option that is unknown, missing, or has a value that it cannot have. Its owner is what it
    /// was written in: `driver "server"`.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Option(OptionMistake),
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
        #[label(primary, "used again here")]
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
    /// A context value or a template reads the context of a driver that is not in the file.
    #[error("{place}: option {key:?} reads from driver {name:?}, but there is no such driver")]
    #[diagnostic(code(standin::config::unknown_context_driver))]
    UnknownContextDriver {
        /// The name.
        name: String,
        /// The option that holds the context value or the template.
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
    /// Whoever makes something of a part of the file refuses it.
    #[error("{message}")]
    #[diagnostic(code(standin::config::refused))]
    Refused {
        /// Why.
        message: String,
        /// What to do about it.
        #[help]
        help: Option<String>,
        /// The part of the file.
        #[label("refused")]
        span: SourceSpan,
    },
}

/// What is wrong with an option in a file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{error}")]
pub struct OptionMistake {
    error: OptionError,
    span: SourceSpan,
}

impl OptionMistake {
    pub(crate) fn new(error: OptionError, span: SourceSpan) -> Self {
        Self { error, span }
    }

    /// What is wrong.
    pub fn error(&self) -> &OptionError {
        &self.error
    }

    /// What the place in the text is marked with.
    fn label(&self) -> String {
        match &self.error {
            OptionError::Unknown { .. } => "not known here".to_owned(),
            OptionError::Missing { option, .. } => format!("{option:?} is missing here"),
            OptionError::Broken { broken, .. } => broken.rule().to_owned(),
            OptionError::WrongType { error, .. } | OptionError::BadTemplate { error, .. } => {
                match error.reason() {
                    Some(reason) => reason.to_owned(),
                    None => format!("expected {}", error.expected()),
                }
            }
            _ => "here".to_owned(),
        }
    }
}

// By hand: the label depends on what is wrong.
impl Diagnostic for OptionMistake {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.help()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(Some(self.label()), self.span);
        Some(Box::new(std::iter::once(label)))
    }
}

standin_error::reportable!(Mistake);

impl Mistake {
    /// Where in the text it is.
    pub fn span(&self) -> SourceSpan {
        match self {
            Mistake::Option(OptionMistake { span, .. })
            | Mistake::Syntax { span, .. }
            | Mistake::NotUtf8 { span }
            | Mistake::DuplicateName { span, .. }
            | Mistake::UnknownType { span, .. }
            | Mistake::UnknownDependency { span, .. }
            | Mistake::UnknownContextDriver { span, .. }
            | Mistake::Cycle { span, .. }
            | Mistake::Refused { span, .. } => *span,
        }
    }

    /// What is wrong with an option, if that is what it is about.
    pub fn option_error(&self) -> Option<&OptionError> {
        match self {
            Mistake::Option(mistake) => Some(mistake.error()),
            _ => None,
        }
    }

    /// Whether it may come from a part of the text that could not be parsed.
    pub(crate) fn is_about_absence(&self) -> bool {
        match self {
            Mistake::Option(mistake) => matches!(mistake.error, OptionError::Missing { .. }),
            Mistake::UnknownDependency { .. }
            | Mistake::UnknownContextDriver { .. }
            | Mistake::Refused { .. } => true,
            _ => false,
        }
    }
}

/// How many mistakes a report shows: nobody reads more at once, and each has to find its line.
const SHOWN: usize = 100;

/// Everything that is wrong in a file, in the order of its text.
///
/// As a diagnostic it shows each mistake with its place in the text; of very many the first ones.
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
            [only] => match Spot::of(&only.span(), &*self.source) {
                Some(spot) => write!(f, "{}: {only}", spot.in_full()),
                None => write!(f, "{}: {only}", self.file),
            },
            mistakes => {
                write!(f, "{}: {} mistakes", self.file, mistakes.len())?;
                if mistakes.len() > SHOWN {
                    write!(f, ", of which these are the first {SHOWN}")?;
                }
                if f.alternate() {
                    return Ok(());
                }
                // Whoever shows no related errors shows them here.
                let shown = mistakes.iter().take(SHOWN);
                let places = shown.map(|mistake| (mistake, mistake.span()));
                write_located(places, &*self.source, f)
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
            mistakes => {
                let shown = mistakes.iter().take(SHOWN);
                Some(Box::new(shown.map(|mistake| mistake as &dyn Diagnostic)))
            }
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
