//! For errors about several failures of one kind: a config with wrong options, drivers
//! that did not start.
//!
//! One failure speaks for itself: the message of the error around it has its message, and
//! everything else is its own. Several are listed in the message (left out under `{:#}`,
//! as [`write_report`](crate::write_report) shows them in full), related, and the first is
//! the source.
//!
//! ```
//! use std::fmt;
//! use standin_error::{Diagnostic, several};
//!
//! #[derive(Debug, thiserror::Error, Diagnostic)]
//! #[error("{0} is missing")]
//! struct Missing(&'static str);
//!
//! #[derive(Debug)]
//! struct Form(Vec<Missing>);
//!
//! impl fmt::Display for Form {
//!     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
//!         several::write(&self.0, f, format_args!("the form is wrong: "), "entries")
//!     }
//! }
//!
//! assert_eq!(Form(vec![Missing("name")]).to_string(), "the form is wrong: name is missing");
//! let both = Form(vec![Missing("name"), Missing("age")]);
//! assert_eq!(
//!     both.to_string(),
//!     "the form is wrong: 2 entries\n  - name is missing\n  - age is missing"
//! );
//! assert_eq!(format!("{both:#}"), "the form is wrong: 2 entries");
//! ```

use std::error::Error as StdError;
use std::fmt;

use miette::Diagnostic;

use crate::reportable::Reportable;
use crate::text;

/// Writes `before`, and then the only failure, or how many there are of what, and a list.
///
/// # Errors
///
/// Returns an error if `f` does.
pub fn write<E: StdError + 'static>(
    failures: &[E],
    f: &mut fmt::Formatter<'_>,
    before: fmt::Arguments<'_>,
    things: &str,
) -> fmt::Result {
    f.write_fmt(before)?;
    if let [only] = failures {
        return fmt::Display::fmt(only, f);
    }
    write!(f, "{} {things}", failures.len())?;
    if f.alternate() {
        return Ok(());
    }
    failures.iter().try_for_each(|failure| {
        let text = text::in_full(failure).replace('\n', "\n    ");
        write!(f, "\n  - {text}")
    })
}

/// Returns the source of the error around them: the only failure's, or the first.
pub fn source<E: StdError + 'static>(failures: &[E]) -> Option<&(dyn StdError + 'static)> {
    match failures {
        [only] => only.source(),
        failures => Some(failures.first()?),
    }
}

/// Returns the diagnostic source of the error around them: the only failure's, if it has one.
pub fn diagnostic_source<E: Diagnostic>(failures: &[E]) -> Option<&dyn Diagnostic> {
    only(failures)?.diagnostic_source()
}

/// Returns what is related to the error around them: all of several, or what is to the only one.
pub fn related<'e, E: Diagnostic>(
    failures: &'e [E],
) -> Option<Box<dyn Iterator<Item = &'e dyn Diagnostic> + 'e>> {
    match failures {
        [only] => only.related(),
        failures => Some(Box::new(
            failures.iter().map(|failure| failure as &dyn Diagnostic),
        )),
    }
}

/// Returns the parts of the error around them.
pub fn parts<E: Reportable>(failures: &[E]) -> Vec<&(dyn Reportable + 'static)> {
    failures.iter().map(|failure| failure as _).collect()
}

/// Returns the failure, if it is the only one.
pub fn only<E>(failures: &[E]) -> Option<&E> {
    match failures {
        [only] => Some(only),
        _ => None,
    }
}

/// The message without the failures that the report shows anyhow.
pub(crate) fn headline(error: &(impl fmt::Display + ?Sized)) -> String {
    format!("{error:#}")
}

/// Whether the failures related to an error are what it is about: the source of a list of
/// failures is its first.
pub(crate) fn is_list(error: &dyn Diagnostic) -> bool {
    error.source().map(headline).is_some_and(|first| {
        let mut related = error.related().into_iter().flatten();
        related.any(|related| headline(related) == first)
    })
}
