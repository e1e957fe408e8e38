use standin_config::Pattern;
use standin_entity::{Check, Result};

use super::{Probe, Progress, path};
use crate::log::regexps::Regexps;
use crate::{Driver, Lifecycle, LogError};

/// A line of a log matches; see [`Readiness::log`](super::Readiness::log).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub(super) pattern: Pattern,
    pub(super) file: Option<String>,
}

impl LogLine {
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
    fn regexps(&self, driver: &dyn Driver) -> Result<Regexps> {
        let file = match &self.condition.file {
            Some(file) => path(driver, file)?,
            None => driver.log_path().ok_or_else(|| LogError::NoFile {
                driver: driver.name().to_owned(),
                option: format!(
                    "the condition `log = {:?}`",
                    self.condition.pattern.as_str()
                ),
                what: "log",
                method: "log_path",
            })?,
        };
        let patterns = std::slice::from_ref(&self.condition.pattern);
        let regexps = Regexps::new("`log`", file, patterns);
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
            None => self.regexps(driver)?,
        };
        let check = regexps.probe(driver, progress);
        self.regexps = Some(regexps);
        check
    }
}
