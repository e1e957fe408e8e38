//! The text of a file that mistakes are shown in.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// The most bytes of a line that an excerpt shows as it is; programs write longer ones.
const WIDEST: usize = 1000;

/// How much of a longer line is shown before a place in it, and after.
const AROUND: usize = 60;

/// The text of a file, of which reports show excerpts.
///
/// Of very long lines, as in files that programs write, an excerpt is a part of one line only.
///
/// ```
/// use miette::SourceCode;
/// use standin_error::SourceText;
///
/// let text = SourceText::new("app.json", "x".repeat(100_000));
/// let excerpt = text.read_span(&(70_000, 1).into(), 1, 1).unwrap();
/// assert_eq!((excerpt.data().len(), excerpt.line()), (120, 0));
/// ```
#[derive(Debug)]
pub struct SourceText {
    name: String,
    text: String,
}

impl SourceText {
    /// Creates the text of the file `name`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// The part of the text around `place` that is in the same line.
    fn around(&self, place: usize) -> (usize, usize) {
        let (before, after) = self.text.as_bytes().split_at(place.min(self.text.len()));
        let is_end = |byte: &u8| *byte == b'\n';
        let before = before.iter().rev().take(AROUND).position(is_end);
        let after = after.iter().take(AROUND).position(is_end);
        let mut start = place.saturating_sub(before.unwrap_or(AROUND));
        let mut end = self.text.len().min(place + after.unwrap_or(AROUND));
        while !self.text.is_char_boundary(start) {
            start += 1;
        }
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        (start, end)
    }
}

impl SourceCode for SourceText {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let asked = self.text.read_span(span, lines_before, lines_after)?;
        let is_excerpt = (lines_before, lines_after) != (0, 0);
        let mut lines = asked.data().split(|byte| *byte == b'\n');
        let shown = if is_excerpt && lines.any(|line| line.len() > WIDEST) {
            let (start, end) = self.around(span.offset());
            self.text.read_span(&(start, end - start).into(), 0, 0)?
        } else {
            asked
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            shown.data(),
            *shown.span(),
            shown.line(),
            shown.column(),
            shown.line_count(),
        )))
    }
}
