//! From bytes to text, in the pieces in which a stream delivers them.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};

use super::{Encoding, Kind};

/// The most bytes of a character, or of an escape sequence, that is not
/// complete.
const LONGEST_PART: usize = 3;

/// The escape sequence of ISO-2022-JP that everything begins with.
const TO_ASCII: &[u8] = b"\x1b(B";

/// The decoder state after the previous bytes: the escape sequence or byte order mark that set it,
/// or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mode(Vec<u8>);

/// The whole characters at the start of some bytes.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// How many bytes they are. What follows is the beginning of a character.
    pub(crate) size: usize,
    /// For the bytes that come next.
    pub(crate) mode: Mode,
}

impl Encoding {
    /// The whole characters that `bytes` begin with, in a stream that is in
    /// `mode`.
    ///
    /// # Errors
    ///
    /// Returns the number of bytes at the start that can be decoded; the bytes after them are not
    /// valid text, whatever follows.
    pub(crate) fn decode_piece(&self, mode: &Mode, bytes: &[u8]) -> Result<Piece, usize> {
        let before: &[u8] = if self.switches(bytes) { &[] } else { &mode.0 };
        let all = if before.is_empty() {
            Cow::Borrowed(bytes)
        } else {
            Cow::Owned([before, bytes].concat())
        };
        let (text, size) = self
            .whole_characters(&all)
            .map_err(|position| position.saturating_sub(before.len()))?;
        Ok(Piece {
            text,
            size: size.saturating_sub(before.len()),
            mode: self.mode_after(&all[..size]),
        })
    }

    /// Whether bytes may change the meaning of the bytes before them.
    pub(crate) fn has_modes(&self) -> bool {
        match self.0 {
            Kind::Utf16WithMark => true,
            Kind::Standard(encoding) => encoding == ISO_2022_JP,
            Kind::Ascii | Kind::Latin1 => false,
        }
    }

    /// Whether the bytes of `text` are that text wherever they are found: no
    /// character holds them as a part of it.
    pub(crate) fn finds_bytes(&self, text: &str) -> bool {
        match self.0 {
            Kind::Ascii | Kind::Latin1 => true,
            Kind::Utf16WithMark => false,
            Kind::Standard(encoding) => {
                encoding == UTF_8
                    || encoding.is_single_byte()
                    // Second and later bytes are not control characters.
                    || (encoding.is_ascii_compatible() && text.bytes().all(|byte| byte < 0x20))
            }
        }
    }

    /// Whether `bytes` begin with what sets a mode themselves.
    fn switches(&self, bytes: &[u8]) -> bool {
        match self.0 {
            Kind::Utf16WithMark => matches!(bytes, [0xfe, 0xff, ..] | [0xff, 0xfe, ..]),
            Kind::Standard(encoding) if encoding == ISO_2022_JP => bytes.first() == Some(&0x1b),
            _ => false,
        }
    }

    /// The mode behind `bytes`, which are whole characters from the start of a
    /// stream.
    fn mode_after(&self, bytes: &[u8]) -> Mode {
        let switch = match self.0 {
            Kind::Utf16WithMark if self.switches(bytes) => &bytes[..2],
            Kind::Standard(encoding) if encoding == ISO_2022_JP => {
                let escape = bytes.iter().rposition(|byte| *byte == 0x1b);
                match escape.and_then(|at| bytes.get(at..at + TO_ASCII.len())) {
                    Some(TO_ASCII) | None => &[],
                    Some(escape) => escape,
                }
            }
            _ => &[],
        };
        Mode(switch.to_vec())
    }

    fn whole_characters(&self, bytes: &[u8]) -> Result<(String, usize), usize> {
        match self.0 {
            Kind::Ascii => match bytes.iter().position(|byte| !byte.is_ascii()) {
                Some(position) => Err(position),
                None => Ok((latin1(bytes), bytes.len())),
            },
            Kind::Latin1 => Ok((latin1(bytes), bytes.len())),
            Kind::Utf16WithMark => {
                let (encoding, mark) = match bytes {
                    [0xfe, 0xff, ..] => (UTF_16BE, 2),
                    [0xff, 0xfe, ..] => (UTF_16LE, 2),
                    _ => (UTF_16LE, 0),
                };
                match standard(encoding, &bytes[mark..]) {
                    Ok((text, size)) => Ok((text, size + mark)),
                    Err(position) => Err(position + mark),
                }
            }
            Kind::Standard(encoding) if encoding == UTF_8 => utf8(bytes),
            Kind::Standard(encoding) => standard(encoding, bytes),
        }
    }
}

fn latin1(bytes: &[u8]) -> String {
    encoding_rs::mem::decode_latin1(bytes).into_owned()
}

fn utf8(bytes: &[u8]) -> Result<(String, usize), usize> {
    let size = match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(error) => return Err(error.valid_up_to()),
    };
    match std::str::from_utf8(&bytes[..size]) {
        Ok(text) => Ok((text.to_owned(), size)),
        Err(error) => Err(error.valid_up_to()),
    }
}

fn standard(
    encoding: &'static encoding_rs::Encoding,
    bytes: &[u8],
) -> Result<(String, usize), usize> {
    let decode = |bytes| encoding.decode_without_bom_handling_and_without_replacement(bytes);
    // Whole characters without the beginning of one that follows them: the
    // decoders keep that to themselves, so it is found by leaving it out.
    for part in 0..=LONGEST_PART.min(bytes.len()) {
        let size = bytes.len() - part;
        if let Some(text) = decode(&bytes[..size]) {
            let is_beginning = part == 0 || first_error(encoding, bytes, false).is_none();
            if is_beginning {
                return Ok((text.into_owned(), size));
            }
            break;
        }
    }
    // With `last`, so that it is an error for certain.
    let error = first_error(encoding, bytes, true).unwrap_or(bytes.len());
    // Of two escape sequences in a row the decoder reports the first, although the second
    // is the one that is too much.
    let end = bytes.len().min(error + 2 * LONGEST_PART + 1);
    let good = (error..end)
        .rev()
        .find(|size| decode(&bytes[..*size]).is_some());
    Err(good.unwrap_or(error))
}

/// The place of the first bytes that are not text. Unless they are the `last`
/// ones, the beginning of a character is not an error.
fn first_error(
    encoding: &'static encoding_rs::Encoding,
    bytes: &[u8],
    last: bool,
) -> Option<usize> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = [0; 4096];
    let mut taken = 0;
    loop {
        let (result, read, _) =
            decoder.decode_to_utf8_without_replacement(&bytes[taken..], &mut text, last);
        taken += read;
        match result {
            DecoderResult::InputEmpty => return None,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(length, after) => {
                return Some(taken.saturating_sub(usize::from(length) + usize::from(after)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::super::tests::LABELS;
    use super::*;

    fn encoding(label: &str) -> Encoding {
        label.parse().unwrap()
    }

    /// The result of decoding `bytes` that arrive cut at `cuts`.
    fn in_pieces(encoding: Encoding, bytes: &[u8], cuts: &[usize]) -> Result<String, usize> {
        let mut text = String::new();
        let mut mode = Mode::default();
        let mut done = 0;
        for arrived in cuts.iter().copied().chain([bytes.len()]) {
            if arrived <= done {
                continue;
            }
            let piece = encoding.decode_piece(&mode, &bytes[done..arrived])?;
            text.push_str(&piece.text);
            done += piece.size;
            mode = piece.mode;
        }
        assert_eq!(done, bytes.len(), "{encoding}");
        Ok(text)
    }

    #[test]
    fn a_text_that_is_cut_anywhere_is_the_same_text() {
        for (label, text) in [
            ("utf-8", "aé€𝄞z"),
            ("utf-16", "aé€𝄞z"),
            ("utf-16le", "aé€𝄞z"),
            ("utf-16be", "aé€𝄞z"),
            ("shift_jis", "a日本語ｱz"),
            ("euc-jp", "a日本語ｱz"),
            ("iso-2022-jp", "a日本b語z"),
            ("iso-2022-jp", "日本"),
            ("gbk", "a中文€z"),
            ("gb18030", "a中€𝄞ßz"),
            ("big5", "a中文z"),
            ("euc-kr", "a한국어z"),
            ("latin-1", "aéÿz"),
        ] {
            let encoding = encoding(label);
            let bytes = encoding.encode(text).unwrap().into_owned();
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let decoded = in_pieces(encoding, &bytes, &[first, second]);
                    assert_eq!(decoded.as_deref(), Ok(text), "{label} at {first}, {second}");
                }
            }
        }
    }

    #[test]
    fn a_mark_of_big_endian_holds_for_all_that_follows() {
        let bytes = [0xfe, 0xff, 0, b'a', 0, b'b'];
        for cut in 0..=bytes.len() {
            assert_eq!(
                in_pieces(encoding("utf-16"), &bytes, &[cut]).as_deref(),
                Ok("ab")
            );
        }
        // And until the next.
        let both = [0xfe, 0xff, 0, b'a', 0xff, 0xfe, b'b', 0];
        assert_eq!(
            in_pieces(encoding("utf-16"), &both, &[4]).as_deref(),
            Ok("ab")
        );
    }

    #[test]
    fn of_two_escape_sequences_in_a_row_the_second_is_the_error() {
        let encoding = encoding("iso-2022-jp");
        assert_eq!(encoding.decode(b"a\x1b$B\x1b(Ba"), Err(4));
        assert_eq!(encoding.decode(b"\x1b(B\x1b(B"), Err(3));
    }

    #[test]
    fn an_error_is_found_in_one_go_however_long_the_text() {
        const LONG: usize = 1 << 20;
        for label in LABELS {
            let encoding = encoding(label);
            let good = encoding.encode("a").unwrap().into_owned();
            let bad: &[u8] = match label {
                "latin-1" | "windows-1252" => continue,
                // A second half of a pair without the first.
                "utf-16" | "utf-16le" => &[0x00, 0xdc],
                "utf-16be" => &[0xdc, 0x00],
                _ => &[0xff],
            };
            let unit = if label.starts_with("utf-16") { 2 } else { 1 };
            let mut bytes = good[good.len() - unit..].repeat(LONG / unit);
            bytes[LONG / 4..][..bad.len()].copy_from_slice(bad);
            let started = Instant::now();
            assert_eq!(encoding.decode(&bytes), Err(LONG / 4), "{label}");
            // Every start on its own would take minutes.
            assert!(started.elapsed() < Duration::from_secs(60), "{label}");
        }
    }

    proptest! {
        #[test]
        fn an_error_is_where_the_longest_good_start_ends(
            bytes in proptest::collection::vec(
                prop_oneof![
                    any::<u8>(),
                    0x80..=0xffu8,
                    Just(0x1b), Just(b'('), Just(b'$'), Just(b'B'), Just(b'0'),
                ],
                0..24,
            ),
            cut in 0..24usize,
        ) {
            for label in LABELS {
                let encoding = encoding(label);
                let good = |size: usize| encoding.decode(&bytes[..size]).is_ok();
                if let Err(position) = encoding.decode(&bytes) {
                    let longest = (0..bytes.len()).rev().find(|size| good(*size));
                    prop_assert_eq!(Some(position), longest, "{}", label);
                }
                // Nothing is taken for a beginning that no text begins with.
                if let Ok(piece) = encoding.decode_piece(&Mode::default(), &bytes) {
                    prop_assert!(bytes.len() - piece.size <= LONGEST_PART);
                    prop_assert!(good(piece.size));
                }
                // Pieces have the same result as the whole.
                if let Ok(text) = encoding.decode(&bytes) {
                    let cut = cut.min(bytes.len());
                    prop_assert_eq!(in_pieces(encoding, &bytes, &[cut]), Ok(text), "{}", label);
                }
            }
        }
    }
}
