mod option;
mod piece;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};
use miette::Diagnostic;
use thiserror::Error;

pub(crate) use self::piece::Mode;

/// How text becomes bytes and bytes become text, strictly: what cannot be
/// converted is an error, never a replacement character.
///
/// Known are all labels of the WHATWG Encoding Standard, such as `utf-8`,
/// `shift_jis` or `windows-1252`. Three of them mean what a tester of wire
/// protocols expects rather than what a browser does: `ascii` has 128
/// characters, `latin-1` (`iso-8859-1`) maps each byte to the code point of
/// its value, and `utf-16` is written with a byte order mark and read with or
/// without one.
///
/// ```
/// use standin_tcp::Encoding;
///
/// let latin: Encoding = "latin-1".parse()?;
/// assert_eq!(latin.encode("é").unwrap().as_ref(), [0xe9]);
/// assert!(latin.encode("€").is_err());
/// # Ok::<(), standin_tcp::UnknownEncoding>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Encoding(Kind);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ascii,
    Latin1,
    /// Little-endian behind a byte order mark.
    Utf16WithMark,
    Standard(&'static encoding_rs::Encoding),
}

/// No encoding has this label.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("unknown encoding \"{label}\"")]
#[diagnostic(
    code(standin::tcp::unknown_encoding),
    help(
        "use a label of the WHATWG Encoding Standard, such as utf-8, latin-1, utf-16le or shift_jis"
    )
)]
pub struct UnknownEncoding {
    label: String,
}

standin_error::reportable!(UnknownEncoding);

impl Encoding {
    /// The default.
    pub const UTF_8: Encoding = Encoding(Kind::Standard(UTF_8));

    /// The 128 characters of ASCII.
    pub const ASCII: Encoding = Encoding(Kind::Ascii);

    /// ISO 8859-1: each byte is the code point of its value.
    pub const LATIN_1: Encoding = Encoding(Kind::Latin1);

    /// Returns the name of the encoding.
    pub fn name(&self) -> &'static str {
        match self.0 {
            Kind::Ascii => "US-ASCII",
            Kind::Latin1 => "ISO-8859-1",
            Kind::Utf16WithMark => "UTF-16",
            Kind::Standard(encoding) => encoding.name(),
        }
    }

    /// Returns the bytes of `text`.
    ///
    /// # Errors
    ///
    /// Returns the first character that this encoding lacks.
    pub fn encode<'a>(&self, text: &'a str) -> Result<Cow<'a, [u8]>, char> {
        let below = |limit: u32| {
            text.chars()
                .map(|c| {
                    u8::try_from(u32::from(c))
                        .ok()
                        .filter(|&byte| u32::from(byte) < limit)
                        .ok_or(c)
                })
                .collect::<Result<Vec<u8>, char>>()
                .map(Cow::Owned)
        };
        match self.0 {
            Kind::Ascii => below(0x80),
            Kind::Latin1 => below(0x100),
            Kind::Utf16WithMark => Ok(Cow::Owned(
                std::iter::once(0xfeff)
                    .chain(text.encode_utf16())
                    .flat_map(u16::to_le_bytes)
                    .collect(),
            )),
            // The standard has no encoders for UTF-16.
            Kind::Standard(encoding) if encoding == UTF_16LE => Ok(Cow::Owned(
                text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            )),
            Kind::Standard(encoding) if encoding == UTF_16BE => Ok(Cow::Owned(
                text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            )),
            Kind::Standard(encoding) => {
                let (bytes, _, unmappable) = encoding.encode(text);
                if !unmappable {
                    return Ok(bytes);
                }
                let mut buffer = [0; 4];
                let culprit = text
                    .chars()
                    .find(|c| encoding.encode(c.encode_utf8(&mut buffer)).2);
                Err(culprit.unwrap_or(char::REPLACEMENT_CHARACTER))
            }
        }
    }

    /// Returns the text of `bytes`, which are a whole text.
    ///
    /// # Errors
    ///
    /// Returns the number of bytes at the start that can be decoded.
    pub fn decode(&self, bytes: &[u8]) -> Result<String, usize> {
        let piece = self.decode_piece(&Mode::default(), bytes)?;
        if piece.size < bytes.len() {
            return Err(piece.size);
        }
        Ok(piece.text)
    }
}

impl Default for Encoding {
    fn default() -> Self {
        Encoding::UTF_8
    }
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(label: &str) -> Result<Self, Self::Err> {
        let kind = match label.trim().to_ascii_lowercase().as_str() {
            "ascii" | "us-ascii" => Kind::Ascii,
            "latin-1" | "latin1" | "l1" | "iso-8859-1" | "iso8859-1" | "iso88591" => Kind::Latin1,
            "utf-16" | "utf16" => Kind::Utf16WithMark,
            "utf-16-le" => Kind::Standard(UTF_16LE),
            "utf-16-be" => Kind::Standard(UTF_16BE),
            label => match encoding_rs::Encoding::for_label(label.as_bytes()) {
                // A label for refusing text is not an encoding to test with.
                Some(encoding) if encoding != encoding_rs::REPLACEMENT => Kind::Standard(encoding),
                _ => {
                    return Err(UnknownEncoding {
                        label: label.to_owned(),
                    });
                }
            },
        };
        Ok(Encoding(kind))
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoding({})", self.name())
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(label: &str, text: &str, bytes: &[u8]) {
        let encoding: Encoding = label.parse().unwrap();
        assert_eq!(
            encoding.encode(text).unwrap().as_ref(),
            bytes,
            "{label} encodes"
        );
        assert_eq!(encoding.decode(bytes).unwrap(), text, "{label} decodes");
    }

    #[test]
    fn converts_both_ways() {
        check("utf-8", "héllo €", "héllo €".as_bytes());
        check("UTF8", "é", "é".as_bytes());
        check("latin-1", "é\u{80}ÿ", &[0xe9, 0x80, 0xff]);
        check("windows-1252", "€", &[0x80]);
        check("ascii", "abc", b"abc");
        check("utf-16le", "aé", &[0x61, 0, 0xe9, 0]);
        check("utf-16-be", "aé", &[0, 0x61, 0, 0xe9]);
        check("utf-16", "a", &[0xff, 0xfe, 0x61, 0]);
        check("shift_jis", "日本", &[0x93, 0xfa, 0x96, 0x7b]);
    }

    #[test]
    fn says_where_text_cannot_be_converted() {
        let parse = |label: &str| label.parse::<Encoding>().unwrap();
        assert_eq!(parse("latin-1").encode("a€b"), Err('€'));
        assert_eq!(parse("ascii").encode("aé"), Err('é'));
        assert_eq!(parse("shift_jis").encode("日ü"), Err('ü'));
        assert_eq!(parse("utf-8").decode(b"ab\xffc"), Err(2));
        assert_eq!(
            parse("utf-8").decode("é".as_bytes().split_last().unwrap().1),
            Err(0)
        );
        assert_eq!(parse("ascii").decode(b"ab\xe9"), Err(2));
        assert_eq!(parse("utf-16").decode(&[0xff, 0xfe, 0x61, 0, 0x62]), Err(4));
        assert_eq!(parse("shift_jis").decode(&[0x93, 0xfa, 0x96]), Err(2));
    }

    /// Every encoding that there is, by its label.
    pub(super) const LABELS: [&str; 14] = [
        "utf-8",
        "ascii",
        "latin-1",
        "utf-16",
        "utf-16le",
        "utf-16be",
        "shift_jis",
        "euc-jp",
        "iso-2022-jp",
        "gbk",
        "gb18030",
        "big5",
        "euc-kr",
        "windows-1252",
    ];

    #[test]
    fn refuses_an_unknown_label() {
        let error = "utf-9".parse::<Encoding>().unwrap_err();
        assert_eq!(error.to_string(), "unknown encoding \"utf-9\"");
        assert!("iso-2022-kr".parse::<Encoding>().is_err());
    }
}
