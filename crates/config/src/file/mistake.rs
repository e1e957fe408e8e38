//! The mistakes in a text, with their positions: [`TableMistake`] one by one, [`FileErrors`] all of
//! them.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, SourceCode, SourceSpan};
use standin_error::{Reportable, SourceText, Spot, write_located};
use thiserror::Error;

use super::inside::part_of_string;
use crate::error::OptionError;

/// A mistake with a place in a text.
pub trait Located: Reportable {
    /// Where in the text it is.
    fn span(&self) -> SourceSpan;

    /// Whether it is about something that is not there, which may be because that part of the text
    /// could not be parsed.
    fn is_about_absence(&self) -> bool;

    /// Makes the place smaller where the mistake is about a part of what is there in `text`, which
    /// is that of the whole file.
    fn narrow(&mut self, _text: &str) {}
}

/// One thing that is wrong in a text of options, and where.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableMistake {
    /// The text is not TOML.
    #[error("{message}")]
    #[diagnostic(code(standin::config::syntax))]
    Syntax {
        /// The error of the TOML parser.
        message: String,
        /// How to write it, if that can be determined.
        #[help]
        help: Option<String>,
        /// Where.
        #[label("here")]
        span: SourceSpan,
    },
    /// An option that is unknown, missing, or has a value that it cannot have. Its owner is what it
    /// was written in.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Option(OptionMistake),
}

standin_error::reportable!(TableMistake);

impl TableMistake {
    /// Creates the mistake of a key that the table `owner` cannot have, at `span`.
    pub fn unknown_key(
        owner: impl Into<String>,
        key: impl Into<String>,
        help: impl Into<String>,
        span: impl Into<SourceSpan>,
    ) -> Self {
        let error = OptionError::Unknown {
            owner: owner.into(),
            option: key.into(),
            help: help.into(),
        };
        Self::Option(OptionMistake::new(error, span.into()))
    }

    /// Returns the error of an option, if this is about one.
    pub fn option_error(&self) -> Option<&OptionError> {
        match self {
            Self::Option(mistake) => Some(mistake.error()),
            Self::Syntax { .. } => None,
        }
    }
}

impl Located for TableMistake {
    fn span(&self) -> SourceSpan {
        match self {
            Self::Option(OptionMistake { span, .. }) | Self::Syntax { span, .. } => *span,
        }
    }

    fn is_about_absence(&self) -> bool {
        matches!(self.option_error(), Some(OptionError::Missing { .. }))
    }

    fn narrow(&mut self, text: &str) {
        if let Self::Option(mistake) = self {
            mistake.narrow(text);
        }
    }
}

/// A mistake in an option of a file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{error}")]
pub struct OptionMistake {
    error: OptionError,
    span: SourceSpan,
}

impl OptionMistake {
    /// Creates a mistake at `span`.
    pub fn new(error: OptionError, span: SourceSpan) -> Self {
        Self { error, span }
    }

    /// Returns the reason.
    pub fn error(&self) -> &OptionError {
        &self.error
    }

    fn narrow(&mut self, text: &str) {
        let OptionError::Misfit { misfit, .. } = &self.error else {
            return;
        };
        let (start, end) = (self.span.offset(), self.span.offset() + self.span.len());
        if let Some(bytes) = misfit.bytes()
            && let Some(raw) = text.get(start..end)
            && let Some(part) = part_of_string(raw, &bytes)
        {
            self.span = (start + part.start..start + part.end).into();
        }
    }

    /// What the place in the text is marked with.
    fn label(&self) -> String {
        match &self.error {
            OptionError::Unknown { .. } => "not known here".to_owned(),
            OptionError::Missing { option, .. } => format!("{option:?} is missing here"),
            OptionError::Broken { broken, .. } => broken.rule().to_owned(),
            OptionError::Misfit { misfit, .. } => misfit.message().to_owned(),
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

/// How many mistakes a report shows: nobody reads more at once, and each has to find its line.
const SHOWN: usize = 100;

/// Everything that is wrong in a file, in the order of its text.
///
/// As a diagnostic it shows each mistake with its place in the text; of very many the first ones.
#[derive(Clone)]
pub struct FileErrors<M = TableMistake> {
    file: String,
    source: Arc<SourceText>,
    mistakes: Vec<M>,
}

impl<M: Located> FileErrors<M> {
    /// Creates the report of at least one mistake in a text; it calls the text `file`.
    pub fn new(file: &str, text: &str, mut mistakes: Vec<M>) -> Self {
        mistakes.iter_mut().for_each(|mistake| mistake.narrow(text));
        mistakes.sort_by_key(|mistake| mistake.span().offset());
        Self {
            file: file.to_owned(),
            source: Arc::new(SourceText::new(file, text)),
            mistakes,
        }
    }

    /// Returns the mistakes; there is at least one.
    pub fn mistakes(&self) -> &[M] {
        &self.mistakes
    }

    /// Returns the file's name.
    pub fn file(&self) -> &str {
        &self.file
    }
}

impl<M: Located> fmt::Display for FileErrors<M> {
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
                // A printer that shows no related errors shows them here.
                let shown = mistakes.iter().take(SHOWN);
                let places = shown.map(|mistake| (mistake, mistake.span()));
                write_located(places, &*self.source, f)
            }
        }
    }
}

impl<M: Located> fmt::Debug for FileErrors<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        standin_error::write_report(self, f)
    }
}

impl<M: Located> std::error::Error for FileErrors<M> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.mistakes.as_slice() {
            [only] => only.source(),
            mistakes => Some(mistakes.first()?),
        }
    }
}

impl<M: Located> Reportable for FileErrors<M> {
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        self.mistakes.iter().map(|mistake| mistake as _).collect()
    }
}

// By hand: a single mistake is the report itself, several are listed below a heading.
impl<M: Located> Diagnostic for FileErrors<M> {
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
