//! What was answered against what was to be answered.

use serde_json::{Map, Value as Json};

use crate::vectors::Step;

/// Members of a recorded answer that are about Python, or are checked apart.
const IGNORED: &[&str] = &[
    "message",
    "py_type",
    "observed",
    "validator",
    "bound_s",
    "elapsed_s",
];

/// The answer of a step that did not come to an end.
pub(crate) const BLOCKS: &str = "blocks";

/// How the answer to a step differs from what is wanted, as one short text;
/// `None` when it does not.
pub(crate) fn difference(step: &Step, answer: &Json) -> Option<String> {
    let wanted = step.wanted();
    if !same(&plain(wanted), &plain(answer)) {
        return Some(shown(wanted, answer));
    }
    let bounds = wanted.get("elapsed_s")?;
    let took = answer.get("elapsed_s").and_then(Json::as_f64)?;
    if took < bounds.get("min").and_then(Json::as_f64).unwrap_or(0.0) {
        return Some("sooner".to_owned());
    }
    if took > bounds.get("max").and_then(Json::as_f64).unwrap_or(f64::MAX) {
        return Some("later".to_owned());
    }
    None
}

/// An answer as `docs/differences.md` writes it.
fn shown(wanted: &Json, answer: &Json) -> String {
    const LONGEST: usize = 120;
    let (wanted, answer) = (plain(wanted), plain(answer));
    let text = if let Some(value) = answer.get("ok") {
        let text = value.to_string();
        match wanted.get("ok") {
            Some(wanted) if text.chars().count() > LONGEST => {
                changes(wanted, value).unwrap_or(text)
            }
            _ => text,
        }
    } else if let Some(error) = answer.get("error") {
        let word = |name: &str| error.get(name).and_then(Json::as_str);
        let category = word("category").unwrap_or("unknown");
        match word("errno") {
            Some(errno) => format!("error {category} {errno}"),
            None => format!("error {category}"),
        }
    } else if answer.get("blocked").is_some() {
        BLOCKS.to_owned()
    } else if answer.get("still_running").is_some() {
        "still running".to_owned()
    } else if answer.get("broken").is_some() {
        "cannot be done".to_owned()
    } else {
        answer.to_string()
    };
    // A backtick would end the code span that this stands in.
    without_runs(&text.replace('`', "'"))
}

/// A text in which a character that is repeated often stands once, with a count.
fn without_runs(text: &str) -> String {
    const LONG: usize = 40;
    let mut short = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let mut count = 1;
        while characters.next_if_eq(&character).is_some() {
            count += 1;
        }
        if count < LONG {
            short.extend(std::iter::repeat_n(character, count));
        } else {
            short += &format!("{character}×{count}");
        }
    }
    short
}

/// What a long list has more (`+`) and less (`-`) than the one that was wanted.
fn changes(wanted: &Json, answer: &Json) -> Option<String> {
    let (wanted, answer) = match (wanted, answer) {
        (Json::Array(wanted), Json::Array(answer)) => (wanted, answer),
        (Json::Object(wanted), Json::Object(answer)) => {
            let mut names = answer.keys().filter(|name| wanted.contains_key(*name));
            return names.find_map(|name| {
                let changes = changes(&wanted[name], &answer[name])?;
                Some(format!("{name}: {changes}"))
            });
        }
        _ => return None,
    };
    let beyond = |these: &[Json], those: &[Json], sign: char| -> Vec<String> {
        these
            .iter()
            .filter(|item| !those.iter().any(|other| same(other, item)))
            .map(|item| format!("{sign}{item}"))
            .collect()
    };
    let mut changes = beyond(answer, wanted, '+');
    changes.extend(beyond(wanted, answer, '-'));
    (!changes.is_empty()).then(|| changes.join(" "))
}

/// An answer without what does not count.
fn plain(answer: &Json) -> Json {
    match answer {
        Json::Object(members) if members.contains_key("$failed_action") => {
            serde_json::json!({"$failed_action": true})
        }
        Json::Object(members) => {
            let mut kept: Map<String, Json> = members
                .iter()
                .filter(|(name, _)| !IGNORED.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), plain(value)))
                .collect();
            // Elsewhere the category says it already.
            if kept
                .get("category")
                .is_some_and(|category| category != "os_error")
            {
                kept.remove("errno");
            }
            Json::Object(kept)
        }
        Json::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// Equality with Python's idea of numbers, and without the order of members.
fn same(wanted: &Json, answer: &Json) -> bool {
    match (wanted, answer) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b))
            if a.get("category").is_some_and(|c| c == "os_error") =>
        {
            // An errno counts where it was recorded.
            b.get("category") == a.get("category")
                && a.get("errno")
                    .is_none_or(|errno| b.get("errno") == Some(errno))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(wanted: Json, answer: Json, difference: Option<&str>) {
        let step = serde_json::from_value(json!({"op": "x", "expect": wanted})).unwrap();
        assert_eq!(super::difference(&step, &answer).as_deref(), difference);
    }

    #[test]
    fn compares_numbers_by_value_and_errors_by_category() {
        check(json!({"ok": 1}), json!({"ok": 1.0}), None);
        check(
            json!({"error": {"category": "timeout"}}),
            json!({"error": {"category": "timeout", "errno": "ETIMEDOUT", "message": "x"}}),
            None,
        );
        check(
            json!({"error": {"category": "os_error", "errno": "EADDRINUSE"}}),
            json!({"error": {"category": "os_error"}}),
            Some("error os_error"),
        );
    }

    #[test]
    fn an_answer_at_the_wrong_time_is_a_difference() {
        let wanted = json!({"ok": 1, "elapsed_s": {"min": 1, "max": 2}});
        check(wanted.clone(), json!({"ok": 1, "elapsed_s": 1.5}), None);
        check(
            wanted.clone(),
            json!({"ok": 1, "elapsed_s": 0.5}),
            Some("sooner"),
        );
        check(wanted, json!({"ok": 1, "elapsed_s": 2.5}), Some("later"));
    }

    #[test]
    fn the_correct_answer_counts_rather_than_the_recorded_one() {
        let step =
            serde_json::from_value(json!({"op": "x", "expect": {"ok": 1}, "correct": {"ok": 2}}))
                .unwrap();
        assert_eq!(super::difference(&step, &json!({"ok": 2})), None);
        assert_eq!(
            super::difference(&step, &json!({"ok": 1})).as_deref(),
            Some("1")
        );
    }
}
