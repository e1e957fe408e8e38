//! What a driver is waiting for while it starts.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use indexmap::IndexMap;
use standin_config::Pattern;
use standin_entity::{Check, Result};

use crate::error::LogError;
use crate::log::bell::Bell;
use crate::log::regexps::{Extracts, Regexps};
use crate::readiness::{self, Probe, Progress};
use crate::{Driver, DriverConfig, Lifecycle};

/// The progress of a start, and what it has found out.
#[derive(Debug, Default)]
pub(crate) struct Starting {
    /// `None` until a start or a check has asked the options.
    conditions: Mutex<Option<Conditions>>,
    extracts: Arc<RwLock<Extracts>>,
    /// Rings when the driver stops or is aborted, for those who wait for its log.
    pub(crate) bell: Arc<Bell>,
}

#[derive(Debug)]
struct Conditions {
    regexps: Vec<Regexps>,
    ready: Option<Box<dyn Probe>>,
    progress: Progress,
}

impl Starting {
    /// Forgets the last start. Refuses options that can never be met.
    pub(crate) fn begin(&self, driver: &dyn Driver, config: &DriverConfig) -> Result<(), LogError> {
        let extracts = self.extracts.write();
        extracts.unwrap_or_else(PoisonError::into_inner).clear();
        self.bell.set_over(false);
        let conditions = self.conditions(driver, config)?;
        *self.lock() = Some(conditions);
        Ok(())
    }

    /// Nothing is waited for any more: events, commands.
    pub(crate) fn end(&self) {
        let conditions = self.lock().take();
        drop(conditions);
    }

    pub(crate) fn extracts(&self) -> IndexMap<String, String> {
        let extracts = self.extracts.read();
        extracts.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether all regexps have matched and all conditions hold. If not, the
    /// driver is told when its logs change. `is_final`: nobody writes them any
    /// more.
    pub(crate) fn check(&self, driver: &dyn Driver, is_final: bool) -> Result<Check> {
        let mut state = self.lock();
        let mut conditions = match state.take() {
            Some(conditions) => conditions,
            None => self.conditions(driver, &driver.base().config()?)?,
        };
        conditions.progress.is_final = is_final;
        let check = conditions.check(driver);
        *state = Some(conditions);
        check
    }

    fn conditions(
        &self,
        driver: &dyn Driver,
        config: &DriverConfig,
    ) -> Result<Conditions, LogError> {
        Ok(Conditions {
            regexps: sought(driver, config)?,
            ready: (!config.ready.is_empty()).then(|| readiness::all(&config.ready)),
            progress: Progress::new(self.extracts.clone()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Conditions>> {
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conditions {
    fn check(&mut self, driver: &dyn Driver) -> Result<Check> {
        let mut missing = Vec::new();
        for regexps in &mut self.regexps {
            if let Check::NotYet(seen) = regexps.probe(driver, &mut self.progress)? {
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

/// The regexps of the options, each with its log.
fn sought(driver: &dyn Driver, config: &DriverConfig) -> Result<Vec<Regexps>, LogError> {
    type Sought<'a> = (
        &'static str,
        &'a [Pattern],
        fn(&dyn Driver) -> Option<PathBuf>,
        (&'static str, &'static str),
    );
    let options: [Sought<'_>; 3] = [
        (
            "log_regexps",
            &config.log_regexps,
            |driver| driver.log_path(),
            ("log", "log_path"),
        ),
        (
            "stdout_regexps",
            &config.stdout_regexps,
            |driver| driver.out_path(),
            ("standard output", "out_path"),
        ),
        (
            "stderr_regexps",
            &config.stderr_regexps,
            |driver| driver.err_path(),
            ("standard error", "err_path"),
        ),
    ];
    let mut all = Vec::new();
    for (option, patterns, path, (what, method)) in options {
        if patterns.is_empty() {
            continue;
        }
        let path = path(driver).ok_or_else(|| LogError::NoFile {
            driver: driver.name().to_owned(),
            option: option.to_owned(),
            what,
            method,
        })?;
        let regexps = Regexps::new(option, path, patterns).map_err(|source| LogError::Pattern {
            driver: driver.name().to_owned(),
            source,
        })?;
        all.push(regexps);
    }
    Ok(all)
}
