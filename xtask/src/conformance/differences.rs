//! `docs/differences.md`: where we deliberately do something else.
//!
//! Rows of its tables read `| vector | step: answer, ... | reason |`. The
//! answers are pinned there, so that a listed vector cannot break unnoticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::ConformanceError;

/// What is listed, by the id of the vector.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    listed: BTreeMap<String, Difference>,
}

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What we answer at which step.
    pub(crate) answers: BTreeMap<usize, String>,
    pub(crate) reason: String,
}

impl Differences {
    pub(crate) fn load(path: &Path) -> Result<Self, ConformanceError> {
        let text = fs::read_to_string(path).map_err(|source| ConformanceError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut listed = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let bad = |what: &str| ConformanceError::BadRow {
                path: path.to_owned(),
                line: index + 1,
                what: what.to_owned(),
            };
            let Some((id, difference)) = row(line).map_err(|what| bad(&what))? else {
                continue;
            };
            if listed.insert(id.clone(), difference).is_some() {
                return Err(bad(&format!("{id} is listed twice")));
            }
        }
        Ok(Self { listed })
    }

    pub(crate) fn of(&self, id: &str) -> Option<&Difference> {
        self.listed.get(id)
    }
}

/// What a listed answer calls the one that is wanted, where both can be.
const AS_WANTED: &str = "as recorded";

/// Whether a listed answer allows what was found. Where threads race there is
/// more than one, `[1,2] or as recorded`, and where ports differ from run to run
/// only a beginning, `["127.0.0.1",…`.
pub(crate) fn allows(listed: &str, found: Option<&str>) -> bool {
    let found = found.unwrap_or(AS_WANTED);
    let one = |listed: &str| match listed.strip_suffix('…') {
        Some(beginning) => found.starts_with(beginning),
        None => listed == found,
    };
    one(listed) || listed.split(" or ").any(one)
}

/// Reads one line; `None` for what is no row of a vector.
fn row(line: &str) -> Result<Option<(String, Difference)>, String> {
    let cells: Vec<String> = match line.strip_prefix('|') {
        Some(rest) => split_cells(rest),
        None => return Ok(None),
    };
    let Some(id) = cells.first().filter(|id| is_id(id)) else {
        return Ok(None);
    };
    let [_, answers, reason] = cells.as_slice() else {
        return Err(format!(
            "the row of {id} needs a vector, answers and a reason"
        ));
    };
    if reason.len() < 15 {
        return Err(format!("{id} needs a reason"));
    }
    let mut rest = answers.as_str();
    let mut answers = BTreeMap::new();
    // `3: "STOPPED"`, each in a code span.
    while let Some((_, span)) = rest.split_once('`') {
        let Some((span, after)) = span.split_once('`') else {
            return Err(format!("a code span of {id} is not closed"));
        };
        let Some((step, answer)) = span.split_once(": ") else {
            return Err(format!("{id}: `{span}` is no `step: answer`"));
        };
        let step = step
            .parse()
            .map_err(|_| format!("{id}: `{step}` is no number of a step"))?;
        answers.insert(step, answer.to_owned());
        rest = after;
    }
    if answers.is_empty() {
        return Err(format!("the row of {id} says at no step what differs"));
    }
    Ok(Some((
        id.clone(),
        Difference {
            answers,
            reason: reason.clone(),
        },
    )))
}

/// Cells are separated by `|`, unless it is escaped.
fn split_cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut characters = row.trim_end().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&'|') => {
                characters.next();
                push(&mut cells, '|');
            }
            '|' => cells.push(String::new()),
            other => push(&mut cells, other),
        }
    }
    if cells.last().is_some_and(String::is_empty) {
        cells.pop();
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

fn push(cells: &mut [String], character: char) {
    if let Some(cell) = cells.last_mut() {
        cell.push(character);
    }
}

/// `st-107`: letters, a dash, digits.
fn is_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(area, number)| {
        !area.is_empty()
            && area.chars().all(|c| c.is_ascii_lowercase())
            && !number.is_empty()
            && number.chars().all(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rows_and_nothing_else() {
        assert_eq!(row("text"), Ok(None));
        assert_eq!(row("| vector | answers | reason |"), Ok(None));
        assert_eq!(row("| --- | --- | --- |"), Ok(None));
        let (id, difference) =
            row("| st-1 | `2: {\"a\\|b\":1}`, `3: error timeout` | because of this and that |")
                .unwrap()
                .unwrap();
        assert_eq!(id, "st-1");
        assert_eq!(difference.answers[&2], r#"{"a|b":1}"#);
        assert_eq!(difference.answers[&3], "error timeout");
        assert_eq!(difference.reason, "because of this and that");
    }

    #[test]
    fn allows_what_is_listed_and_nothing_else() {
        assert!(allows("[1]", Some("[1]")));
        assert!(!allows("[1]", Some("[2]")));
        assert!(!allows("[1]", None));
        assert!(allows("[1] or [2] or as recorded", Some("[2]")));
        assert!(allows("[1] or [2] or as recorded", None));
        assert!(allows("[1,…", Some("[1,2]")));
    }

    #[test]
    fn refuses_rows_without_a_reason_or_without_answers() {
        assert!(row("| st-1 | `2: 5` | |").is_err());
        assert!(row("| st-1 | | because of this and that |").is_err());
        assert!(row("| st-1 | `two: 5` | because of this and that |").is_err());
    }
}
