//! The bytes that an error shows.

use std::fmt;

use crate::dump::Dump;

/// The bytes that had arrived when a receive failed: how many, and the first and last of them.
///
/// The bytes themselves stay with the connection, where the next receive finds them; this is a copy
/// of at most [`Evidence::LIMIT`] bytes. It displays as hex and text side by side.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    head: Vec<u8>,
    tail: Vec<u8>,
    total: usize,
}

impl Evidence {
    /// The largest number of bytes that are copied.
    pub const LIMIT: usize = 512;

    /// Copies the visible part of `bytes`.
    pub fn new(bytes: &[u8]) -> Evidence {
        let total = bytes.len();
        if total <= Self::LIMIT {
            return Evidence {
                head: bytes.to_vec(),
                tail: Vec::new(),
                total,
            };
        }
        // How a message ends is often what is wrong with it; how it begins shows which it is.
        let tail = 64;
        Evidence {
            head: bytes[..Self::LIMIT - tail].to_vec(),
            tail: bytes[total - tail..].to_vec(),
            total,
        }
    }

    /// Returns how many bytes had arrived.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Returns whether nothing had arrived.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Returns the bytes from the first on: all of them, unless there are more than
    /// [`Evidence::LIMIT`].
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// A guess what the bytes are, if there is one.
    pub(crate) fn guess(&self) -> Option<&'static str> {
        match self.head[..] {
            [0x16, 0x03, 0..=4, ..] => Some("looks like TLS: the peer began a TLS handshake"),
            _ => None,
        }
    }

    /// Returns the last bytes, when `head` does not hold all.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Dump::new(&self.head, 0).fmt(f)?;
        if !self.tail.is_empty() {
            let hidden = self.total - self.head.len() - self.tail.len();
            write!(f, "\n  ... {hidden} bytes not shown ...\n")?;
            Dump::new(&self.tail, self.total - self.tail.len()).fmt(f)?;
        }
        match self.guess() {
            Some(guess) => write!(f, "\n  ({guess})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.head[..self.head.len().min(32)];
        let more = if shown.len() < self.total { " ..." } else { "" };
        write!(
            f,
            "Evidence({} bytes: b\"{}\"{more})",
            self.total,
            shown.escape_ascii()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_is_shown_whole() {
        let evidence = Evidence::new(b"abc");
        assert_eq!(
            (evidence.len(), evidence.head(), evidence.tail()),
            (3, &b"abc"[..], &b""[..])
        );
        assert_eq!(format!("{evidence:?}"), r#"Evidence(3 bytes: b"abc")"#);
    }

    #[test]
    fn a_handshake_of_tls_is_called_one() {
        let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01];
        assert!(Evidence::new(&hello).to_string().contains("looks like TLS"));
        for other in [
            &hello[..2],
            &[0x16, 0x04, 0x01],
            &[0x17, 0x03, 0x03],
            b"GET",
        ] {
            assert!(!Evidence::new(other).to_string().contains("TLS"));
        }
    }

    #[test]
    fn much_is_shown_from_both_ends() {
        let mut bytes = vec![b'-'; 1_000_000];
        bytes[0] = b'A';
        bytes[999_999] = b'Z';
        let evidence = Evidence::new(&bytes);
        let text = evidence.to_string();
        assert!(text.lines().count() < 40);
        assert!(text.contains("|A---"), "{text}");
        assert!(text.contains("... 999488 bytes not shown ..."), "{text}");
        assert!(text.ends_with("---Z|"), "{text}");
        assert_eq!(evidence.len(), 1_000_000);
    }
}
