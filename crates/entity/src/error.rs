//! The error that steps, hooks and tests hand around.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};

/// `Result` with [`Error`] as the default error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error at all, with what miette knows about it: code, help, causes.
///
/// Made by `?` from every error that implements [`miette::Diagnostic`] (all
/// errors of standin do), by [`Error::other`] from every other standard error,
/// and by [`Error::msg`] from a text. Its `Debug` output is the report that a
/// failing `#[test] fn ...() -> standin::Result<()>` shows: the message, each
/// cause once, the help and the code. Cloning is cheap.
///
/// It is not itself a [`std::error::Error`], which is what lets `?` convert
/// everything; [`Error::into_cause`] gives one that is.
///
/// ```
/// use standin_entity::Error;
///
/// fn port(text: &str) -> standin_entity::Result<u16> {
///     text.parse().map_err(Error::other)
/// }
///
/// assert_eq!(port("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[derive(Clone)]
pub struct Error(Arc<dyn Diagnostic + Send + Sync + 'static>);

impl Error {
    /// An error that is only a text.
    pub fn msg(message: impl Into<String>) -> Self {
        Self(Arc::new(Message(message.into())))
    }

    /// From a standard error that is no [`Diagnostic`], an I/O error say.
    /// Its causes are kept.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>) -> Self {
        Self(Arc::new(Other(error.into())))
    }

    /// This error with a message in front of it; `self` becomes its cause.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        Self(Arc::new(Context {
            message: message.into(),
            cause: Cause(self),
        }))
    }

    /// The error as miette sees it, to be rendered by one of its handlers.
    #[must_use]
    pub fn diagnostic(&self) -> &(dyn Diagnostic + Send + Sync + 'static) {
        &*self.0
    }

    /// The error as a standard error, for `Box<dyn std::error::Error>` and for
    /// the `#[source]` of other errors.
    #[must_use]
    pub fn into_cause(self) -> Cause {
        Cause(self)
    }
}

impl<E> From<E> for Error
where
    E: Diagnostic + Send + Sync + 'static,
{
    fn from(error: E) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.to_string();
        f.write_str(&said)?;
        write_below(f, &*self.0, None, &mut said, "  ")
    }
}

/// Writes what stands below the message of an error: its place in a text,
/// causes, related errors, help and code. What was `said` before is not said
/// again, since many errors repeat their cause in their own message. Without a
/// `source` of its own an error is about that of the error around it.
fn write_below(
    f: &mut fmt::Formatter<'_>,
    diagnostic: &dyn Diagnostic,
    source: Option<&dyn SourceCode>,
    said: &mut String,
    indent: &str,
) -> fmt::Result {
    let deeper = format!("{indent}  ");
    let indented = |text: &str| text.replace('\n', &format!("\n{deeper}"));
    let source = diagnostic.source_code().or(source);
    for label in diagnostic.labels().into_iter().flatten() {
        write_place(f, &label, source, indent)?;
    }
    let mut cause = diagnostic.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            write!(f, "\n{indent}caused by: {}", indented(&text))?;
            said.push_str(&text);
        }
        cause = error.source();
    }
    for related in diagnostic.related().into_iter().flatten() {
        let text = related.to_string();
        if said.contains(&text) {
            write_below(f, related, source, said, indent)?;
        } else {
            write!(f, "\n{indent}also: {}", indented(&text))?;
            said.push_str(&text);
            write_below(f, related, source, said, &deeper)?;
        }
    }
    if let Some(help) = first(diagnostic, &|d| d.help().map(|help| help.to_string())) {
        write!(f, "\n{indent}help: {}", indented(&help))?;
    }
    if let Some(code) = last(diagnostic, &|d| d.code().map(|code| code.to_string())) {
        write!(f, "\n{indent}code: {code}")?;
    }
    Ok(())
}

/// Writes where in a text a label is, and what it says.
fn write_place(
    f: &mut fmt::Formatter<'_>,
    label: &LabeledSpan,
    source: Option<&dyn SourceCode>,
    indent: &str,
) -> fmt::Result {
    let Some(contents) = source.and_then(|source| source.read_span(label.inner(), 0, 0).ok())
    else {
        return Ok(());
    };
    let (line, column) = (contents.line() + 1, contents.column() + 1);
    let file = contents
        .name()
        .map_or_else(String::new, |name| format!("{name}:"));
    write!(f, "\n{indent}at {file}{line}:{column}")?;
    label.label().map_or(Ok(()), |label| write!(f, ": {label}"))
}

/// What the error itself says, else what the nearest cause says.
fn first(
    diagnostic: &dyn Diagnostic,
    of: &dyn Fn(&dyn Diagnostic) -> Option<String>,
) -> Option<String> {
    of(diagnostic).or_else(|| first(diagnostic.diagnostic_source()?, of))
}

/// What the deepest cause says that says anything: it is the most precise.
fn last(
    diagnostic: &dyn Diagnostic,
    of: &dyn Fn(&dyn Diagnostic) -> Option<String>,
) -> Option<String> {
    diagnostic
        .diagnostic_source()
        .and_then(|source| last(source, of))
        .or_else(|| of(diagnostic))
}

/// An [`Error`] as a standard error and as a [`Diagnostic`]: the same message,
/// causes, help and code.
#[derive(Clone)]
pub struct Cause(Error);

impl Cause {
    /// The error itself.
    #[must_use]
    pub fn into_error(self) -> Error {
        self.0
    }

    fn inner(&self) -> &(dyn Diagnostic + Send + Sync + 'static) {
        self.0.diagnostic()
    }
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(self.inner())
    }
}

impl Diagnostic for Cause {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.inner().code()
    }

    fn severity(&self) -> Option<Severity> {
        self.inner().severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.inner().help()
    }

    fn url<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.inner().url()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.inner().source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.inner().labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.inner().related()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.inner().diagnostic_source()
    }
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{0}")]
struct Message(String);

/// Transparent: the message and the causes are the standard error's own.
#[derive(Debug)]
struct Other(Box<dyn std::error::Error + Send + Sync + 'static>);

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Other {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Diagnostic for Other {}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
struct Context {
    message: String,
    #[source]
    #[diagnostic_source]
    cause: Cause,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error, Diagnostic)]
    #[error("the outer thing failed")]
    #[diagnostic(code(test::outer), help("do it the other way"))]
    struct Outer(#[source] std::io::Error);

    fn question_mark() -> Result<()> {
        Err(Outer(std::io::Error::other("disk on fire")))?
    }

    #[test]
    fn the_report_has_message_cause_help_and_code() {
        let error = question_mark().unwrap_err();
        assert_eq!(
            format!("{error:?}"),
            "the outer thing failed\n  caused by: disk on fire\n  help: do it the other way\n  code: test::outer"
        );
    }

    #[test]
    fn a_cause_that_the_message_repeats_is_shown_once() {
        let error = Error::msg("no such host").context("cannot connect: no such host");
        assert_eq!(format!("{error:?}"), "cannot connect: no such host");
    }

    #[test]
    fn help_is_found_in_the_cause() {
        let error = question_mark().unwrap_err().context("while starting");
        let shown = format!("{error:?}");
        assert!(
            shown.contains("caused by: the outer thing failed"),
            "{shown}"
        );
        assert!(shown.contains("help: do it the other way"), "{shown}");
    }

    #[test]
    fn is_send_sync_and_static() {
        fn check<T: Send + Sync + 'static>() {}
        check::<Error>();
        check::<Cause>();
    }
}
