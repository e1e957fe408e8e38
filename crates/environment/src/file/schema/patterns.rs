//! Texts of values, as regular expressions of JSON Schema.

/// From here on no duration is long enough, in seconds.
pub(super) const LONGEST_DURATION: u64 = u64::MAX;

/// A number from 0 to 65535, or a name that may be a service.
pub(super) const PORT_PATTERN: &str = r"^\s*(?:\+?0*(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])|[^\s\-+]*[A-Za-z]\S*)\s*$";

/// What [`standin_config::duration::parse`] reads: seconds, or numbers with units.
pub(super) fn duration_pattern() -> String {
    let number = r"[0-9]+(?:[.,][0-9]+)?";
    let units = [
        "h(?:(?:ou)?rs?)?",
        "m(?:in(?:ute)?s?)?",
        "s(?:ec(?:ond)?s?)?",
        "m(?:s|secs?|illis?|illiseconds?)",
        "[uµ](?:s|secs?)",
        "micro(?:s|seconds?)?",
        "n(?:s|secs?|anos?|anoseconds?)",
    ]
    .join("|");
    let one = format!(r"{number}\s*(?:{units})");
    format!(
        r"^\s*\+?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+|{one}(?:(?:,\s+|\s*){one})*|[0-9]+:[0-9]+:[0-9]+(?:[.,][0-9]+)?)\s*$"
    )
}
