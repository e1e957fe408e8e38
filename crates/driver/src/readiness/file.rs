use std::path::PathBuf;

use standin_config::{OptionValue, ValueError};
use standin_entity::Result;

use super::probe::{Answer, Question};
use super::{Progress, path};
use crate::Driver;
use crate::baseline::Newness;

/// A file exists; see [`Readiness::file`](super::Readiness::file).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileExists {
    pub(super) path: String,
}

impl FileExists {
    /// Refuses a path that no file has.
    pub(super) fn check(&self) -> std::result::Result<(), ValueError> {
        let checked = PathBuf::from(&self.path).check();
        checked.map_err(|error| error.at_key("file"))
    }

    /// Where it is, if that is known.
    pub(crate) fn path(&self, driver: &dyn Driver) -> Result<PathBuf> {
        path(driver, &self.path)
    }
}

impl Question for FileExists {
    fn ask(&mut self, driver: &dyn Driver, progress: &mut Progress) -> Result<Answer> {
        let path = self.path(driver)?;
        let mut newness = progress.baseline.is_new(&path);
        if newness != Newness::New && progress.watch(driver, &path) {
            newness = progress.baseline.is_new(&path);
        }
        let seen = match newness {
            Newness::New => return Ok(Answer::Met),
            Newness::Missing => "it does not exist",
            Newness::Old => "it existed before the start, and has not been written since",
        };
        Ok(Answer::not_yet(
            format_args!("file `{}`", path.display()),
            seen,
        ))
    }
}
