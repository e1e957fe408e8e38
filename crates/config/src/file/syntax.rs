//! How to write what TOML refuses.

use std::ops::Range;

/// What to write instead; `None` where the message says enough.
pub(crate) fn help(message: &str, text: &str, span: Range<usize>) -> Option<String> {
    if !message.contains("escape") {
        return None;
    }
    let example = string_around(text, span.start)
        .filter(|inner| !inner.contains('\'') && inner.len() <= 100)
        .map(|inner| format!(": '{inner}'"))
        .unwrap_or_default();
    Some(format!(
        "in double quotes a backslash begins an escape: write regular expressions and paths in \
         single quotes{example}"
    ))
}

/// What is between the double quotes around a place, on its line.
fn string_around(text: &str, at: usize) -> Option<&str> {
    let line_start = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next()?;
    let at = at - line_start;
    let opened = line.get(..at)?.rfind('"')? + 1;
    let inner = &line[opened..];
    let closed = inner.find('"')?;
    Some(&inner[..closed])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_with_backslashes_is_shown_in_single_quotes() {
        let text = "a = 1\nport = \"(?<port>\\d+)\" # \"x\"\n";
        let at = text.find("\\d").unwrap() + 1;
        let help = help("missing escaped value", text, at..at).unwrap();
        assert!(
            help.ends_with("in single quotes: '(?<port>\\d+)'"),
            "{help}"
        );
    }

    #[test]
    fn what_cannot_be_shown_is_still_explained() {
        let help = help("invalid escape", "a = \"\\d", 6..7).unwrap();
        assert!(help.ends_with("in single quotes"), "{help}");
        assert_eq!(super::help("expected `=`", "a", 0..1), None);
    }
}
