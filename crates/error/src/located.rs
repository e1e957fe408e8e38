//! Failures that are about places in one text.

use std::fmt;

use miette::{Diagnostic, SourceCode, SourceSpan};

use crate::text::says;

/// What some editors begin a file with, and no editor shows.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Where in a text something is. Shown as line and column (in characters), both counted from
/// 1: `13:5`.
///
/// ```
/// use miette::NamedSource;
/// use standin_error::Spot;
///
/// let text = NamedSource::new("form.txt", "name:\nage: 3\n");
/// let spot = Spot::of(&(11, 1).into(), &text).unwrap();
/// assert_eq!(spot.to_string(), "2:6");
/// assert_eq!(spot.in_full(), "form.txt:2:6");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The name of the text, if it has one.
    pub(crate) file: Option<String>,
    line: usize,
    column: usize,
}

impl Spot {
    /// Where `span` begins; nothing if it is not within the text.
    pub fn of(span: &SourceSpan, source: &dyn SourceCode) -> Option<Self> {
        let contents = source.read_span(span, 0, 0).ok()?;
        // Columns of editors are characters, those of miette are bytes.
        let bytes = contents.column();
        let before = match span.offset().checked_sub(bytes) {
            Some(start) if bytes > 0 => source.read_span(&(start, bytes).into(), 0, 0).ok(),
            _ => None,
        };
        let before = before.map(|before| String::from_utf8_lossy(before.data()).into_owned());
        let before = before.as_deref().unwrap_or_default();
        let characters = before.trim_start_matches(BYTE_ORDER_MARK).chars().count();
        Some(Self {
            file: contents.name().map(str::to_owned),
            line: contents.line() + 1,
            column: characters + 1,
        })
    }

    /// With the name of the text in front, if it has one: `environment.toml:13:5`.
    #[must_use]
    pub fn in_full(&self) -> String {
        match &self.file {
            Some(file) => format!("{file}:{self}"),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Writes failures in one text below each other, each with its line and column in front.
/// The place of one that is not within the text is left blank.
///
/// # Errors
///
/// Returns an error if `f` does.
pub fn write_located<'e, E: fmt::Display + 'e>(
    failures: impl Iterator<Item = (&'e E, SourceSpan)>,
    source: &dyn SourceCode,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let failures: Vec<_> = failures
        .map(|(failure, span)| (failure.to_string(), Spot::of(&span, source)))
        .collect();
    let width = width(failures.iter().filter_map(|(_, spot)| spot.as_ref()));
    failures.iter().try_for_each(|(failure, spot)| {
        let place = spot.as_ref().map(Spot::to_string).unwrap_or_default();
        let failure = failure.replace('\n', &format!("\n  {:width$}  ", ""));
        write!(f, "\n  {place:width$}  {failure}")
    })
}

/// One of several failures in a text.
pub(crate) struct Located<'e> {
    pub(crate) failure: &'e dyn Diagnostic,
    pub(crate) spot: Spot,
}

impl<'e> Located<'e> {
    /// What is related to `error`, if every bit of it is in `source`, the error's text, which
    /// the message `said` names.
    pub(crate) fn all(
        error: &'e dyn Diagnostic,
        source: &dyn SourceCode,
        said: &str,
    ) -> Option<Vec<Self>> {
        let related = error.related()?;
        related
            .map(|failure| {
                let mut labels: Vec<_> = failure.labels()?.collect();
                labels.sort_by_key(|label| !label.primary());
                let spot = Spot::of(labels.first()?.inner(), source)?;
                let is_named = spot.file.as_ref().is_some_and(|file| says(said, file));
                (is_named && failure.source_code().is_none()).then_some(Self { failure, spot })
            })
            .collect()
    }
}

/// The room that the longest of the places takes.
pub(crate) fn width<'s>(spots: impl Iterator<Item = &'s Spot>) -> usize {
    spots.map(|spot| spot.to_string().len()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Spot;

    #[test]
    fn columns_are_those_that_an_editor_shows() {
        let text = "\u{feff}größe = 'x'\r\n\t中文 = 'y'\n";
        let spot = |what: &str| {
            let offset = text.find(what).unwrap_or_default();
            Spot::of(&(offset, what.len()).into(), &text).map(|spot| spot.to_string())
        };
        assert_eq!(spot("größe").as_deref(), Some("1:1"));
        assert_eq!(spot("'x'").as_deref(), Some("1:9"));
        assert_eq!(spot("\t").as_deref(), Some("2:1"));
        assert_eq!(spot("'y'").as_deref(), Some("2:7"));
        assert_eq!(Spot::of(&(999, 1).into(), &text), None);
    }
}
