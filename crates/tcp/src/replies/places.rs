//! [`Places`]: where in the options each part of the replies was written.

use std::collections::HashMap;
use std::ops::Range;

use miette::Diagnostic;
use standin_config::{Misfit, Step};
use standin_reply::{Mistake, Place, Problem};

use super::says::Says;

/// Where steps of dialogues were written; all other parts have a place of their own.
#[derive(Default)]
pub(super) struct Places {
    steps: HashMap<(Option<usize>, Vec<usize>), Written>,
    /// What is sent, and where it was declared.
    said: Vec<(Written, Says)>,
    /// The key of each rule that selects its frames.
    pub(super) conditions: Vec<&'static str>,
}

/// A part of an option.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) option: &'static str,
    pub(super) path: Vec<Step>,
}

impl Written {
    pub(super) fn new(option: &'static str, path: impl IntoIterator<Item = Step>) -> Self {
        Written {
            option,
            path: path.into_iter().collect(),
        }
    }
}

pub(super) fn key(key: &str) -> Step {
    Step::Key(key.to_owned())
}

impl Places {
    /// Notes where a step of a dialogue was written.
    pub(super) fn note(&mut self, connection: Option<usize>, moves: &[usize], written: Written) {
        self.steps.insert((connection, moves.to_vec()), written);
    }

    /// Notes where something that is sent was written.
    pub(super) fn note_says(&mut self, option: &'static str, path: &[Step], says: &Says) {
        let written = Written::new(option, path.iter().cloned());
        self.said.push((written, says.clone()));
    }

    /// Converts a mistake in replies to one of the options that declared them.
    pub(super) fn misfit(&self, mistake: &Mistake) -> Misfit {
        self.misfit_at(
            self.written(mistake.place(), mistake.problem()),
            mistake.problem(),
        )
    }

    /// Converts a problem of the part that was written there.
    pub(super) fn misfit_at(&self, written: Written, problem: &Problem) -> Misfit {
        let is_there = |at: &Written| at.option == written.option && at.path == written.path;
        let said = self.said.iter().find(|(at, _)| is_there(at));
        let (inside, bytes) = said.and_then(|(_, says)| part(says, problem)).unzip();
        let misfit = Misfit::new(written.option, problem.to_string());
        let misfit = misfit.at(written.path.into_iter().chain(inside.into_iter().flatten()));
        let misfit = match bytes {
            Some(bytes) => misfit.within(bytes),
            None => misfit,
        };
        match help(problem) {
            Some(help) => misfit.help(help),
            None => misfit,
        }
    }

    fn written(&self, place: &Place, problem: &Problem) -> Written {
        match place {
            Place::Greeting => Written::new("greeting", []),
            Place::Rule(index) => {
                let condition = self.conditions.get(*index).copied();
                let part = match problem {
                    Problem::Unreachable { .. } => condition,
                    Problem::UnknownState { .. } => Some("in"),
                    Problem::SameName { .. } => Some("name"),
                    _ => Some("reply"),
                };
                let path = [Some(Step::Index(*index)), part.map(key)];
                Written::new("on", path.into_iter().flatten())
            }
            Place::Otherwise => Written::new("otherwise", [key("reply")]),
            Place::Dialogue { connection, path } => {
                let known = self.steps.get(&(*connection, path.clone()));
                known.cloned().unwrap_or_else(|| match connection {
                    Some(_) => Written::new("connection", []),
                    None => Written::new("dialogue", []),
                })
            }
            _ => Written::new("connections", []),
        }
    }
}

/// The part of what is sent that a problem is about: where in the value it is, and which bytes of
/// the text there.
fn part(says: &Says, problem: &Problem) -> Option<(Vec<Step>, Range<usize>)> {
    let is_list = matches!(says, Says::Several(_));
    let mut pieces = says.pieces().iter().enumerate();
    pieces.find_map(|(index, piece)| {
        let Problem::UnknownName { name, .. } = problem else {
            return None;
        };
        let (key, text) = piece.template()?;
        let bytes = name_in(text, name)?;
        let index = is_list.then_some(Step::Index(index));
        Some((index.into_iter().chain(key.map(self::key)).collect(), bytes))
    })
}

/// Where in the tags of a template a name is.
fn name_in(template: &str, name: &str) -> Option<Range<usize>> {
    let tag = ["{{", "{%"]
        .iter()
        .filter_map(|tag| template.find(tag))
        .min()?;
    let mut found = template[tag..].match_indices(name);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let at = found.find_map(|(at, _)| {
        let (before, after) = (&template[..tag + at], &template[tag + at + name.len()..]);
        let is_part = before.ends_with(is_word) || after.starts_with(is_word);
        (!is_part && !before.ends_with('.')).then_some(tag + at)
    })?;
    Some(at..at + name.len())
}

/// How to fix it, in the terms of files.
fn help(problem: &Problem) -> Option<String> {
    Some(match problem {
        Problem::Template { .. } => {
            "`{{ name }}` is replaced; to send braces as they are, write { verbatim = \"...\" }"
                .to_owned()
        }
        Problem::Unreachable { .. } => {
            "the first rule that matches applies: write this one before the other, or limit how \
             often the other does, times = \"..=1\""
                .to_owned()
        }
        problem => problem.help()?.to_string(),
    })
}
