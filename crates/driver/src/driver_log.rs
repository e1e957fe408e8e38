use std::path::PathBuf;

use standin_config::Pattern;

use crate::{Driver, DriverConfig, Lifecycle, LogError};

/// One of the files that a driver writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriverLog {
    Log,
    Out,
    Err,
}

impl DriverLog {
    pub(crate) const ALL: [DriverLog; 3] = [DriverLog::Log, DriverLog::Out, DriverLog::Err];

    /// Where it is, if the driver knows.
    pub(crate) fn path(self, driver: &dyn Driver) -> Option<PathBuf> {
        match self {
            DriverLog::Log => driver.log_path(),
            DriverLog::Out => driver.out_path(),
            DriverLog::Err => driver.err_path(),
        }
    }

    /// As [`path`](DriverLog::path), for `reader`, which needs it.
    pub(crate) fn required(
        self,
        driver: &dyn Driver,
        reader: impl Into<String>,
    ) -> Result<PathBuf, LogError> {
        let method = match self {
            DriverLog::Log => "log_path",
            DriverLog::Out => "out_path",
            DriverLog::Err => "err_path",
        };
        self.path(driver).ok_or_else(|| LogError::NoFile {
            driver: driver.name().to_owned(),
            reader: reader.into(),
            what: self.name(),
            method,
        })
    }

    /// How messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            DriverLog::Log => "log",
            DriverLog::Out => "standard output",
            DriverLog::Err => "standard error",
        }
    }

    /// The option with regexps for it.
    pub(crate) fn option(self) -> &'static str {
        match self {
            DriverLog::Log => "log_regexps",
            DriverLog::Out => "stdout_regexps",
            DriverLog::Err => "stderr_regexps",
        }
    }

    pub(crate) fn regexps(self, config: &DriverConfig) -> &[Pattern] {
        match self {
            DriverLog::Log => &config.log_regexps,
            DriverLog::Out => &config.stdout_regexps,
            DriverLog::Err => &config.stderr_regexps,
        }
    }
}
