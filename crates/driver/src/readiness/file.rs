use std::path::PathBuf;

use standin_entity::{Check, Result};

use super::{Probe, Progress, not_yet, path};
use crate::Driver;
use crate::baseline::Newness;

/// A file exists; see [`Readiness::file`](super::Readiness::file).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileExists {
    pub(super) path: String,
}

impl FileExists {
    /// Where it is, as far as that is known by now.
    pub(crate) fn path(&self, driver: &dyn Driver) -> Result<PathBuf> {
        path(driver, &self.path)
    }

    pub(super) fn probe(&self) -> Box<dyn Probe> {
        Box::new(FileProbe(self.clone()))
    }
}

#[derive(Debug)]
struct FileProbe(FileExists);

impl Probe for FileProbe {
    fn check(&mut self, driver: &dyn Driver, progress: &mut Progress) -> Result<Check> {
        let path = self.0.path(driver)?;
        let mut newness = progress.baseline.is_new(&path);
        if newness != Newness::New && progress.watch(driver, &path) {
            newness = progress.baseline.is_new(&path);
        }
        let seen = match newness {
            Newness::New => return Ok(Check::Ready),
            Newness::Missing => "it is not there",
            Newness::Old => "it was there before the start, and has not been written since",
        };
        Ok(not_yet(format_args!("file `{}`", path.display()), seen))
    }
}
