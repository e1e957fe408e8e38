//! Where in the text of a file a part of a string of TOML is.

use std::ops::Range;

/// Where the bytes `part` of the value of a string are in `raw`, the string as it was written with
/// its quotes. `None` if it has no such bytes.
pub(crate) fn part_of_string(raw: &str, part: &Range<usize>) -> Option<Range<usize>> {
    let places = places(raw)?;
    let start = *places.get(part.start)?;
    // A mistake at the end of the text is shown at the closing quote.
    let end = places.get(part.end).copied().unwrap_or(raw.len());
    // Between two characters nothing can be marked: the one behind is.
    let next = raw[start..].chars().next().map_or(0, char::len_utf8);
    Some(start..end.max(start + next))
}

/// For each byte of the value where it is written, and at last where the value ends.
fn places(raw: &str) -> Option<Vec<usize>> {
    let quote = ["'''", "\"\"\"", "'", "\""]
        .into_iter()
        .find(|quote| raw.starts_with(quote) && raw.len() >= 2 * quote.len())?;
    let end = raw.len() - quote.len();
    let mut at = quote.len();
    if quote.len() == 3 {
        // The end of line behind the quotes is not part of the value.
        let rest = &raw[at..end];
        at += match rest.strip_prefix('\r').unwrap_or(rest).strip_prefix('\n') {
            Some(after) => rest.len() - after.len(),
            None => 0,
        };
    }
    let has_escapes = quote.starts_with('"');
    let mut places = Vec::with_capacity(raw.len());
    while at < end {
        let rest = &raw[at..end];
        let mut characters = rest.chars();
        let first = characters.next()?;
        let (written, meant) = match first {
            '\\' if has_escapes => escape(characters.as_str())?,
            other => (other.len_utf8(), other.len_utf8()),
        };
        // An escape stands for all of its bytes at once.
        places.extend((0..meant).map(|byte| match written == meant {
            true => at + byte,
            false => at,
        }));
        at += written;
    }
    places.push(end);
    Some(places)
}

/// How many bytes an escape has, its backslash with them, and how many it stands for.
fn escape(after: &str) -> Option<(usize, usize)> {
    let digits = match after.chars().next()? {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        // The end of the line and all that is blank from there on stand for nothing.
        blank if blank.is_whitespace() => {
            let skipped = after.len() - after.trim_start().len();
            return Some((1 + skipped, 0));
        }
        _ => return Some((2, 1)),
    };
    let code = u32::from_str_radix(after.get(1..=digits)?, 16).ok()?;
    Some((2 + digits, char::from_u32(code)?.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::part_of_string;

    #[track_caller]
    fn check(raw: &str, part: std::ops::Range<usize>, expected: &str) {
        let place = part_of_string(raw, &part).unwrap();
        assert_eq!(&raw[place], expected, "{raw}");
    }

    #[test]
    fn strings_of_all_sorts_have_their_parts() {
        check("'^(a'", 1..2, "(");
        check("\"^(a\"", 1..2, "(");
        check("'''^(a'''", 1..3, "(a");
        check("'''\n^(a'''", 1..2, "(");
        check("\"\"\"\r\n^(a\"\"\"", 1..2, "(");
    }

    #[test]
    fn escapes_count_as_what_they_stand_for() {
        check(r#""\\d(x""#, 2..3, "d".replace('d', "(").as_str());
        check(r#""\\d(x""#, 0..1, r"\\");
        check(r#""\u00fc(x""#, 2..3, "(");
        check(r#""\xe9\U0001F600(""#, 6..7, "(");
        check("\"\"\"a\\\n   (b\"\"\"", 1..2, "(");
        check("'ü(x'", 2..3, "(");
    }

    #[test]
    fn what_is_not_there_has_no_place() {
        assert_eq!(part_of_string("'ab'", &(5..6)), None);
        assert_eq!(part_of_string("12", &(0..1)), None);
        assert_eq!(part_of_string("'", &(0..1)), None);
        check("'ab'", 2..2, "'");
        check("'aü'", 1..1, "ü");
    }
}
