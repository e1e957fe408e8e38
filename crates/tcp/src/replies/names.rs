//! The names in templates of replies.

use standin_config::Misfit;
use standin_reply::{Mistake, Problem, Replies, anything};

use super::expression::Expression;
use super::places::{Places, Written};
use super::says::Says;

/// The names that templates of replies may use beyond those of the conversation.
pub(crate) const KNOWN: &[&str] = &["context"];

/// The names in what a rule sends that nobody knows.
pub(super) fn unknown_names(expression: Option<&Expression>, says: &Says) -> Vec<Misfit> {
    let when = expression.map_or_else(anything, Expression::when);
    let mut places = Places::default();
    places.note_says("reply", &[], says);
    let Err(error) = Replies::raw().on(when, says.answer()).check(KNOWN) else {
        return Vec::new();
    };
    let problems = error.mistakes().iter().map(Mistake::problem);
    problems
        .filter(|problem| matches!(problem, Problem::UnknownName { .. }))
        .map(|problem| places.misfit_at(Written::new("reply", []), problem))
        .collect()
}
