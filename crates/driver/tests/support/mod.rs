//! A driver that writes what it is told to, for the tests beside this folder.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use standin_config::{Config, FromOptions};
use standin_driver::{BuildError, Driver, DriverBase, DriverConfig};
use standin_entity::{Check, Error, Result};

/// The options of a [`Stub`].
#[derive(Clone, Debug, Config)]
#[config(builds = Stub)]
pub(crate) struct StubConfig {
    #[config(include)]
    pub(crate) driver: DriverConfig,
}

/// A driver with files below its runpath, and no life of its own.
#[derive(Debug)]
pub(crate) struct Stub {
    base: DriverBase,
    pub(crate) log: Option<PathBuf>,
    pub(crate) out: Option<PathBuf>,
    pub(crate) err: Option<PathBuf>,
    pub(crate) install_target: Option<PathBuf>,
    /// Written below the runpath while it starts.
    pub(crate) writes: Vec<(PathBuf, Vec<u8>)>,
    pub(crate) fails: Option<String>,
    pub(crate) steps: Mutex<Vec<&'static str>>,
}

impl FromOptions<StubBuilder> for Stub {
    type Error = BuildError;

    fn from_options(options: StubBuilder) -> Result<Self, BuildError> {
        Ok(Stub {
            base: DriverBase::new("Stub", options)?,
            log: None,
            out: None,
            err: None,
            install_target: None,
            writes: Vec::new(),
            fails: None,
            steps: Mutex::default(),
        })
    }
}

impl Stub {
    fn below(&self, path: &Option<PathBuf>) -> Option<PathBuf> {
        Some(
            self.base
                .resource()
                .entity()
                .runpath()?
                .join(path.as_ref()?),
        )
    }

    fn note(&self, step: &'static str) {
        self.steps.lock().unwrap().push(step);
    }
}

impl Driver for Stub {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn pre_start(&self) -> Result<()> {
        self.note("pre_start");
        Ok(())
    }

    fn starting(&self) -> Result<()> {
        self.note("starting");
        for (name, text) in &self.writes {
            let runpath = self.base.resource().entity().runpath().unwrap_or_default();
            append(&runpath.join(name), text);
        }
        match &self.fails {
            Some(message) => Err(Error::msg(message.clone())),
            None => Ok(()),
        }
    }

    fn started_check(&self) -> Result<Check> {
        self.note("started_check");
        Ok(Check::Ready)
    }

    fn log_path(&self) -> Option<PathBuf> {
        self.below(&self.log).or_else(|| self.out_path())
    }

    fn out_path(&self) -> Option<PathBuf> {
        self.below(&self.out)
    }

    fn err_path(&self) -> Option<PathBuf> {
        self.below(&self.err)
    }

    fn install_target(&self) -> Option<PathBuf> {
        self.below(&self.install_target)
    }
}

/// Adds to a file, which is made with its directory if need be.
pub(crate) fn append(path: &Path, text: &[u8]) {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).unwrap();
    }
    let mut options = File::options();
    let mut file = options.append(true).create(true).open(path).unwrap();
    file.write_all(text).unwrap();
}
