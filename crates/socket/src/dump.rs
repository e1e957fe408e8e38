//! Bytes for people: hex and text side by side, and the difference of two byte strings.

use std::fmt::{self, Write as _};

const WIDTH: usize = 16;

/// Shows bytes as lines of an offset, hex and text, indented by two, without a newline at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dump<'a> {
    bytes: &'a [u8],
    /// The offset that the first byte is shown with.
    offset: usize,
}

impl<'a> Dump<'a> {
    pub(crate) fn new(bytes: &'a [u8], offset: usize) -> Dump<'a> {
        Dump { bytes, offset }
    }
}

impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (row, line) in self.bytes.chunks(WIDTH).enumerate() {
            if row > 0 {
                f.write_char('\n')?;
            }
            f.write_str("  ")?;
            write_line(f, self.offset + row * WIDTH, line)?;
        }
        Ok(())
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, offset: usize, line: &[u8]) -> fmt::Result {
    write!(f, "{offset:08x} ")?;
    for column in 0..WIDTH {
        if column == WIDTH / 2 {
            f.write_char(' ')?;
        }
        match line.get(column) {
            Some(byte) => write!(f, " {byte:02x}")?,
            None => f.write_str("   ")?,
        }
    }
    f.write_str("  |")?;
    for &byte in line {
        f.write_char(if byte.is_ascii_graphic() || byte == b' ' {
            char::from(byte)
        } else {
            '.'
        })?;
    }
    f.write_char('|')
}
