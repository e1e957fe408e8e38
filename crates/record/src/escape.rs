//! Names and texts inside of markup.

use std::fmt::{self, Write};

/// A text within HTML or SVG, as text or as the value of an attribute between quotes. What no
/// document may have, and what changes the direction of writing, is replaced.
pub(crate) struct Html<'a>(pub(crate) &'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plain = 0;
        for (at, character) in self.0.char_indices() {
            let escaped = match character {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                '\'' => "&#39;",
                '\n' | '\t' => continue,
                other if is_hidden(other) => "\u{fffd}",
                _ => continue,
            };
            f.write_str(&self.0[plain..at])?;
            f.write_str(escaped)?;
            plain = at + character.len_utf8();
        }
        f.write_str(&self.0[plain..])
    }
}

/// Whether a character is not seen, but changes what is seen of others.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{fffe}' | '\u{ffff}')
}

/// A text in a diagram of Mermaid: only what is known to mean nothing stays as it is. Mermaid
/// reads entities, directives, Markdown and HTML in labels, ends statements at `;`, and takes
/// no text at all for a mistake.
pub(crate) struct Mermaid<'a>(pub(crate) &'a str);

impl fmt::Display for Mermaid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.trim().is_empty() {
            return f.write_str("#8203;"); // a space of no width
        }
        for character in self.0.chars() {
            match character {
                ' ' | '.' | ',' | '/' | '(' | ')' | '_' => f.write_char(character)?,
                other if is_hidden(other) => f.write_char('\u{fffd}')?,
                other if other.is_ascii_punctuation() => write!(f, "#{};", u32::from(other))?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out() {
        let text = "</script><b a='\"'>&amp;\u{202e}\0\n";
        assert_eq!(
            Html(text).to_string(),
            "&lt;/script&gt;&lt;b a=&#39;&quot;&#39;&gt;&amp;amp;\u{fffd}\u{fffd}\n"
        );
        assert_eq!(
            Mermaid("a;b\n%%{init}%%").to_string(),
            "a#59;b\u{fffd}#37;#37;#123;init#125;#37;#37;"
        );
        assert_eq!(Mermaid(" ").to_string(), "#8203;");
    }
}
