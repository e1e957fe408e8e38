//! What a starting driver waits for.

use std::sync::{Arc, Mutex, RwLock};

use indexmap::IndexMap;
use standin_entity::{Check, Hold, Result};
use standin_record::DriverTape;
use standin_sync::{Monitor, Unpoisoned};

use crate::baseline::Baseline;
use crate::driver_log::DriverLog;
use crate::error::LogError;
use crate::extracts::Extracts;
use crate::hints::hints;
use crate::log::bell::Bell;
use crate::log::regexps::Regexps;
use crate::log::watch::{self, Events};
use crate::readiness::{self, Probe, Progress};
use crate::{Driver, DriverBase, DriverConfig, Lifecycle, Readiness, WaitEnd};

/// The progress of a start, and what it has found out.
#[derive(Debug, Default)]
pub(crate) struct Starting {
    wanted: Monitor<Wanted>,
    /// What was there before the latest start.
    baseline: RwLock<Baseline>,
    extracts: Arc<RwLock<Extracts>>,
    /// Rings when the driver stops or is aborted, for those who wait for its log.
    pub(crate) bell: Arc<Bell>,
    /// For a driver that waits for files, from before it writes any.
    events: Mutex<Option<Events>>,
}

/// What the driver waits for. It is out while a thread asks it, which calls the user's code.
#[derive(Debug, Default)]
struct Wanted {
    /// `None` until a check has asked the options.
    conditions: Option<Conditions>,
    /// The thread that asks them, whose outcome others wait for.
    asking: Option<Hold>,
    /// Counts the ends: what a thread has taken out before one is not wanted back after it.
    ends: u64,
}

#[derive(Debug)]
struct Conditions {
    regexps: Vec<Regexps>,
    ready: Option<Box<dyn Probe>>,
    progress: Progress,
}

impl Starting {
    /// Forgets the last start, and notes what is there before this one.
    pub(crate) fn begin(&self, driver: &dyn Driver, config: &DriverConfig) -> Result<()> {
        let extracts = self.extracts.write();
        extracts.unpoisoned().clear();
        self.end();
        *self.baseline.write().unpoisoned() = Baseline::default();
        self.note(driver, config);
        for condition in &config.ready {
            condition.check_before(driver)?;
        }
        Ok(())
    }

    /// Lets there be waits for its log, from the step on whose end, however it comes, ends them.
    pub(crate) fn open_log(&self, base: &DriverBase, config: &DriverConfig) {
        self.bell.open();
        let mut logs = DriverLog::ALL.into_iter();
        if logs.any(|log| !log.regexps(config).is_empty())
            || config.ready.iter().any(Readiness::is_about_files)
        {
            self.set_events(watch::events());
        }
        if let Some(over) = WaitEnd::of(base) {
            self.close_log(over);
        }
    }

    /// Ends the waits for its log.
    pub(crate) fn close_log(&self, over: WaitEnd) {
        self.bell.end(over);
        self.set_events(None);
    }

    fn set_events(&self, events: Option<Events>) {
        let former = std::mem::replace(&mut *self.events.lock().unpoisoned(), events);
        // Not under the lock: it may wait for the thread.
        drop(former);
    }

    /// Notes what is there and was not known at the beginning: a driver may find
    /// out where its log will be while it prepares.
    pub(crate) fn note(&self, driver: &dyn Driver, config: &DriverConfig) {
        let mut baseline = self.baseline();
        baseline.note(driver, config);
        *self.baseline.write().unpoisoned() = baseline;
    }

    /// What a start that is under way may be missing.
    pub(crate) fn hints(&self, driver: &dyn Driver, config: &DriverConfig) -> Vec<String> {
        if self.wanted.lock().conditions.is_none() {
            return Vec::new();
        }
        hints(driver, config, &self.baseline())
    }

    fn baseline(&self) -> Baseline {
        let baseline = self.baseline.read();
        baseline.unpoisoned().clone()
    }

    /// Nothing is waited for any longer: events, commands.
    pub(crate) fn end(&self) {
        let former = self.wanted.update(|wanted| {
            wanted.ends += 1;
            if let Some(asking) = wanted.asking.take() {
                asking.end();
            }
            wanted.conditions.take()
        });
        drop(former);
    }

    pub(crate) fn extracts(&self) -> IndexMap<String, String> {
        let extracts = self.extracts.read();
        extracts.unpoisoned().clone()
    }

    /// Whether all regexps have matched and all conditions hold. If not, the
    /// driver is told when its logs change. `is_final`: nobody writes them any
    /// more.
    pub(crate) fn check(
        &self,
        driver: &dyn Driver,
        tape: &DriverTape,
        is_final: bool,
    ) -> Result<Check> {
        let Some(mut asked) = self.ask() else {
            return Ok(Check::not_yet("its conditions are being checked"));
        };
        let conditions = match &mut asked.conditions {
            Some(conditions) => conditions,
            unknown => unknown.insert(self.conditions(driver, tape, &driver.base().config()?)?),
        };
        conditions.progress.is_final = is_final;
        conditions.check(driver)
    }

    /// Takes out the conditions, when no other thread asks them. `None` when that one waits
    /// for the present one, or is the present one: a condition that asks for itself.
    fn ask(&self) -> Option<Asked<'_>> {
        let mut wanted = self.wanted.lock();
        while let Some(other) = wanted.asking.clone() {
            let _waiting = other.wait_for()?;
            wanted = self.wanted.wait(wanted, None);
        }
        wanted.asking = Some(Hold::take());
        Some(Asked {
            wanted: &self.wanted,
            ends: wanted.ends,
            conditions: wanted.conditions.take(),
        })
    }

    fn conditions(
        &self,
        driver: &dyn Driver,
        tape: &DriverTape,
        config: &DriverConfig,
    ) -> Result<Conditions, LogError> {
        let baseline = self.baseline();
        Ok(Conditions {
            regexps: sought(driver, config, &baseline)?,
            ready: (!config.ready.is_empty()).then(|| readiness::all(&config.ready)),
            progress: Progress::new(self.extracts.clone(), baseline, tape.clone()),
        })
    }
}

/// Conditions that a thread has taken out to ask them. Dropped, also by a panic, it puts them
/// back unless they have come to their end meanwhile.
struct Asked<'a> {
    wanted: &'a Monitor<Wanted>,
    ends: u64,
    conditions: Option<Conditions>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut wanted = self.wanted.lock();
        if wanted.ends != self.ends {
            return;
        }
        wanted.conditions = self.conditions.take();
        if let Some(asking) = wanted.asking.take() {
            asking.end();
        }
        self.wanted.notify_all();
    }
}

impl Conditions {
    fn check(&mut self, driver: &dyn Driver) -> Result<Check> {
        let mut missing = Vec::new();
        for regexps in &mut self.regexps {
            if let Check::NotYet(seen) = self.progress.look(driver, regexps)? {
                missing.push(seen);
            }
        }
        if missing.is_empty()
            && let Some(ready) = &mut self.ready
            && let Check::NotYet(seen) = ready.check(driver, &mut self.progress)?
        {
            missing.push(seen);
        }
        if missing.is_empty() {
            return Ok(Check::Ready);
        }
        let extracts = self.progress.extracts();
        if !extracts.is_empty() {
            let values = extracts
                .iter()
                .map(|(name, value)| format!("{name}={value:?}"));
            missing.push(format!(
                "extracted: {}",
                values.collect::<Vec<_>>().join(", ")
            ));
        }
        Ok(Check::NotYet(missing.join("\n")))
    }
}

/// The regexps of the options, each with its log. Only now it is asked where that
/// is: a driver may learn it while it starts.
fn sought(
    driver: &dyn Driver,
    config: &DriverConfig,
    baseline: &Baseline,
) -> Result<Vec<Regexps>, LogError> {
    let mut all = Vec::new();
    for log in DriverLog::ALL {
        let patterns = log.regexps(config);
        if patterns.is_empty() {
            continue;
        }
        let path = log.required(driver, format!("`{}`", log.option()))?;
        let since = baseline.log(&path);
        let regexps = Regexps::new(log.option(), path, patterns, since);
        all.push(regexps.map_err(|source| LogError::Pattern {
            driver: driver.name().to_owned(),
            source,
        })?);
    }
    Ok(all)
}
