//! Waiting for something to have happened.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use standin_sync::operation::{Thread, Wait, now};

use miette::Diagnostic;
use standin_error::text::{Count, Names, Often, Span};
use standin_record::LastRecords;
use thiserror::Error;

use crate::ledger::{Book, Progress};
use crate::verdict::{Beneath, Prefix};
use crate::{Ledger, Unexpected};

/// Something that a test waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Seen {
    what: What,
    times: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Rule(Arc<str>),
    Frames,
    Connections,
    Dialogue,
    Everything,
}

impl Seen {
    /// Holds when the rule of [that name](crate::When::named) has matched once, or the number of
    /// [`times`](Seen::times).
    pub fn rule(name: impl AsRef<str>) -> Seen {
        Seen {
            what: What::Rule(name.as_ref().into()),
            times: 1,
        }
    }

    /// Holds when `count` frames have come, on all connections together.
    pub fn frames(count: usize) -> Seen {
        Seen {
            what: What::Frames,
            times: count,
        }
    }

    /// Holds when `count` connections have come.
    pub fn connections(count: usize) -> Seen {
        Seen {
            what: What::Connections,
            times: count,
        }
    }

    /// Holds when the dialogue of the connection with that index, counted from 0, is over.
    pub fn dialogue(connection: usize) -> Seen {
        Seen {
            what: What::Dialogue,
            times: connection,
        }
    }

    /// Holds when everything has happened that must: [`Ledger::unmet`] is empty.
    pub fn everything() -> Seen {
        Seen {
            what: What::Everything,
            times: 1,
        }
    }

    /// Sets the minimum number of matches of a [`rule`](Seen::rule).
    pub fn times(mut self, times: usize) -> Seen {
        if let What::Rule(_) = self.what {
            self.times = times;
        }
        self
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = self.times;
        match &self.what {
            What::Rule(name) => write!(f, "rule \"{name}\" has matched {}", Often(times)),
            What::Frames => write!(f, "{} came", Count(times, "frame")),
            What::Connections => write!(f, "{} came", Count(times, "connection")),
            What::Dialogue => write!(f, "the dialogue of connection {times} is over"),
            What::Everything => f.write_str("everything that must happen has happened"),
        }
    }
}

/// Why a test does not continue waiting.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum WaitError {
    /// No rule has that name.
    #[error("no rule is called \"{name}\"")]
    #[diagnostic(code(standin::reply::no_such_rule), help("{}", named(known)))]
    NoSuchRule {
        /// The name.
        name: Arc<str>,
        /// The names that there are.
        known: Vec<Arc<str>>,
    },

    /// The time was up.
    #[error("{}timed out after {}: waited until {seen}; {so_far}{}{}", Prefix(who), Span(*limit), ending(note), Beneath(records))]
    #[diagnostic(
        code(standin::reply::wait_timed_out),
        help("the peers did not do it in time; wait longer if they need it")
    )]
    TimedOut {
        /// Whose replies.
        who: Option<Arc<str>>,
        /// The awaited event.
        seen: Seen,
        /// The progress so far.
        so_far: String,
        /// How long the wait took.
        limit: Duration,
        /// Possible causes.
        note: Option<String>,
        /// The last records of all connections.
        records: Option<LastRecords>,
    },

    /// Something unexpected happened before.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unexpected(Box<Unexpected>),

    /// The test is over.
    #[error("{}waited until {seen}: {reason}", Prefix(who))]
    #[diagnostic(
        code(standin::reply::wait_aborted),
        help("fix what failed the test first")
    )]
    Aborted {
        /// Whose replies.
        who: Option<Arc<str>>,
        /// The awaited event.
        seen: Seen,
        /// Why the waits have ended.
        reason: Arc<str>,
    },

    /// The thread that answers would wait for itself.
    #[error("{}an answer waits until {seen}", Prefix(who))]
    #[diagnostic(
        code(standin::reply::wait_in_answer),
        help("closures and callbacks run on the thread that answers: wait in the test")
    )]
    InAnswer {
        /// Whose replies.
        who: Option<Arc<str>>,
        /// The awaited event.
        seen: Seen,
    },

    /// The responder has stopped.
    #[error("{}answering has stopped: waited until {seen}; {so_far}", Prefix(who))]
    #[diagnostic(
        code(standin::reply::wait_ended),
        help("it was stopped before; wait for what must happen before the stop")
    )]
    Ended {
        /// Whose replies.
        who: Option<Arc<str>>,
        /// The awaited event.
        seen: Seen,
        /// The progress so far.
        so_far: String,
    },
}

standin_error::reportable!(WaitError, parts = WaitError::parts);

impl WaitError {
    fn parts(&self) -> Vec<&(dyn standin_error::Reportable + 'static)> {
        match self {
            WaitError::Unexpected(unexpected) => vec![&**unexpected],
            _ => Vec::new(),
        }
    }

    /// Adds what may explain that the time was up.
    pub(crate) fn with_note(mut self, explanation: Option<String>) -> WaitError {
        if let WaitError::TimedOut { note, .. } = &mut self {
            *note = explanation;
        }
        self
    }
}

fn named(known: &[Arc<str>]) -> String {
    match known {
        [] => "give a rule a name with `named`; none has one".to_owned(),
        known => format!("the rules are {}", Names(known)),
    }
}

fn ending(note: &Option<String>) -> String {
    note.as_ref()
        .map_or_else(String::new, |note| format!("; {note}"))
}

impl Ledger {
    /// Waits until something has happened; at once if it has. With `None` for as long as it takes.
    ///
    /// # Errors
    ///
    /// Returns an error if the time limit passes, if something unexpected has happened or happens
    /// meanwhile, or if the responder has stopped.
    pub fn wait_until(
        &self,
        seen: Seen,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), WaitError> {
        now(self.wait_until_with(Thread, seen, timeout))
    }

    /// Does the same as [`wait_until`](Ledger::wait_until), waiting with `wait`.
    #[doc(hidden)]
    pub async fn wait_until_with(
        &self,
        wait: impl Wait,
        seen: Seen,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), WaitError> {
        let timeout = timeout.into();
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let rule = match &seen.what {
            What::Rule(name) => Some(self.rule(name).ok_or_else(|| self.no_such_rule(name))?),
            _ => None,
        };
        let is_seen = |book: &Book| match seen.what {
            What::Rule(_) => rule.is_some_and(|rule| book.matched(rule) >= seen.times),
            What::Frames => book.frames >= seen.times,
            What::Connections => book.connections >= seen.times,
            What::Dialogue => book.dialogues.get(&seen.times) == Some(&Progress::Over),
            What::Everything => self.is_met_in(book),
        };
        let change = self.book().when(until, |book| {
            let is_over = book.has_ended || book.aborted.is_some();
            (is_seen(book) || !book.unexpected.is_empty() || is_over).then_some(())
        });
        wait.run(change).await;
        let book = self.book().lock();
        if is_seen(&book) {
            return Ok(());
        }
        if let Some(unexpected) = book.unexpected.first() {
            return Err(WaitError::Unexpected(Box::new(unexpected.clone())));
        }
        let who = self.who().cloned();
        let so_far = self.so_far_of(&book, &seen, rule);
        if let Some(reason) = book.aborted.clone() {
            return Err(WaitError::Aborted { who, seen, reason });
        }
        if book.has_ended {
            return Err(WaitError::Ended { who, seen, so_far });
        }
        Err(WaitError::TimedOut {
            who,
            seen,
            so_far,
            limit: timeout.unwrap_or_default(),
            note: None,
            records: self.last_records(),
        })
    }

    fn so_far_of(&self, book: &Book, seen: &Seen, rule: Option<usize>) -> String {
        let all = book.so_far();
        let unmet = match seen.what {
            What::Rule(_) => {
                let matched = rule.map_or(0, |rule| book.matched(rule));
                return match matched {
                    0 => format!("it has not; {all}"),
                    matched => format!("it has matched {}; {all}", Often(matched)),
                };
            }
            What::Frames | What::Connections => return all,
            What::Everything => self.unmet_in(book),
            What::Dialogue => {
                let connection = seen.times;
                return match (book.dialogues.get(&connection), self.scene(connection)) {
                    (Some(Progress::At(step)), Some(scene)) => {
                        format!("it is at {}; {all}", scene.step(*step))
                    }
                    (_, None) => format!("it has no dialogue; {all}"),
                    _ => all,
                };
            }
        };
        let unmet: Vec<_> = unmet.iter().map(|unmet| format!("\n  {unmet}")).collect();
        format!("{all}{}", unmet.concat())
    }

    fn no_such_rule(&self, name: &Arc<str>) -> WaitError {
        let rules = self.script().parts.rules.iter();
        WaitError::NoSuchRule {
            name: Arc::clone(name),
            known: rules.filter_map(|rule| rule.name.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::{Conversation, Dialogue, Replies, equals, reply};

    const SHORT: Duration = Duration::from_millis(20);

    fn ledger() -> Ledger {
        let replies = Replies::raw()
            .connection(0, Dialogue::new().expect("a").expect("b"))
            .on(equals("c").named("c").times(2..), reply("d"));
        Ledger::new(replies.prepare(&[]).unwrap().label("server \"bank\""))
    }

    #[track_caller]
    fn fails(ledger: &Ledger, seen: Seen, expected: Expect) {
        let error = ledger.wait_until(seen, SHORT).unwrap_err();
        expected.assert_eq(&format!("{error:?}"));
    }

    #[test]
    fn a_wait_says_how_far_it_has_come() {
        let ledger = ledger();
        let mut conversation = Conversation::new(&ledger, 0);
        conversation.act(Instant::now());
        conversation.receive(b"a");
        conversation.act(Instant::now());
        ledger.wait_until(Seen::frames(1), None).unwrap();
        ledger.wait_until(Seen::connections(1), None).unwrap();
        fails(
            &ledger,
            Seen::dialogue(0),
            expect![[r#"
            server "bank": timed out after 20ms: waited until the dialogue of connection 0 is over; it is at step 2 (expect: equals "b"); 1 connection and 1 frame came
              help: the peers did not do it in time; wait longer if they need it
              code: standin::reply::wait_timed_out"#]],
        );
        fails(
            &ledger,
            Seen::rule("c").times(2),
            expect![[r#"
                server "bank": timed out after 20ms: waited until rule "c" has matched 2 times; it has not; 1 connection and 1 frame came
                  help: the peers did not do it in time; wait longer if they need it
                  code: standin::reply::wait_timed_out"#]],
        );
        fails(
            &ledger,
            Seen::rule("d"),
            expect![[r#"
            no rule is called "d"
              help: the rules are "c"
              code: standin::reply::no_such_rule"#]],
        );
        fails(
            &ledger,
            Seen::frames(2),
            expect![[r#"
            server "bank": timed out after 20ms: waited until 2 frames came; 1 connection and 1 frame came
              help: the peers did not do it in time; wait longer if they need it
              code: standin::reply::wait_timed_out"#]],
        );
        fails(
            &ledger,
            Seen::everything(),
            expect![[r#"
            server "bank": timed out after 20ms: waited until everything that must happen has happened; 1 connection and 1 frame came
              server "bank": rule 1 ("c", equals "c") must match at least 2 times, and never did
              server "bank": the dialogue of connection 0 has stopped at step 2 (expect: equals "b")
              help: the peers did not do it in time; wait longer if they need it
              code: standin::reply::wait_timed_out"#]],
        );
        ledger.end();
        fails(
            &ledger,
            Seen::connections(2),
            expect![[r#"
            server "bank": answering has stopped: waited until 2 connections came; 1 connection and 1 frame came
              help: it was stopped before; wait for what must happen before the stop
              code: standin::reply::wait_ended"#]],
        );
    }

    #[test]
    fn something_unexpected_ends_a_wait_at_once() {
        let ledger = ledger();
        let waited = std::thread::scope(|scope| {
            let wait = scope.spawn(|| ledger.wait_until(Seen::everything(), None));
            let mut conversation = Conversation::new(&ledger, 0).between("here <-> there");
            conversation.receive(b"x");
            conversation.act(Instant::now());
            wait.join().unwrap()
        });
        expect![[r#"
            server "bank", connection 0 (here <-> there): unexpected frame "x" at step 1 (expect: equals "a")
              equals "a": begins differently
              help: change what the dialogue expects, or handle it with `otherwise`
              code: standin::reply::unexpected_frame"#]].assert_eq(&format!("{:?}", waited.unwrap_err()));
    }
}
