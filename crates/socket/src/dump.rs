//! Bytes for people: hex and text side by side.

use std::fmt::{self, Write as _};

/// How many bytes a line shows.
pub(crate) const WIDTH: usize = 16;

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

pub(crate) fn write_line(f: &mut fmt::Formatter<'_>, offset: usize, line: &[u8]) -> fmt::Result {
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

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn shows_hex_and_text_side_by_side() {
        let bytes: Vec<u8> = (0x60..0x73).collect();
        expect![[r#"
            shown as
              00000010  60 61 62 63 64 65 66 67  68 69 6a 6b 6c 6d 6e 6f  |`abcdefghijklmno|
              00000020  70 71 72                                          |pqr|"#]]
        .assert_eq(&format!("shown as\n{}", Dump::new(&bytes, 16)));
    }

    #[test]
    fn shows_what_has_no_glyph_as_a_dot() {
        assert!(
            Dump::new(b"a\r\n\xff b", 0)
                .to_string()
                .ends_with("|a... b|")
        );
    }
}
