use std::borrow::Borrow;
use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};

use crate::place::Place;
use crate::reportable::Reportable;
use crate::several::is_list;

/// `Result` with [`Error`] as the default error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, with its miette diagnostic (code, help, causes), and with the place in the source
/// where it was converted.
///
/// Made by `?` from every [`Reportable`] error (all errors of standin are) and
/// from the usual errors of the standard library, by [`Error::new`] from every
/// other [`Diagnostic`], by [`Error::other`] from every other standard error, and
/// by [`Error::msg`] from a text. It is a standard error itself, so that `?` also
/// converts it into `Box<dyn std::error::Error>` and into the errors of `anyhow`,
/// `eyre` and `miette`.
///
/// `Display` is the headline; [`source`](StdError::source) leads to the causes.
/// `Debug` is the report that a failing `#[test] fn ...() -> standin::Result<()>`
/// shows: the message, the place, each cause once, what else failed, help and
/// code. Cloning is cheap.
///
/// ```
/// use standin_error::{Error, Result};
///
/// fn port(text: &str) -> Result<u16> {
///     Ok(text.parse()?)
/// }
///
/// let error = port("x").unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// let boxed: Box<dyn std::error::Error> = error.into();
/// assert!(boxed.is::<Error>());
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner<dyn Held>>);

struct Inner<H: ?Sized> {
    place: Place,
    held: H,
}

/// What an [`Error`] needs of the error that it holds.
trait Held: Send + Sync {
    fn diagnostic(&self) -> &(dyn Diagnostic + Send + Sync + 'static);

    /// The error as callers that search for a type of error know it.
    fn error(&self) -> &(dyn StdError + 'static);

    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        Vec::new()
    }
}

struct HeldReportable<E>(E);

impl<E: Reportable> Held for HeldReportable<E> {
    fn diagnostic(&self) -> &(dyn Diagnostic + Send + Sync + 'static) {
        &self.0
    }

    fn error(&self) -> &(dyn StdError + 'static) {
        &self.0
    }

    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        self.0.parts()
    }
}

struct HeldDiagnostic<E>(E);

impl<E: Diagnostic + Send + Sync + 'static> Held for HeldDiagnostic<E> {
    fn diagnostic(&self) -> &(dyn Diagnostic + Send + Sync + 'static) {
        &self.0
    }

    fn error(&self) -> &(dyn StdError + 'static) {
        &self.0
    }
}

impl Error {
    /// From an error that implements [`Diagnostic`] but is not [`Reportable`].
    #[track_caller]
    pub fn new(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self::holding(HeldDiagnostic(error))
    }

    /// From any standard error, with its causes. An [`Error`] in a box is taken
    /// out of it.
    #[track_caller]
    pub fn other(error: impl Into<Box<dyn StdError + Send + Sync + 'static>>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::holding(Other(error)),
        }
    }

    /// Creates an error that is only a text.
    #[track_caller]
    pub fn msg(message: impl Into<String>) -> Self {
        Self::new(Message(message.into()))
    }

    /// This error with a message in front of it; `self` becomes its cause.
    #[must_use]
    #[track_caller]
    pub fn context(self, message: impl Into<String>) -> Self {
        Self::new(Context {
            message: message.into(),
            cause: self,
        })
    }

    /// Returns the first error of type `T` in it: the error that it was made from, a
    /// cause, or one of several failures.
    ///
    /// ```
    /// use standin_error::Error;
    ///
    /// let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    /// let error = Error::from(full).context("cannot write the log");
    /// assert!(error.find::<std::io::Error>().is_some());
    /// assert!(error.find::<std::num::ParseIntError>().is_none());
    /// ```
    #[must_use]
    pub fn find<T: StdError + 'static>(&self) -> Option<&T> {
        let held = &self.0.held;
        find(held.error()).or_else(|| held.parts().into_iter().find_map(find_in_parts))
    }

    /// Returns the error as miette sees it, to be rendered by one of its handlers.
    #[must_use]
    pub fn diagnostic(&self) -> &(dyn Diagnostic + Send + Sync + 'static) {
        self.0.held.diagnostic()
    }

    /// The place in the source where it was converted, if that is in the test rather
    /// than in a dependency.
    pub(crate) fn place(&self) -> Option<Place> {
        Some(self.0.place).filter(|place| place.is_of_test())
    }

    /// The one that `error` is, or that it was before it went to miette.
    pub(crate) fn behind<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Self> {
        let in_miette = || Some(&error.downcast_ref::<AsDiagnostic>()?.0);
        error.downcast_ref().or_else(in_miette)
    }

    #[track_caller]
    pub(crate) fn reportable(error: impl Reportable) -> Self {
        Self::holding(HeldReportable(error))
    }

    #[track_caller]
    fn holding(held: impl Held + 'static) -> Self {
        let place = Place::of_caller();
        if place.is_of_test() {
            MADE_BY_TEST.set(MADE_BY_TEST.get() + 1);
        }
        Self(Arc::new(Inner { place, held }))
    }
}

thread_local! {
    static MADE_BY_TEST: Cell<u64> = const { Cell::new(0) };
}

/// Returns how many errors lines of the test have made in this thread, by `?` or else: an
/// environment that ends asks whether the test is on its way out with one.
#[doc(hidden)]
pub fn made_by_test() -> u64 {
    MADE_BY_TEST.get()
}

fn find<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    if let Some(found) = error.downcast_ref::<T>() {
        return Some(found);
    }
    if let Some(error) = Error::behind(error) {
        return error.find();
    }
    error.source().and_then(find)
}

fn find_in_parts<'e, T: StdError + 'static>(
    error: &'e (dyn Reportable + 'static),
) -> Option<&'e T> {
    find(error).or_else(|| error.parts().into_iter().find_map(find_in_parts))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.diagnostic(), f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        StdError::source(self.diagnostic())
    }
}

/// For `#[source] #[diagnostic_source] cause: Error` in errors around one.
impl Borrow<dyn Diagnostic> for Error {
    fn borrow(&self) -> &(dyn Diagnostic + 'static) {
        self.diagnostic()
    }
}

impl From<Error> for miette::Report {
    fn from(error: Error) -> Self {
        Self::new(AsDiagnostic(error))
    }
}

impl From<miette::Report> for Error {
    #[track_caller]
    fn from(report: miette::Report) -> Self {
        // Not `downcast`, which looks behind a context and drops it.
        match report.chain().next().and_then(Self::behind) {
            Some(error) => error.clone(),
            None => Self::holding(Boxed(report.into())),
        }
    }
}

struct Boxed(Box<dyn Diagnostic + Send + Sync + 'static>);

impl Held for Boxed {
    fn diagnostic(&self) -> &(dyn Diagnostic + Send + Sync + 'static) {
        &*self.0
    }

    fn error(&self) -> &(dyn StdError + 'static) {
        &*self.0
    }
}

/// An [`Error`] as a [`Diagnostic`].
struct AsDiagnostic(Error);

impl fmt::Display for AsDiagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AsDiagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A list of failures has no source: miette shows all of them in full, and would show the
/// first once more as the cause of the others.
impl StdError for AsDiagnostic {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match is_list(self.0.diagnostic()) {
            true => None,
            false => self.0.source(),
        }
    }
}

impl Diagnostic for AsDiagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.diagnostic().code()
    }

    fn severity(&self) -> Option<Severity> {
        self.0.diagnostic().severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.diagnostic().help()
    }

    fn url<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.diagnostic().url()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.diagnostic().source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.0.diagnostic().labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.0.diagnostic().related()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.0.diagnostic().diagnostic_source()
    }
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{0}")]
struct Message(String);

/// Transparent: the message and the causes are the standard error's own.
#[derive(Debug)]
struct Other(Box<dyn StdError + Send + Sync + 'static>);

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Other {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl Diagnostic for Other {}

impl Held for Other {
    fn diagnostic(&self) -> &(dyn Diagnostic + Send + Sync + 'static) {
        self
    }

    fn error(&self) -> &(dyn StdError + 'static) {
        &*self.0
    }
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
struct Context {
    message: String,
    #[source]
    #[diagnostic_source]
    cause: Error,
}
