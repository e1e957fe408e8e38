//! How times, sizes and bytes are shown.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

/// A moment: `+0.001 260 s`.
pub(crate) struct At(pub(crate) Duration);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.subsec_micros();
        let text = format!(
            "+{}.{:03} {:03} s",
            self.0.as_secs(),
            micros / 1000,
            micros % 1000
        );
        f.pad(&text)
    }
}

/// How long something took, in three digits or so: `1.26 ms`.
pub(crate) struct Took(pub(crate) Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let (unit, size) = match nanos {
            0..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            1_000_000..1_000_000_000 => ("ms", 1_000_000),
            _ => ("s", 1_000_000_000),
        };
        let amount = nanos as f64 / f64::from(size);
        let digits = match (amount, size) {
            (_, 1) => 0,
            (amount, _) if amount < 10.0 => 2,
            (amount, _) if amount < 100.0 => 1,
            _ => 0,
        };
        f.pad(&format!("{amount:.digits$} {unit}"))
    }
}

/// A number of bytes: `12 B`, `3.4 MB`.
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = self.0 as f64;
        let text = match self.0 {
            0..10_000 => format!("{} B", self.0),
            10_000..1_000_000 => format!("{:.1} kB", amount / 1e3),
            1_000_000..1_000_000_000 => format!("{:.1} MB", amount / 1e6),
            _ => format!("{:.1} GB", amount / 1e9),
        };
        f.pad(&text)
    }
}

/// Bytes as text between quotes, as a string in Rust would be written, of at most so many
/// characters.
pub(crate) fn quoted(bytes: &[u8], limit: usize, is_whole: bool) -> String {
    let mut out = String::from("\"");
    let mut room = limit;
    let mut is_cut = !is_whole;
    'all: for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_plain(character) {
                if room == 0 {
                    is_cut = true;
                    break 'all;
                }
                room -= 1;
                out.push(character);
                continue;
            }
            // A single quote needs no escape between double ones.
            let shown: String = match character {
                '\'' => "'".to_owned(),
                '\n' | '\r' | '\t' | '\0' => character.escape_debug().collect(),
                // As other bytes that are not text.
                control if control.is_ascii_control() => format!("\\x{:02x}", control as u8),
                other => other.escape_debug().collect(),
            };
            if !push(&mut out, &shown, &mut room) {
                is_cut = true;
                break 'all;
            }
        }
        for byte in chunk.invalid() {
            if !push(&mut out, &format!("\\x{byte:02x}"), &mut room) {
                is_cut = true;
                break 'all;
            }
        }
    }
    out.push('"');
    if is_cut {
        out.push('…');
    }
    out
}

/// What is shown as it is everywhere: most of what there is.
fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~') && !matches!(character, '\'' | '"' | '\\')
}

fn push(out: &mut String, shown: &str, room: &mut usize) -> bool {
    let width = shown.chars().count();
    if width > *room {
        return false;
    }
    *room -= width;
    out.push_str(shown);
    true
}

/// A text on one line, of at most so many characters: what would move the cursor or change
/// the direction of writing is escaped.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    if text.len() <= limit && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut room = limit;
    for character in text.chars() {
        let shown: String = match character {
            '\'' | '"' | '\\' => character.to_string(),
            other => other.escape_debug().collect(),
        };
        if !push(&mut out, &shown, &mut room) {
            out.push('…');
            break;
        }
    }
    out
}

/// Bytes as lines of sixteen in hex and as text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 5);
    for (row, bytes) in bytes.chunks(16).enumerate() {
        let _ = write!(out, "{:08x} ", row * 16);
        for column in 0..16 {
            match bytes.get(column) {
                Some(byte) => {
                    let _ = write!(out, " {byte:02x}");
                }
                None => out.push_str("   "),
            }
        }
        out.push_str("  ");
        let printable = |byte: &u8| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        };
        out.extend(bytes.iter().map(printable));
        out.push('\n');
    }
    out
}

/// A time of day in UTC; nothing for one that no clock should show.
pub(crate) fn day(time: SystemTime) -> Option<String> {
    const YEAR_3000: Duration = Duration::from_secs(32_503_680_000);
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since < YEAR_3000).then(|| humantime::format_rfc3339_millis(time).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_times_sizes_and_bytes() {
        assert_eq!(
            At(Duration::from_nanos(2_001_310_999)).to_string(),
            "+2.001 310 s"
        );
        assert_eq!(Took(Duration::from_nanos(999)).to_string(), "999 ns");
        assert_eq!(Took(Duration::from_micros(1260)).to_string(), "1.26 ms");
        assert_eq!(Took(Duration::from_secs(10)).to_string(), "10.0 s");
        assert_eq!(Size(9_999).to_string(), "9999 B");
        assert_eq!(Size(3_400_000).to_string(), "3.4 MB");
        assert_eq!(
            quoted(b"a\"'\r\n\x02\xff", 40, true),
            "\"a\\\"'\\r\\n\\x02\\xff\""
        );
        assert_eq!(
            hex(b"hell\n"),
            "00000000  68 65 6c 6c 0a                                   hell.\n"
        );
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(day(before), None);
        assert_eq!(quoted(b"abcdef", 3, true), "\"abc\"…");
        assert_eq!(quoted(b"abc", 3, false), "\"abc\"…");
        assert_eq!(
            one_line("a\n\u{202e}\u{1b}[1m'b'", 40),
            "a\\n\\u{202e}\\u{1b}[1m'b'"
        );
    }
}
