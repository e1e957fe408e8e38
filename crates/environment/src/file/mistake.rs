//! [`Mistake`]: one thing that is wrong in a file.

use std::io;
use std::path::PathBuf;

use miette::{Diagnostic, SourceSpan};
use standin_config::{Located, OptionError, TableMistake};
use standin_error::text::Quoted;
use thiserror::Error;

/// One thing that is wrong in a file, and where.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// The text is not TOML, or an option in it is unknown, missing, or has a value that it cannot
    /// have. The owner of the option is what it was written in: `driver "server"`.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Table(#[from] TableMistake),
    /// The file is not UTF-8.
    #[error("the file is not UTF-8 text")]
    #[diagnostic(code(standin::environment::not_utf8), help("save the file as UTF-8"))]
    NotUtf8 {
        /// The first bytes that are not text.
        #[label("these bytes are not valid UTF-8")]
        span: SourceSpan,
    },
    /// Two drivers have the same name.
    #[error("two drivers are called {}", Quoted(name))]
    #[diagnostic(
        code(standin::environment::duplicate_name),
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
    #[error("unknown driver type {}", Quoted(type_name))]
    #[diagnostic(code(standin::environment::unknown_type))]
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
    #[error("{place} depends on {}, but there is no such driver", Quoted(name))]
    #[diagnostic(code(standin::environment::unknown_dependency))]
    UnknownDependency {
        /// The name.
        name: String,
        /// The dependent driver.
        place: String,
        /// The nearest name that is known, or all of them.
        #[help]
        help: String,
        /// The name.
        #[label("no driver has this name")]
        span: SourceSpan,
    },
    /// A context value or a template reads the context of a driver that is not in the file.
    #[error(
        "{place}: option {key:?} reads from driver {}, but there is no such driver",
        Quoted(name)
    )]
    #[diagnostic(code(standin::environment::unknown_context))]
    UnknownContextDriver {
        /// The name.
        name: String,
        /// The option that holds the context value or the template.
        key: String,
        /// Where it was written.
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
        code(standin::environment::cycle),
        help(
            "a driver starts after those in its `after` and those whose context it reads: remove one of these"
        )
    )]
    Cycle {
        /// The drivers in order: `a -> b -> a`.
        cycle: String,
        /// The place that closes the cycle.
        #[label("this closes the cycle")]
        span: SourceSpan,
    },
    /// The code that uses a part of the file refuses it.
    #[error("{message}")]
    #[diagnostic(code(standin::environment::refused))]
    Refused {
        /// Why.
        message: String,
        /// How to fix it.
        #[help]
        help: Option<String>,
        /// The part of the file.
        #[label("refused")]
        span: SourceSpan,
    },
}

standin_error::reportable!(Mistake { Table });

/// Everything that is wrong in a file of an environment, in the order of its text.
pub type FileErrors = standin_config::FileErrors<Mistake>;

impl Mistake {
    /// Returns the error of an option, if this is about one.
    pub fn option_error(&self) -> Option<&OptionError> {
        match self {
            Mistake::Table(mistake) => mistake.option_error(),
            _ => None,
        }
    }
}

impl Located for Mistake {
    fn span(&self) -> SourceSpan {
        match self {
            Mistake::Table(mistake) => mistake.span(),
            Mistake::NotUtf8 { span }
            | Mistake::DuplicateName { span, .. }
            | Mistake::UnknownType { span, .. }
            | Mistake::UnknownDependency { span, .. }
            | Mistake::UnknownContextDriver { span, .. }
            | Mistake::Cycle { span, .. }
            | Mistake::Refused { span, .. } => *span,
        }
    }

    fn is_about_absence(&self) -> bool {
        match self {
            Mistake::Table(mistake) => mistake.is_about_absence(),
            Mistake::UnknownDependency { .. }
            | Mistake::UnknownContextDriver { .. }
            | Mistake::Refused { .. } => true,
            _ => false,
        }
    }

    fn narrow(&mut self, text: &str) {
        if let Mistake::Table(mistake) = self {
            mistake.narrow(text);
        }
    }
}

/// Why a file could not be read.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum ReadError {
    /// The system could not read it.
    #[error("cannot read `{}`", .path.display())]
    #[diagnostic(
        code(standin::environment::unreadable_file),
        help("check that the file exists and that you may read it")
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// It is larger than [`LARGEST_FILE`](super::LARGEST_FILE), or a device without an end.
    #[error("`{}` is larger than {} MiB", .path.display(), .limit >> 20)]
    #[diagnostic(
        code(standin::environment::too_large_file),
        help("is it an environment file? Nothing of it was used")
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest number of bytes that an environment file may have.
        limit: u64,
    },
    /// There are mistakes in it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(#[from] FileErrors),
}

standin_error::reportable!(ReadError { Invalid });
