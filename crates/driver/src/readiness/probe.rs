use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use standin_entity::{Check, Result};
use standin_record::DriverTape;
use standin_sync::Unpoisoned;

use crate::baseline::Baseline;
use crate::error::LogError;
use crate::extracts::Extracts;
use crate::log::regexps::Regexps;
use crate::log::watch::{self, OnChange, Subscription};
use crate::{Driver, Lifecycle};

/// One condition during one start.
pub(crate) trait Probe: fmt::Debug + Send {
    /// Whether it holds now; if not, what was seen. `Err` is what waiting cannot
    /// mend.
    fn check(&mut self, driver: &dyn Driver, progress: &mut Progress) -> Result<Check>;
}

/// A condition that is not made of others: what it answers is kept.
pub(super) trait Question: fmt::Debug + Send {
    /// As [`Probe::check`].
    fn ask(&mut self, driver: &dyn Driver, progress: &mut Progress) -> Result<Answer>;
}

/// What a [`Question`] answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Met,
    /// Not yet: what it is about, and what was seen.
    NotYet {
        what: String,
        seen: String,
    },
}

impl Answer {
    pub(super) fn not_yet(what: impl fmt::Display, seen: impl fmt::Display) -> Self {
        Self::NotYet {
            what: what.to_string(),
            seen: seen.to_string(),
        }
    }
}

/// A question as a part of a start, with its answers on record.
#[derive(Debug)]
struct Asked<Q> {
    /// What it is about, as it said the last time.
    what: String,
    question: Q,
}

/// Asks `question`, which `what` describes until it says more.
pub(super) fn asking(what: String, question: impl Question + 'static) -> Box<dyn Probe> {
    Box::new(Asked { what, question })
}

impl<Q: Question> Probe for Asked<Q> {
    fn check(&mut self, driver: &dyn Driver, progress: &mut Progress) -> Result<Check> {
        let tape = progress.tape.clone();
        match self.question.ask(driver, progress) {
            Ok(Answer::Met) => {
                tape.probed(&self.what, "", true);
                Ok(Check::Ready)
            }
            Ok(Answer::NotYet { what, seen }) => {
                tape.probed(&what, &seen, false);
                let check = Check::not_yet(format!("{what}: {seen}"));
                self.what = what;
                Ok(check)
            }
            Err(error) => {
                tape.probed(&self.what, &error.to_string(), false);
                Err(error)
            }
        }
    }
}

/// What the conditions of one start share.
#[derive(Debug)]
pub(crate) struct Progress {
    /// What named groups have captured; the driver publishes it.
    extracts: Arc<RwLock<Extracts>>,
    /// What was there before, and does not count.
    pub(crate) baseline: Baseline,
    /// The logs are no longer written: their last lines are whole.
    pub(crate) is_final: bool,
    /// What was seen is kept there, condition by condition.
    pub(crate) tape: DriverTape,
    subscriptions: Vec<(PathBuf, Subscription)>,
}

impl Progress {
    pub(crate) fn new(
        extracts: Arc<RwLock<Extracts>>,
        baseline: Baseline,
        tape: DriverTape,
    ) -> Self {
        Self {
            extracts,
            baseline,
            is_final: false,
            tape,
            subscriptions: Vec::new(),
        }
    }

    pub(crate) fn extracts(&self) -> Extracts {
        let extracts = self.extracts.read();
        extracts.unpoisoned().clone()
    }

    /// Makes them known at once: the next condition may need them.
    pub(crate) fn publish(&self, extracts: Extracts) {
        if !extracts.is_empty() {
            let mut published = self.extracts.write().unpoisoned();
            *published = extracts;
        }
    }

    /// Looks for patterns in a log, and has the driver notified when there may be more to
    /// look at.
    pub(crate) fn look(&mut self, driver: &dyn Driver, regexps: &mut Regexps) -> Result<Check> {
        if self.all_match(driver, regexps)? {
            return Ok(Check::Ready);
        }
        // What was written before the port was open is read now.
        if self.watch(driver, regexps.path()) && self.all_match(driver, regexps)? {
            return Ok(Check::Ready);
        }
        if regexps.is_behind() {
            // No event reports what is there already.
            driver.base().resource().notify();
        }
        Ok(Check::NotYet(regexps.to_string()))
    }

    fn all_match(&self, driver: &dyn Driver, regexps: &mut Regexps) -> Result<bool, LogError> {
        let mut extracts = self.extracts();
        let matched = regexps.check(driver.name(), self.is_final, &mut extracts);
        self.publish(extracts);
        regexps.record(&self.tape);
        matched
    }

    /// Has the driver notified when the file changes. Answers whether that is new,
    /// so that the file has to be looked at once more.
    pub(crate) fn watch(&mut self, driver: &dyn Driver, path: &Path) -> bool {
        if self.is_final || self.subscriptions.iter().any(|(known, _)| known == path) {
            return false;
        }
        let resource = driver.base().resource().clone();
        let on_change: OnChange = Arc::new(move || resource.notify());
        match watch::subscribe(path, &on_change) {
            Some(subscription) => {
                self.subscriptions.push((path.to_owned(), subscription));
                true
            }
            None => false,
        }
    }
}

/// Keeps checks that cost something apart by an interval, and repeats the last
/// answer in between.
#[derive(Debug, Default)]
pub(crate) struct Paced {
    last: Option<(Instant, Answer)>,
}

impl Paced {
    pub(crate) fn check(
        &mut self,
        interval: Duration,
        check: impl FnOnce() -> Result<Answer>,
    ) -> Result<Answer> {
        if let Some((at, last)) = &self.last
            && at.elapsed() < interval
        {
            return Ok(last.clone());
        }
        let answer = check()?;
        // From the end of the check: one that takes long is not repeated at once.
        self.last = Some((Instant::now(), answer.clone()));
        Ok(answer)
    }
}
