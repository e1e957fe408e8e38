//! Whether a regular expression can match a line: a text with an end of line at its end at most.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Whether some line matches the pattern. One that does not parse is for others to report.
pub(crate) fn can_match_a_line(pattern: &str) -> bool {
    let parsed = ParserBuilder::new().utf8(false).build().parse(pattern);
    parsed.map_or(true, |hir| {
        let texts = texts_of(&hir);
        texts.within || texts.with_end
    })
}

/// What an expression can match of a line.
#[derive(Clone, Copy)]
struct Texts {
    nothing: bool,
    /// Something without an end of line.
    within: bool,
    /// Something that has one at its end, and no other.
    with_end: bool,
}

impl Texts {
    const NOTHING: Texts = Texts {
        nothing: true,
        within: true,
        with_end: false,
    };

    fn then(self, next: Texts) -> Texts {
        Texts {
            nothing: self.nothing && next.nothing,
            within: self.within && next.within,
            with_end: self.within && next.with_end || self.with_end && next.nothing,
        }
    }

    fn or(self, other: Texts) -> Texts {
        Texts {
            nothing: self.nothing || other.nothing,
            within: self.within || other.within,
            with_end: self.with_end || other.with_end,
        }
    }
}

fn texts_of(hir: &Hir) -> Texts {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Texts::NOTHING,
        HirKind::Literal(literal) => {
            let end = literal.0.iter().position(|byte| *byte == b'\n');
            Texts {
                nothing: literal.0.is_empty(),
                within: end.is_none(),
                with_end: end.is_some_and(|end| end + 1 == literal.0.len()),
            }
        }
        HirKind::Class(class) => {
            // The first and the last character of each range.
            let ranges: Vec<(u32, u32)> = match class {
                Class::Unicode(class) => {
                    let ranges = class.ranges().iter();
                    ranges
                        .map(|range| (range.start().into(), range.end().into()))
                        .collect()
                }
                Class::Bytes(class) => {
                    let ranges = class.ranges().iter();
                    ranges
                        .map(|range| (range.start().into(), range.end().into()))
                        .collect()
                }
            };
            let end = u32::from(b'\n');
            Texts {
                nothing: false,
                within: ranges.iter().any(|range| *range != (end, end)),
                with_end: ranges
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&end)),
            }
        }
        HirKind::Capture(capture) => texts_of(&capture.sub),
        HirKind::Repetition(repetition) => {
            let sub = texts_of(&repetition.sub);
            if repetition.max == Some(0) {
                return Texts::NOTHING;
            }
            // More often than twice makes no difference.
            let least = match repetition.min {
                0 => Texts::NOTHING.or(sub),
                1 => sub,
                _ => sub.then(sub),
            };
            match repetition.max {
                Some(1) => least,
                _ => least.or(sub.then(least)),
            }
        }
        HirKind::Concat(parts) => {
            let texts = parts.iter().map(texts_of);
            texts.fold(Texts::NOTHING, Texts::then)
        }
        HirKind::Alternation(parts) => {
            let texts = parts.iter().map(texts_of).reduce(Texts::or);
            texts.unwrap_or(Texts::NOTHING)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_no_line_matches() {
        for pattern in [
            "",
            "ready",
            "ready\n",
            r"ready\r\n",
            r"ready\s*",
            "(?s).*",
            r"a\n?b",
            r"(a\n)?",
            "a\n|b\nc",
            r"[\s\S]+x",
            r"\n",
            r"(?-u:\xff)",
            "(",
            r"\n{0}x",
            r"[^\n]+",
            "a{2}",
        ] {
            assert!(can_match_a_line(pattern), "{pattern:?}");
        }
        for pattern in [
            "a\nb",
            r"a\nb",
            r"the.*\n.*b+",
            r"\n\n",
            r"(a\n){2}",
            r"\n+x",
            r"a(\n|\nb)c",
            r"[\n]x",
        ] {
            assert!(!can_match_a_line(pattern), "{pattern:?}");
        }
    }
}
