use std::path::PathBuf;

use standin_config::Pattern;
use standin_entity::{Check, Result};

use super::{Probe, Progress, path};
use crate::driver_log::DriverLog;
use crate::log::regexps::Regexps;
use crate::{Driver, Lifecycle, LogError};

/// A line of a log matches; see [`Readiness::log`](super::Readiness::log).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub(super) pattern: Pattern,
    pub(super) file: Option<String>,
    /// How many lines must match.
    pub(super) times: u64,
}

impl LogLine {
    /// Where the log is, if that is known.
    pub(crate) fn path(&self, driver: &dyn Driver) -> Result<PathBuf> {
        match &self.file {
            Some(file) => path(driver, file),
            None => {
                let reader = format!("the condition `log = {:?}`", self.pattern.as_str());
                Ok(DriverLog::Log.required(driver, reader)?)
            }
        }
    }

    /// The pattern, if it is looked for in the log of the driver.
    pub(crate) fn of_driver(&self) -> Option<&Pattern> {
        self.file.is_none().then_some(&self.pattern)
    }

    pub(super) fn probe(&self) -> Box<dyn Probe> {
        Box::new(LogProbe {
            condition: self.clone(),
            regexps: None,
        })
    }
}

#[derive(Debug)]
struct LogProbe {
    condition: LogLine,
    regexps: Option<Regexps>,
}

impl LogProbe {
    fn regexps(&self, driver: &dyn Driver, progress: &Progress) -> Result<Regexps> {
        let path = self.condition.path(driver)?;
        let since = progress.baseline.log(&path);
        let patterns = std::slice::from_ref(&self.condition.pattern);
        let mut regexps = Regexps::new("`log`", path, patterns, since);
        if let Ok(regexps) = &mut regexps {
            regexps.set_times(self.condition.times);
        }
        Ok(regexps.map_err(|source| LogError::Pattern {
            driver: driver.name().to_owned(),
            source,
        })?)
    }
}

impl Probe for LogProbe {
    fn check(&mut self, driver: &dyn Driver, progress: &mut Progress) -> Result<Check> {
        let mut regexps = match self.regexps.take() {
            Some(regexps) => regexps,
            None => self.regexps(driver, progress)?,
        };
        let check = progress.look(driver, &mut regexps);
        self.regexps = Some(regexps);
        check
    }
}
