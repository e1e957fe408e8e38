//! The nearest known name to a misspelt one.

/// Returns the name in `known` that was probably meant by `name`, for messages that ask "did you
/// mean ...?". `None` when nothing is near enough to be meant.
///
/// ```
/// use standin_config::nearest;
///
/// assert_eq!(nearest("tiemout", ["timeout", "runpath"]), Some("timeout"));
/// assert_eq!(nearest("colour", ["timeout", "runpath"]), None);
/// ```
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Hostile input may be long; no known name is.
    if name.chars().count() > 100 {
        return None;
    }
    let folded = fold(name);
    let length = name.chars().count();
    let mut affixed: Option<&str> = None;
    let close = known
        .into_iter()
        .inspect(|candidate| {
            let known = fold(candidate);
            let is_part = known.starts_with(&folded) || known.ends_with(&folded);
            if length >= 3 && is_part {
                affixed.get_or_insert(candidate);
            }
        })
        // Names of very different lengths are far apart, which is cheap to find out.
        .filter(|candidate| {
            let candidate = candidate.chars().count();
            candidate.abs_diff(length) <= (candidate.max(length) / 3).max(1)
        })
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&folded, &fold(candidate));
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            let longest = candidate.chars().count().max(length);
            // Names of one letter have nothing in common when it is another one.
            *distance <= (longest / 3).max(1) && *distance < longest
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate);
    // A name that was shortened, as `TERM` for `SIGTERM`.
    close.or(affixed)
}

/// Case, and `-` for `_`, are what people mix up most.
fn fold(name: &str) -> String {
    name.to_lowercase().replace(['-', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_is_recognised() {
        let known = ["timeout", "runpath", "async_start"];
        assert_eq!(nearest("timeuot", known), Some("timeout"));
        assert_eq!(nearest("Async-Start", known), Some("async_start"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("x", ["a"]), None);
        assert_eq!(nearest("TERM", ["SIGINT", "SIGTERM"]), Some("SIGTERM"));
        assert_eq!(nearest("re", ["retry"]), None);
    }
}
