//! Names made fit for file names.

use unicode_normalization::UnicodeNormalization;

/// `value` as a file name: Latin letters lose their accents, what is then not
/// ASCII or no letter, digit, `_`, `-` or space goes, the rest is lower-cased,
/// and runs of spaces and hyphens become one hyphen. May be empty.
///
/// ```
/// use standin_entity::slugify;
///
/// assert_eq!(slugify("My Driver!"), "my-driver");
/// assert_eq!(slugify("été"), "ete");
/// assert_eq!(slugify("日本"), "");
/// ```
#[must_use]
pub fn slugify(value: &str) -> String {
    let kept: String = value
        .nfkd()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || is_space(*c))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let mut slug = String::with_capacity(kept.len());
    for c in kept.trim_matches(is_space).chars() {
        if c == '-' || is_space(c) {
            if !slug.ends_with('-') {
                slug.push('-');
            }
        } else {
            slug.push(c);
        }
    }
    slug
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_recorded_rules() {
        for (value, slug) in [
            ("a b", "a-b"),
            ("a-b", "a-b"),
            ("a_b", "a_b"),
            ("A.B:C", "abc"),
            ("  x  ", "x"),
            ("a--b  c", "a-b-c"),
            ("a - b", "a-b"),
            ("../x", "x"),
            ("", ""),
            ("\u{2126}\u{ff21}", "a"),
        ] {
            assert_eq!(slugify(value), slug, "{value:?}");
        }
    }
}
