//! How a pattern sees one line.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// A line as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'f> {
    /// With its end, where it has one.
    pub(crate) bytes: &'f [u8],
    pub(crate) extent: Extent,
}

/// How much of a line is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// Its beginning: the line is longer than what is looked at.
    Beginning,
    /// What is written of it: its end has not come, and may never.
    Unfinished,
}

impl Line<'_> {
    /// Whether the pattern matches, as far as that can be said.
    pub(crate) fn matches(&self, regex: &Regex) -> LineMatch {
        let outcome = match_line(regex, self.bytes);
        match (self.extent, outcome) {
            // More of the line might make it match, or match otherwise.
            (Extent::Beginning, LineMatch::No | LineMatch::Inside) => LineMatch::Undecided(None),
            (Extent::Beginning, LineMatch::Whole(found)) if found.touches_end => {
                LineMatch::Undecided(Some(found))
            }
            // Half a number is a number, too.
            (Extent::Unfinished, LineMatch::Whole(found)) if found.captures_end => {
                LineMatch::Undecided(Some(found))
            }
            (_, outcome) => outcome,
        }
    }
}

/// Whether a pattern matches a line, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LineMatch {
    /// From the beginning of the line.
    Whole(Found),
    /// Somewhere later, which does not count.
    Inside,
    /// Nowhere.
    No,
    /// What is not known of the line decides; what was found in what is.
    Undecided(Option<Found>),
}

/// What a match found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// What named groups captured, in the order of the pattern. Those that took no part are not
    /// among them.
    pub(crate) groups: Vec<(String, Vec<u8>)>,
    /// The match continues to the end of what there is of the line: of a line that is longer,
    /// it says nothing.
    pub(crate) touches_end: bool,
    /// So does a named group.
    pub(crate) captures_end: bool,
}

/// Looks for a match that begins where the line does. The end of the line is not part of the line,
/// unless only that makes it match.
///
/// A pattern is about what a reader of the log sees. Of a line with escape sequences of terminals
/// (colours) it sees the text without them first, and then the line as it is. Bytes that are not
/// UTF-8 are one unknown character each, which `.` and `\W` match; a pattern that names such bytes,
/// as `(?-u:\xff)`, sees them, too.
pub(crate) fn match_line(regex: &Regex, line: &[u8]) -> LineMatch {
    let plain = without_escapes(line);
    let is_coloured = plain.len() != line.len();
    match match_readable(regex, &plain) {
        LineMatch::No | LineMatch::Inside if is_coloured => match_readable(regex, line),
        outcome => outcome,
    }
}

fn match_readable(regex: &Regex, text: &[u8]) -> LineMatch {
    let bytes = match_with_end(regex, text, |at| at);
    let Cow::Owned(readable) = String::from_utf8_lossy(text) else {
        return bytes.into_outcome(text);
    };
    let characters = match_with_end(regex, readable.as_bytes(), |at| in_original(text, at));
    // Whichever stops at what it cannot see has found less.
    if characters.reach() > bytes.reach() {
        characters.into_outcome(text)
    } else {
        bytes.into_outcome(text)
    }
}

/// A [`LineMatch`] by places in the line.
enum Spans {
    No,
    Inside,
    Whole {
        end: usize,
        touches_end: bool,
        groups: Vec<(String, usize, usize)>,
    },
}

impl Spans {
    fn reach(&self) -> usize {
        match self {
            Spans::No => 0,
            Spans::Inside => 1,
            Spans::Whole { end, .. } => 2 + end,
        }
    }

    fn into_outcome(self, text: &[u8]) -> LineMatch {
        let (touches_end, spans) = match self {
            Spans::No => return LineMatch::No,
            Spans::Inside => return LineMatch::Inside,
            Spans::Whole {
                touches_end,
                groups,
                ..
            } => (touches_end, groups),
        };
        LineMatch::Whole(Found {
            touches_end,
            captures_end: spans.iter().any(|(.., end)| *end == text.len()),
            groups: spans
                .into_iter()
                .map(|(name, start, end)| (name, text[start..end].to_vec()))
                .collect(),
        })
    }
}

/// `original` gives the place in the line as it is for one in this form of it.
fn match_with_end(regex: &Regex, text: &[u8], original: impl Fn(usize) -> usize) -> Spans {
    let mut outcome = Spans::No;
    for view in [without_end(text), text] {
        // Without captures first: most lines do not match, and this is faster.
        match regex.find(view) {
            // The leftmost match is found first: if any begins here, this one does.
            Some(found) if found.start() == 0 => {
                let groups = regex.captures(view).map(|captures| named(regex, &captures));
                return Spans::Whole {
                    end: original(found.end()),
                    touches_end: found.end() == view.len(),
                    groups: groups
                        .into_iter()
                        .flatten()
                        .map(|(name, span)| {
                            (name.to_owned(), original(span.start), original(span.end))
                        })
                        .collect(),
                };
            }
            Some(_) => outcome = Spans::Inside,
            None => {}
        }
    }
    outcome
}

fn named<'r>(regex: &'r Regex, captures: &Captures<'_>) -> Vec<(&'r str, Range<usize>)> {
    let names = regex.capture_names().flatten();
    names
        .filter_map(|name| Some((name, captures.name(name)?.range())))
        .collect()
}

/// Where the byte `at` of the readable form of `text` was in `text`.
fn in_original(text: &[u8], at: usize) -> usize {
    let (mut before, mut readable) = (0, 0);
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid().len();
        if at <= readable + valid {
            // Within a character that stands for a byte is where that byte is.
            return before + at.saturating_sub(readable);
        }
        before += valid + chunk.invalid().len();
        readable += valid;
        if !chunk.invalid().is_empty() {
            readable += char::REPLACEMENT_CHARACTER.len_utf8();
        }
    }
    before
}

/// The text without the sequences that colour it, move the cursor or name the window.
fn without_escapes(text: &[u8]) -> Cow<'_, [u8]> {
    const ESCAPE: u8 = 0x1b;
    /// Control sequences, strings for the terminal up to their end, and the short ones.
    const SEQUENCE: &str = r"(?-u)\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-OQ-WYZ\\c])";
    static SEQUENCES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(SEQUENCE).ok());
    match &*SEQUENCES {
        Some(sequences) if memchr::memchr(ESCAPE, text).is_some() => {
            sequences.replace_all(text, &b""[..])
        }
        _ => Cow::Borrowed(text),
    }
}

/// The line without its end, as patterns see it.
pub(crate) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, line: &[u8], expected: Option<&[(&str, &[u8])]>) {
        let expected = expected.map(|groups| {
            let owned = |(name, value): &(&str, &[u8])| ((*name).to_owned(), value.to_vec());
            groups.iter().map(owned).collect::<Vec<_>>()
        });
        let found = match match_line(&Regex::new(pattern).unwrap(), line) {
            LineMatch::Whole(found) => Some(found.groups),
            _ => None,
        };
        assert_eq!(
            found,
            expected,
            "{pattern} on {:?}",
            line.escape_ascii().to_string()
        );
    }

    #[test]
    fn a_byte_that_is_not_utf8_is_some_character() {
        check(".*ready", b"f\xfcr: ready\n", Some(&[]));
        check("f.r", b"f\xfcr\n", Some(&[]));
        check("f..r", b"f\xfcr\n", None);
        check(r"f\Wr", b"f\xfcr\n", Some(&[]));
        check("f[^x]r", b"f\xfcr\n", Some(&[]));
        check(r"f\wr", b"f\xfcr\n", None);
        check(r".*gr\u{fc}n", "\u{fc} gr\u{fc}n".as_bytes(), Some(&[]));
        check("(?i).*GR\u{dc}N", b"\xff gr\xc3\xbcn\n", Some(&[]));
    }

    #[test]
    fn a_pattern_that_names_bytes_sees_them() {
        check(r"(?-u:f\xfcr)", b"f\xfcr\n", Some(&[]));
        check(r"(?s-u:.{3})$", b"f\xfcr", Some(&[]));
        check(r"(?-u:.*)ready", b"\xff\xfe ready\n", Some(&[]));
        check(
            r"(?-u:(?<two>.{2}))",
            b"\xff\xfe.",
            Some(&[("two", b"\xff\xfe")]),
        );
        check(r"a(?<rest>.*)", b"a b\xff.", Some(&[("rest", b" b\xff.")]));
    }

    #[test]
    fn groups_have_the_bytes_of_the_line() {
        check(
            "(?<a>.*) = (?<b>.*)",
            b"\xc3\xbc\xfc\xff = \xfe.\r\n",
            Some(&[("a", b"\xc3\xbc\xfc\xff"), ("b", b"\xfe.")]),
        );
        // A sequence that is begun and not ended is one character.
        check(
            "(?<a>.)(?<b>.*)",
            b"\xe2\x82x",
            Some(&[("a", b"\xe2\x82"), ("b", b"x")]),
        );
    }

    #[test]
    fn colours_are_not_part_of_the_text() {
        let line = b"\x1b[32mINFO\x1b[0m:     port=\x1b[1m8080\x1b[0m\n";
        check(
            r"INFO:\s+port=(?<port>.*)$",
            line,
            Some(&[("port", b"8080")]),
        );
        check(r"\x1b\[32mINFO", line, Some(&[]));
        check(
            "ERROR",
            b"\x1b]0;title\x07\x1b(B\x1b[1;31mERROR\r\n",
            Some(&[]),
        );
        // Not a sequence: stays.
        check("ready", b"\x1bready", None);
    }

    #[test]
    fn knows_what_the_end_of_the_text_decides() {
        let found = |pattern, text: &[u8]| match match_line(&Regex::new(pattern).unwrap(), text) {
            LineMatch::Whole(found) => (found.touches_end, found.captures_end),
            other => panic!("{other:?}"),
        };
        assert_eq!(found(r"port=(?<port>\d+)", b"port=80"), (true, true));
        assert_eq!(found(r"port=(?<port>\d+)", b"port=80 "), (false, false));
        assert_eq!(found(r"port=(?<port>\d+) ", b"port=80 "), (true, false));
        assert_eq!(found("ready", b"ready"), (true, false));
        assert_eq!(found(".*(?<x>.)", b"\xfc\xfc"), (true, true));
    }
}
