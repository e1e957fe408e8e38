//! Where two byte strings differ.

use std::fmt;

use super::Evidence;
use crate::dump::{self, WIDTH};

/// The expected and the received bytes, with the position where they differ.
///
/// It displays as the lines around that place, expected (`-`) above received (`+`), with a mark
/// under every byte that differs. The copies are bounded as [`Evidence`] is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The expected bytes.
    pub expected: Evidence,
    /// The received bytes so far.
    pub received: Evidence,
    /// The first byte that differs.
    pub at: usize,
    /// The bytes to show, from `window_at` on.
    expected_window: Vec<u8>,
    received_window: Vec<u8>,
    window_at: usize,
}

impl Difference {
    /// The most lines that are shown of either side.
    const LINES: usize = 8;

    /// Compares; returns `None` if one begins with the other.
    pub fn new(expected: &[u8], received: &[u8]) -> Option<Difference> {
        let at = expected
            .iter()
            .zip(received)
            .position(|(expected, received)| expected != received)?;
        Some(Difference::at(at, expected, received))
    }

    fn at(at: usize, expected: &[u8], received: &[u8]) -> Difference {
        // The line before shows where in the message one is.
        let window_at = (at / WIDTH).saturating_sub(1) * WIDTH;
        let window = |bytes: &[u8]| {
            let end = bytes.len().min(window_at + Self::LINES * WIDTH);
            bytes[window_at..end].to_vec()
        };
        Difference {
            expected: Evidence::new(expected),
            received: Evidence::new(received),
            at,
            expected_window: window(expected),
            received_window: window(received),
            window_at,
        }
    }

    /// The same difference of the same bytes as they may be shown: some of them are hidden.
    pub(crate) fn shown_as(self, expected: &[u8], received: &[u8]) -> Difference {
        Difference::at(self.at, expected, received)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  first difference at byte {}; expected {} bytes (-), {} came (+)",
            self.at,
            self.expected.len(),
            self.received.len()
        )?;
        let lines = self
            .expected_window
            .len()
            .max(self.received_window.len())
            .div_ceil(WIDTH);
        for line in 0..lines {
            let part = |bytes: &'_ [u8]| {
                let start = (line * WIDTH).min(bytes.len());
                let end = (start + WIDTH).min(bytes.len());
                bytes[start..end].to_vec()
            };
            let (expected, received) = (part(&self.expected_window), part(&self.received_window));
            let offset = self.window_at + line * WIDTH;
            if expected == received {
                f.write_str("\n    ")?;
                dump::write_line(f, offset, &expected)?;
                continue;
            }
            for (sign, bytes) in [('-', &expected), ('+', &received)] {
                if !bytes.is_empty() {
                    write!(f, "\n  {sign} ")?;
                    dump::write_line(f, offset, bytes)?;
                }
            }
            write_marks(f, &expected, &received)?;
        }
        // What was expected says itself what it looks like.
        match (self.received.guess(), self.expected.guess()) {
            (Some(guess), None) => write!(f, "\n  ({guess})"),
            _ => Ok(()),
        }
    }
}

/// A line that points at every byte that differs, under the hex of it.
fn write_marks(f: &mut fmt::Formatter<'_>, expected: &[u8], received: &[u8]) -> fmt::Result {
    let mut marks = " ".repeat("    00000000 ".len());
    for column in 0..expected.len().min(received.len()) {
        if column == WIDTH / 2 {
            marks.push(' ');
        }
        marks.push_str(if expected[column] == received[column] {
            "   "
        } else {
            " ^^"
        });
    }
    let marks = marks.trim_end();
    if marks.is_empty() {
        Ok(())
    } else {
        write!(f, "\n{marks}")
    }
}

impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Difference")
            .field("at", &self.at)
            .field("expected", &self.expected)
            .field("received", &self.received)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn points_at_what_differs() {
        let difference = Difference::new(
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: otherhost\r\n",
        );
        expect![[r#"
            shown as
              first difference at byte 22; expected 35 bytes (-), 33 came (+)
                00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|
              - 00000010  48 6f 73 74 3a 20 6c 6f  63 61 6c 68 6f 73 74 0d  |Host: localhost.|
              + 00000010  48 6f 73 74 3a 20 6f 74  68 65 72 68 6f 73 74 0d  |Host: otherhost.|
                                            ^^ ^^  ^^ ^^ ^^
              - 00000020  0a 0d 0a                                          |...|
              + 00000020  0a                                                |.|"#]]
        .assert_eq(&format!("shown as\n{}", difference.unwrap()));
    }

    #[test]
    fn a_prefix_is_no_difference() {
        assert_eq!(Difference::new(b"abc", b"ab"), None);
        assert_eq!(Difference::new(b"abc", b"abcd"), None);
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let mut other = vec![b'x'; 1_000_000];
        other[500_000] = b'y';
        let shown = Difference::new(&vec![b'x'; 1_000_000], &other)
            .unwrap()
            .to_string();
        assert!(shown.lines().count() < 20, "{shown}");
        assert!(shown.contains("byte 500000"));
    }
}
