//! [`Place`]: a line of a test, in Rust or in another language.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::sync::{LazyLock, Mutex};

use standin_error::is_of_test;
use standin_sync::Unpoisoned;

/// The line of a test that caused an event.
///
/// ```
/// use standin_record::Place;
///
/// let here = Place::caller();
/// assert!(here.file().ends_with(".rs"));
/// let there = Place::elsewhere("tests/test_bank.py", 12).expect("the first of many");
/// assert_eq!(there.to_string(), "tests/test_bank.py:12");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place(Source);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Rust(&'static Location<'static>),
    /// The number of a line of another language.
    Elsewhere(u16),
}

/// Lines of other languages, which are kept permanently: a test has few of them.
static ELSEWHERE: LazyLock<Mutex<Lines>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Lines {
    numbers: HashMap<Line, u16>,
    lines: Vec<Line>,
}

type Line = (&'static str, u32);

impl Place {
    /// How many lines of other languages a process can distinguish.
    pub const ELSEWHERE: usize = 0x4000;

    /// Returns the line of Rust that calls the function with `#[track_caller]` which calls this
    /// one.
    #[inline]
    #[track_caller]
    pub fn caller() -> Self {
        Self(Source::Rust(Location::caller()))
    }

    /// Creates a place in another language, for clients of tests that are not in Rust. `None` if
    /// the process already knows [the maximum](Self::ELSEWHERE). Control characters in the name of
    /// the file become `?`.
    pub fn elsewhere(file: &str, line: u32) -> Option<Self> {
        let file = &*match file.contains(char::is_control) {
            true => Cow::Owned(file.replace(char::is_control, "?")),
            false => Cow::Borrowed(file),
        };
        let mut all = ELSEWHERE.lock().unpoisoned();
        let Lines { numbers, lines } = &mut *all;
        if let Some(number) = find(numbers, (file, line)) {
            return Some(Self(Source::Elsewhere(number)));
        }
        if lines.len() >= Self::ELSEWHERE {
            return None;
        }
        let number = u16::try_from(lines.len()).ok()?;
        let known = lines.iter().find(|(known, _)| *known == file);
        let file = known.map_or_else(|| &*Box::leak(Box::from(file)), |(known, _)| *known);
        numbers.insert((file, line), number);
        lines.push((file, line));
        Some(Self(Source::Elsewhere(number)))
    }

    /// Returns the source file, as named by the compiler or the client.
    pub fn file(self) -> &'static str {
        self.line_of_file().0
    }

    /// Returns the number of the line, from 1 on.
    pub fn line(self) -> u32 {
        self.line_of_file().1
    }

    fn line_of_file(self) -> Line {
        match self.0 {
            Source::Rust(location) => (location.file(), location.line()),
            Source::Elsewhere(number) => ELSEWHERE.lock().unpoisoned().lines[usize::from(number)],
        }
    }

    /// The line of Rust that it is, or the number of another one.
    pub(crate) fn parts(self) -> (Option<&'static Location<'static>>, Option<u16>) {
        match self.0 {
            Source::Rust(location) => (Some(location), None),
            Source::Elsewhere(number) => (None, Some(number)),
        }
    }

    pub(crate) fn of_parts(
        location: Option<&'static Location<'static>>,
        elsewhere: Option<u16>,
    ) -> Option<Self> {
        let location = location.map(Source::Rust);
        location.or(elsewhere.map(Source::Elsewhere)).map(Self)
    }

    /// The place, if it helps to look there. Who records does not ask: our own lines are as many as
    /// others.
    pub(crate) fn of_test(self) -> Option<Self> {
        let is_of_test = match self.0 {
            Source::Rust(location) => is_of_test(location),
            Source::Elsewhere(_) => true,
        };
        is_of_test.then_some(self)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = self.line_of_file();
        write!(f, "{file}:{line}")
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

/// The places that one connection is used from, which are few: records have their numbers.
#[derive(Default)]
pub(crate) struct Places(Vec<&'static Location<'static>>);

impl Places {
    /// How many lines of Rust are told apart.
    const MOST: usize = 128;

    /// Lines of other languages have their number, and this bit.
    const ELSEWHERE: u16 = 0x8000;

    /// What a record has for a place that is not known.
    const NONE: u16 = u16::MAX;

    /// How much memory they take at most.
    pub(crate) const SIZE: usize = Self::MOST * size_of::<&Location<'_>>();

    #[inline]
    pub(crate) fn number(&mut self, place: Option<Place>) -> u16 {
        match place {
            None => Self::NONE,
            Some(Place(Source::Elsewhere(number))) => number | Self::ELSEWHERE,
            Some(Place(Source::Rust(location))) => {
                let known = self
                    .0
                    .iter()
                    .position(|known| std::ptr::eq(*known, location));
                match known {
                    Some(number) => number as u16,
                    None if self.0.len() < Self::MOST => {
                        self.0.push(location);
                        (self.0.len() - 1) as u16
                    }
                    None => Self::NONE,
                }
            }
        }
    }

    /// The place of a number, if it helps to look there.
    pub(crate) fn place(&self, number: u16) -> Option<Place> {
        let source = match self.0.get(usize::from(number)) {
            Some(location) => Source::Rust(location),
            None if number == Self::NONE => return None,
            None => Source::Elsewhere(number & !Self::ELSEWHERE),
        };
        Place(source).of_test()
    }
}

/// A file that is not there for good, as the keys of the table are, serves to look.
fn find<'l>(numbers: &HashMap<(&'l str, u32), u16>, line: (&'l str, u32)) -> Option<u16> {
    numbers.get(&line).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_lines_of_other_languages_again_and_not_too_many() {
        let one = Place::elsewhere("test_a.py", 1).unwrap();
        assert_eq!(Place::elsewhere("test_a.py", 1), Some(one));
        let other = Place::elsewhere("test_a.py", 2).unwrap();
        assert_ne!(one, other);
        assert!(std::ptr::eq(one.file(), other.file()));
        let odd = Place::elsewhere("a\nb\x1b[1m.py", 1).unwrap();
        assert_eq!(odd.file(), "a?b?[1m.py");
        let more = (3..).map_while(|line| Place::elsewhere("test_a.py", line));
        assert!(more.count() < Place::ELSEWHERE);
        assert_eq!(Place::elsewhere("test_b.py", 1), None);
        assert_eq!(Place::elsewhere("test_a.py", 2), Some(other));
    }
}
