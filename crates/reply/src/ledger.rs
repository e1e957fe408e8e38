//! The account of what has happened, and what should have.

use std::collections::BTreeMap;
use std::sync::Arc;

use standin_error::text::{Count, Often};
use standin_record::LastRecords;
use standin_sync::Monitor;

use crate::script::Scene;

use crate::verdict::{Unmet, Verdict};
use crate::{Script, Times, Unexpected};

/// The account of all conversations that follow one script: how often each rule has matched, what
/// was unexpected, and what is still missing.
///
/// Clones are the same account.
#[derive(Clone, Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    script: Script,
    book: Monitor<Book>,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// How often each rule has matched.
    rules: Vec<usize>,
    pub(crate) frames: usize,
    pub(crate) connections: usize,
    pub(crate) dialogues: BTreeMap<usize, Progress>,
    /// How many of them are not over.
    unfinished: usize,
    /// What was unexpected, as far as it is kept.
    pub(crate) unexpected: Vec<Unexpected>,
    /// How much more was unexpected.
    more: usize,
    /// Why waits have ended.
    pub(crate) aborted: Option<Arc<str>>,
    /// Nothing more happens.
    pub(crate) has_ended: bool,
}

/// How far a dialogue has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is at the step of that number.
    At(usize),
    /// It is over.
    Over,
    /// Its connection has ended before, which is reported as unexpected.
    Broken,
}

impl Ledger {
    /// How many unexpected things are kept in full. All are counted.
    pub const MOST_UNEXPECTED: usize = 64;

    /// How many dialogues that are not over are said one by one.
    const MOST_UNMET_DIALOGUES: usize = 64;

    /// Creates the account of conversations that have not begun.
    pub fn new(script: Script) -> Ledger {
        let book = Book {
            rules: vec![0; script.parts.rules.len()],
            ..Book::default()
        };
        Ledger {
            shared: Arc::new(Shared {
                script,
                book: Monitor::new(book),
            }),
        }
    }

    /// Returns how many connections have come.
    pub fn connections(&self) -> usize {
        self.book().lock().connections
    }

    /// Returns how many frames have come.
    pub fn frames(&self) -> usize {
        self.book().lock().frames
    }

    /// Returns how often the rule of [that name](crate::When::named) has matched; `None`
    /// without such a rule.
    pub fn matched(&self, rule: &str) -> Option<usize> {
        let index = self.rule(rule)?;
        Some(self.book().lock().matched(index))
    }

    /// Returns the unexpected events in order: the first [64](Ledger::MOST_UNEXPECTED).
    pub fn unexpected(&self) -> Vec<Unexpected> {
        self.book().lock().unexpected.clone()
    }

    /// Returns how often something was unexpected.
    pub fn unexpected_count(&self) -> usize {
        let book = self.book().lock();
        book.unexpected.len() + book.more
    }

    /// Returns what is missing: rules below their minimum, unfinished dialogues, missing
    /// connections.
    pub fn unmet(&self) -> Vec<Unmet> {
        let book = self.book().lock();
        self.unmet_in(&book)
    }

    /// Checks that everything required has happened, and nothing unexpected.
    ///
    /// # Errors
    ///
    /// Returns an error that lists what was unexpected and what is missing.
    pub fn verify(&self) -> Result<(), Verdict> {
        let book = self.book().lock();
        let unmet = self.unmet_in(&book);
        if unmet.is_empty() && book.unexpected.is_empty() {
            return Ok(());
        }
        let who = self.who().map(Arc::clone);
        let unexpected = book.unexpected.clone();
        Err(Verdict::new(
            who,
            unexpected,
            book.more,
            unmet,
            self.last_records(),
        ))
    }

    pub(crate) fn unmet_in(&self, book: &Book) -> Vec<Unmet> {
        let parts = &self.script().parts;
        let mut unmet = Vec::new();
        let mut miss = |what| unmet.push(Unmet::new(self.who().cloned(), what));
        for (index, (rule, count)) in parts.rules.iter().zip(&book.rules).enumerate() {
            if *count < rule.times.least() {
                let wanted = rule.times;
                let number = index + 1;
                let did = match count {
                    0 => "never did".to_owned(),
                    count => format!("matched {}", Often(*count)),
                };
                miss(format!(
                    "rule {number} ({rule}) must match {wanted}, and {did}"
                ));
            }
        }
        let least = parts.connections.least();
        if book.connections < least {
            let came = book.connections;
            let wanted = Count(least, "connection");
            let exactly = match parts.connections.most() {
                Some(most) if most == least => "exactly",
                _ => "at least",
            };
            miss(format!("{exactly} {wanted} must come, and {came} came"));
        }
        let dialogues = book.dialogues.iter();
        let unfinished = dialogues.filter_map(|(connection, progress)| match progress {
            Progress::At(step) => Some((connection, self.scene(*connection)?.step(*step))),
            Progress::Over | Progress::Broken => None,
        });
        for (connection, step) in unfinished.take(Self::MOST_UNMET_DIALOGUES) {
            miss(format!(
                "the dialogue of connection {connection} has stopped at {step}"
            ));
        }
        let more = book.unfinished.saturating_sub(Self::MOST_UNMET_DIALOGUES);
        if more > 0 {
            miss(format!("{} are not over", Count(more, "more dialogue")));
        }
        unmet
    }

    /// Whether nothing is missing: asked at each change, while a caller waits for it.
    pub(crate) fn is_met_in(&self, book: &Book) -> bool {
        let parts = &self.script().parts;
        let mut rules = parts.rules.iter().zip(&book.rules);
        book.unfinished == 0
            && book.connections >= parts.connections.least()
            && rules.all(|(rule, count)| *count >= rule.times.least())
    }

    /// What was recorded of all connections, if there were any.
    pub(crate) fn last_records(&self) -> Option<LastRecords> {
        let records = self.script().driver.as_ref()?.last_records();
        (!records.is_empty()).then_some(records)
    }

    pub(crate) fn script(&self) -> &Script {
        &self.shared.script
    }

    pub(crate) fn who(&self) -> Option<&Arc<str>> {
        self.script().label.as_ref()
    }

    pub(crate) fn book(&self) -> &Monitor<Book> {
        &self.shared.book
    }

    pub(crate) fn rule(&self, name: &str) -> Option<usize> {
        let rules = &self.script().parts.rules;
        rules
            .iter()
            .position(|rule| rule.name.as_deref() == Some(name))
    }

    /// The dialogue of a connection.
    pub(crate) fn scene(&self, connection: usize) -> Option<&Arc<Scene>> {
        let parts = &self.script().parts;
        parts
            .own_dialogues
            .get(&connection)
            .or(parts.dialogue.as_ref())
    }

    /// A connection has come; says whether it may.
    pub(crate) fn connected(&self) -> bool {
        let allowed: Times = self.script().parts.connections;
        self.book().update(|book| {
            book.connections += 1;
            allowed.allows(book.connections)
        })
    }

    /// A frame has come.
    pub(crate) fn heard(&self) {
        self.book().update(|book| book.frames += 1);
    }

    /// A rule has matched; says whether it may.
    pub(crate) fn matches(&self, rule: usize) -> bool {
        let Some(times) = self.script().parts.rules.get(rule).map(|rule| rule.times) else {
            return false;
        };
        self.book().update(|book| {
            let Some(count) = book.rules.get_mut(rule) else {
                return false;
            };
            let may = times.allows(*count + 1);
            *count += usize::from(may);
            may
        })
    }

    /// How often a rule has matched.
    pub(crate) fn count(&self, rule: usize) -> usize {
        self.book().lock().matched(rule)
    }

    /// The dialogue of a connection has come so far.
    pub(crate) fn progress(&self, connection: usize, progress: Progress) {
        let is_unfinished = |progress: Progress| usize::from(matches!(progress, Progress::At(_)));
        self.book().update(|book| {
            let before = book.dialogues.insert(connection, progress);
            book.unfinished += is_unfinished(progress);
            book.unfinished -= before.map_or(0, is_unfinished);
        });
    }

    /// Notes something unexpected. Of the first the script's owner is told, without a lock.
    pub(crate) fn surprised(&self, unexpected: Unexpected) {
        let first = self.book().update(|book| {
            if book.unexpected.len() == Self::MOST_UNEXPECTED {
                book.more += 1;
                return None;
            }
            book.unexpected.push(unexpected);
            match &*book.unexpected {
                [first] => Some(first.clone()),
                _ => None,
            }
        });
        if let (Some(first), Some(tell)) = (first, &self.script().on_unexpected) {
            tell(&first);
        }
    }

    /// Whether what is unexpected now is only counted.
    pub(crate) fn keeps_no_more(&self) -> bool {
        self.book().lock().unexpected.len() == Self::MOST_UNEXPECTED
    }

    /// Counts something unexpected that is not kept.
    pub(crate) fn is_surprised_again(&self) {
        self.book().update(|book| book.more += 1);
    }

    /// The test is over, for this reason.
    pub(crate) fn abort(&self, reason: Arc<str>) {
        self.book().update(|book| {
            book.aborted.get_or_insert(reason);
        });
    }

    /// How much has come, for messages.
    pub(crate) fn so_far(&self) -> String {
        self.book().lock().so_far()
    }

    /// Nothing more will happen.
    pub(crate) fn end(&self) {
        self.book().update(|book| book.has_ended = true);
    }
}

impl Book {
    /// How often a rule has matched.
    pub(crate) fn matched(&self, rule: usize) -> usize {
        self.rules.get(rule).copied().unwrap_or(0)
    }

    /// How much has come, for messages.
    pub(crate) fn so_far(&self) -> String {
        let connections = Count(self.connections, "connection");
        format!("{connections} and {} came", Count(self.frames, "frame"))
    }
}
