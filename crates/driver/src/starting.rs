//! What a driver is waiting for while it starts.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use indexmap::IndexMap;
use standin_config::Pattern;
use standin_entity::{Check, Result};

use crate::error::LogError;
use crate::log::bell::Bell;
use crate::log::regexps::{Extracts, Regexps};
use crate::log::watch::{self, OnChange, Subscription};
use crate::{Driver, DriverConfig, Lifecycle};

/// The progress of a start, and what it has found out.
#[derive(Debug, Default)]
pub(crate) struct Starting {
    progress: Mutex<Progress>,
    extracts: RwLock<Extracts>,
    /// Rings when the driver stops or is aborted, for those who wait for its log.
    pub(crate) bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct Progress {
    /// `None` until a check or a start has asked the options.
    regexps: Option<Vec<Regexps>>,
    subscriptions: Vec<(PathBuf, Subscription)>,
}

impl Starting {
    /// Forgets the last start. Refuses options that can never be met.
    pub(crate) fn begin(&self, driver: &dyn Driver, config: &DriverConfig) -> Result<(), LogError> {
        self.write_extracts().clear();
        self.bell.set_over(false);
        let regexps = sought(driver, config)?;
        *self.lock() = Progress {
            regexps: Some(regexps),
            ..Progress::default()
        };
        Ok(())
    }

    /// No more events are needed.
    pub(crate) fn end(&self) {
        let subscriptions = std::mem::take(&mut self.lock().subscriptions);
        drop(subscriptions);
    }

    pub(crate) fn extracts(&self) -> IndexMap<String, String> {
        self.extracts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether all regexps have matched. If not, the driver is told when its
    /// logs change. `is_final`: nobody writes them any more.
    pub(crate) fn check_logs(&self, driver: &dyn Driver, is_final: bool) -> Result<Check> {
        let mut progress = self.lock();
        let mut regexps = match progress.regexps.take() {
            Some(regexps) => regexps,
            None => sought(driver, &driver.base().config()?)?,
        };
        if regexps.is_empty() {
            progress.regexps = Some(regexps);
            return Ok(Check::Ready);
        }
        let mut check = self.look(driver, &mut regexps, is_final);
        if matches!(check, Ok(Check::NotYet(_))) && !is_final {
            // What was written before somebody listens is read now.
            if progress.listen(driver, &regexps) {
                check = self.look(driver, &mut regexps, is_final);
            }
        }
        progress.regexps = Some(regexps);
        check
    }

    fn look(&self, driver: &dyn Driver, regexps: &mut [Regexps], is_final: bool) -> Result<Check> {
        let mut extracts = self.extracts();
        let mut all = true;
        let mut outcome = Ok(());
        for regexps in regexps.iter_mut() {
            match regexps.check(driver.name(), is_final, &mut extracts) {
                Ok(matched) => all &= matched,
                Err(error) => outcome = Err(error),
            }
        }
        if !extracts.is_empty() {
            self.write_extracts().clone_from(&extracts);
        }
        outcome?;
        if all {
            return Ok(Check::Ready);
        }
        let mut missing: Vec<String> = regexps
            .iter()
            .filter(|regexps| !regexps.is_complete())
            .map(Regexps::to_string)
            .collect();
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

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_extracts(&self) -> std::sync::RwLockWriteGuard<'_, Extracts> {
        self.extracts
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// Has the driver told when these logs change; answers whether one is new.
    fn listen(&mut self, driver: &dyn Driver, regexps: &[Regexps]) -> bool {
        let mut is_new = false;
        for path in regexps.iter().map(Regexps::path) {
            if self.subscriptions.iter().any(|(known, _)| known == path) {
                continue;
            }
            let resource = driver.base().resource().clone();
            let on_change: OnChange = Arc::new(move || resource.notify());
            if let Some(subscription) = watch::subscribe(path, &on_change) {
                self.subscriptions.push((path.to_owned(), subscription));
                is_new = true;
            }
        }
        is_new
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
