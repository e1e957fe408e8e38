//! Where we deliberately do something else: `differences.toml` has what is answered
//! there, so that a listed vector cannot break unnoticed, and `docs/differences.md`
//! the reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::ConformanceError;
use crate::vectors::Vector;

/// What is listed, by the id of the vector.
#[derive(Debug)]
pub(crate) struct Differences {
    path: PathBuf,
    listed: BTreeMap<String, Answers>,
}

/// What we answer at which step.
type Answers = BTreeMap<Step, Answer>;

/// The number of a step, which a file has as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct Step(usize);

impl TryFrom<String> for Step {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.parse();
        number
            .map(Step)
            .map_err(|_| format!("`{text}` is not the number of a step"))
    }
}

/// What we answer at one step: where threads race there is more than one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    One(String),
    OneOf(Vec<String>),
}

impl Answer {
    /// What is listed for the answer that is wanted, where others can be, too.
    const AS_WANTED: &str = "as recorded";

    /// Whether `found` is listed. Where ports differ from run to run only a
    /// beginning can be: `["127.0.0.1",…`.
    pub(crate) fn allows(&self, found: Option<&str>) -> bool {
        let found = found.unwrap_or(Self::AS_WANTED);
        let answers = match self {
            Answer::One(answer) => std::slice::from_ref(answer),
            Answer::OneOf(answers) => answers,
        };
        answers.iter().any(|answer| match answer.strip_suffix('…') {
            Some(beginning) => found.starts_with(beginning),
            None => answer == found,
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::One(answer) => f.write_str(answer),
            Answer::OneOf(answers) => f.write_str(&answers.join(" or ")),
        }
    }
}

impl Differences {
    pub(crate) fn load(path: &Path) -> Result<Self, ConformanceError> {
        let listed = toml::from_str(&read(path)?);
        Ok(Self {
            path: path.to_owned(),
            listed: listed.map_err(|source| ConformanceError::NotDifferences {
                path: path.to_owned(),
                source,
            })?,
        })
    }

    /// What a vector answers otherwise, by the number of the step; nothing for one
    /// that is not listed.
    pub(crate) fn of(&self, vector: &str) -> BTreeMap<usize, &Answer> {
        let answers = self.listed.get(vector).into_iter().flatten();
        answers.map(|(step, answer)| (step.0, answer)).collect()
    }

    /// Whether the page gives a reason for each vector that is listed here, and for
    /// no other.
    pub(crate) fn check_page(&self, page: &Path) -> Result<(), ConformanceError> {
        let (explained, mut flaws) = explained(&read(page)?);
        for id in self.listed.keys().filter(|id| !explained.contains(*id)) {
            flaws.push(format!(
                "no row names {id}, for which a difference is listed"
            ));
        }
        for id in explained.iter().filter(|id| !self.listed.contains_key(*id)) {
            flaws.push(format!(
                "there is a reason for {id}, for which no difference is listed"
            ));
        }
        disagree(page, flaws)
    }

    /// Whether there are all vectors that are listed.
    pub(crate) fn check_vectors(&self, vectors: &[Vector]) -> Result<(), ConformanceError> {
        let ids: BTreeSet<&str> = vectors.iter().map(|vector| vector.id.as_str()).collect();
        let lost = self.listed.keys().filter(|id| !ids.contains(id.as_str()));
        let flaws = lost.map(|id| format!("there is no vector {id}"));
        disagree(&self.path, flaws.collect())
    }
}

fn disagree(path: &Path, flaws: Vec<String>) -> Result<(), ConformanceError> {
    match flaws.is_empty() {
        true => Ok(()),
        false => Err(ConformanceError::ListsDisagree {
            path: path.to_owned(),
            flaws,
        }),
    }
}

fn read(path: &Path) -> Result<String, ConformanceError> {
    fs::read_to_string(path).map_err(|source| ConformanceError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// The vectors that the tables of a page name in their last column, and what is
/// wrong with its rows.
fn explained(page: &str) -> (BTreeSet<String>, Vec<String>) {
    let mut ids = BTreeSet::new();
    let mut flaws = Vec::new();
    let is_ruler = |line: &str| line.starts_with("| ---");
    let lines: Vec<&str> = page.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let heads = lines.get(index + 1).is_some_and(|next| is_ruler(next));
        if !line.starts_with('|') || is_ruler(line) || heads {
            continue;
        }
        let row = line.trim_end().trim_end_matches('|');
        let names = row.rsplit('|').next().unwrap_or_default();
        for name in names.split(',').map(str::trim) {
            if is_id(name) {
                ids.insert(name.to_owned());
            } else {
                flaws.push(format!(
                    "line {}: `{name}` is not the id of a vector",
                    index + 1
                ));
            }
        }
    }
    (ids, flaws)
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
    fn reads_the_vectors_of_a_page() {
        let page = "text\n\n| here | why | vectors |\n| --- | --- | --- |\n| a | `b \\| c` | st-1, st-22 |\n| d | e | |\n";
        let (ids, flaws) = explained(page);
        assert_eq!(ids, BTreeSet::from(["st-1".to_owned(), "st-22".to_owned()]));
        assert_eq!(flaws, ["line 6: `` is not the id of a vector"]);
    }

    #[test]
    fn allows_what_is_listed_and_nothing_else() {
        let one = |text: &str| Answer::One(text.to_owned());
        assert!(one("[1]").allows(Some("[1]")));
        assert!(!one("[1]").allows(Some("[2]")));
        assert!(!one("[1]").allows(None));
        assert!(one("[1,…").allows(Some("[1,2]")));
        let several = Answer::OneOf(vec!["[1]".to_owned(), Answer::AS_WANTED.to_owned()]);
        assert!(several.allows(Some("[1]")));
        assert!(several.allows(None));
        assert!(!several.allows(Some("[2]")));
    }
}
