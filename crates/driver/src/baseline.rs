//! What existed before a start, and so makes no driver ready.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::driver_log::DriverLog;
use crate::log::follow::Follower;
use crate::log::position::{End, FileId};
use crate::{Driver, DriverConfig, Readiness};

/// The logs and files that a driver's readiness depends on, as they were before the start. Files
/// that are not noted did not exist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Baseline {
    logs: Vec<(PathBuf, End)>,
    files: Vec<(PathBuf, Stamp)>,
}

/// Which file has a name, and when it was written to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(FileId, Option<SystemTime>);

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self(FileId::of(&metadata), metadata.modified().ok()))
    }
}

/// The result of [`Baseline::is_new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Newness {
    Missing,
    /// As it was before the start.
    Old,
    New,
}

impl Baseline {
    /// Notes everything whose place is known. Asked again it adds what has
    /// become known since, and forgets a log that is gone, or was emptied: what
    /// comes there is new.
    pub(crate) fn note(&mut self, driver: &dyn Driver, config: &DriverConfig) {
        for (path, end) in &mut self.logs {
            if !end.is_there(path) {
                *end = End::default();
            }
        }
        for log in DriverLog::ALL {
            if !log.regexps(config).is_empty()
                && let Some(path) = log.path(driver)
            {
                self.note_log(path);
            }
        }
        for condition in &config.ready {
            self.note_condition(driver, condition);
        }
    }

    fn note_condition(&mut self, driver: &dyn Driver, condition: &Readiness) {
        match condition {
            Readiness::Log(log) => {
                if let Ok(path) = log.path(driver) {
                    self.note_log(path);
                }
            }
            Readiness::File(file) => {
                if let Ok(path) = file.path(driver)
                    && !self.files.iter().any(|(known, _)| *known == path)
                    && let Some(stamp) = Stamp::of(&path)
                {
                    self.files.push((path, stamp));
                }
            }
            Readiness::All(conditions) | Readiness::Any(conditions) => {
                for condition in conditions {
                    self.note_condition(driver, condition);
                }
            }
            _ => {}
        }
    }

    fn note_log(&mut self, path: PathBuf) {
        if !self.logs.iter().any(|(known, _)| *known == path) {
            let end = Follower::end_of(&path);
            self.logs.push((path, end));
        }
    }

    /// Where what is written since begins.
    pub(crate) fn log(&self, path: &Path) -> End {
        let found = self.logs.iter().find(|(known, _)| known == path);
        found.map(|(_, end)| *end).unwrap_or_default()
    }

    /// Whether the file has been made or written since.
    pub(crate) fn is_new(&self, path: &Path) -> Newness {
        let Some(now) = Stamp::of(path) else {
            return Newness::Missing;
        };
        let before = self.files.iter().find(|(known, _)| known == path);
        if before.is_some_and(|(_, before)| *before == now) {
            Newness::Old
        } else {
            Newness::New
        }
    }
}
