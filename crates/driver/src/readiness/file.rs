use standin_entity::{Check, Result};

use super::{Probe, Progress, not_yet, path};
use crate::Driver;

/// A file exists; see [`Readiness::file`](super::Readiness::file).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileExists {
    pub(super) path: String,
}

impl FileExists {
    pub(super) fn probe(&self) -> Box<dyn Probe> {
        Box::new(FileProbe(self.clone()))
    }
}

#[derive(Debug)]
struct FileProbe(FileExists);

impl Probe for FileProbe {
    fn check(&mut self, driver: &dyn Driver, progress: &mut Progress) -> Result<Check> {
        let path = path(driver, &self.0.path)?;
        if path.exists() || (progress.watch(driver, &path) && path.exists()) {
            return Ok(Check::Ready);
        }
        Ok(not_yet(
            format_args!("file `{}`", path.display()),
            "it is not there",
        ))
    }
}
