//! The nearest known name to a misspelt one.

/// The one of `known` that was probably meant by `name`, for messages that ask "did you mean ...?".
/// `None` when nothing is near enough to be meant.
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
    known
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&folded, &fold(candidate));
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            let longest = candidate.chars().count().max(name.chars().count());
            // Names of one letter have nothing in common when it is another one.
            *distance <= (longest / 3).max(1) && *distance < longest
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
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
    }
}
