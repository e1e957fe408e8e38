//! Why nothing matches a frame.

use std::sync::Arc;

use crate::Ledger;
use crate::excerpt::{EVIDENCE, Excerpt};
use crate::script::{Test, common};
use crate::unexpected::{Candidate, Surprise};

/// How many rules an error lists.
const LISTED: usize = 12;

/// Something that could have matched.
struct Close {
    what: String,
    why: String,
    /// How many bytes were as they should be.
    closeness: usize,
}

impl Close {
    fn of(what: String, test: &Test, frame: &[u8]) -> Close {
        if test.matches_but_for_case(frame) {
            return Close {
                what,
                why: "only the case of its letters differs".to_owned(),
                closeness: frame.len().max(1),
            };
        }
        Close {
            what,
            why: test.mismatch(frame),
            closeness: common(test.lead(), frame),
        }
    }
}

/// Why no rule matches a frame on a connection in this state.
pub(crate) fn by_rules(ledger: &Ledger, state: Option<&Arc<str>>, frame: &[u8]) -> Surprise {
    let parts = &ledger.script().parts;
    let mut all = Vec::new();
    for (index, rule) in parts.rules.iter().enumerate() {
        let what = format!("rule {} ({rule})", index + 1);
        let is_used_up = !rule.times.allows(ledger.count(index) + 1);
        all.push(if !rule.state.fits(state) {
            let state = state.map_or_else(|| "no state".to_owned(), |s| format!("state \"{s}\""));
            Close {
                what,
                why: format!("the connection is in {state}"),
                closeness: 0,
            }
        } else if is_used_up && rule.test.matches_surely(frame) {
            Close {
                what,
                why: match rule.times.most() {
                    Some(0) => "it may never match".to_owned(),
                    _ => format!("it may match {}, and has", rule.times),
                },
                closeness: frame.len().max(1),
            }
        } else {
            Close::of(what, &rule.test, frame)
        });
    }
    for index in 0..parts.closures.len() {
        all.push(Close {
            what: format!("closure {}", index + 1),
            why: "does not answer it".to_owned(),
            closeness: 0,
        });
    }
    surprise(all, None, frame)
}

/// Why none of the frames that a dialogue expects is this one.
pub(crate) fn by_dialogue(expected: &[&Test], step: String, frame: &[u8]) -> Surprise {
    let expected = expected.iter();
    let all = expected.map(|test| Close::of(test.to_string(), test, frame));
    surprise(all.collect(), Some(step), frame)
}

fn surprise(all: Vec<Close>, step: Option<String>, frame: &[u8]) -> Surprise {
    let total = all.len();
    let most = all.iter().map(|close| close.closeness).max().unwrap_or(0);
    let closest = all.iter().position(|close| close.closeness == most);
    let closest = closest.filter(|_| most > 0);
    let listed = all.into_iter().enumerate();
    let listed = listed.filter(|(index, _)| *index < LISTED || Some(*index) == closest);
    let candidates: Vec<_> = listed
        .map(|(index, close)| Candidate {
            what: close.what,
            why: close.why,
            is_closest: Some(index) == closest && total > 1,
        })
        .collect();
    Surprise::Frame {
        frame: Excerpt::new(frame, EVIDENCE),
        more: total - candidates.len(),
        candidates,
        step,
    }
}
