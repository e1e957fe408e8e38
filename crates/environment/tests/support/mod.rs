//! A driver that writes down what happens to it.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses a part of it"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};

use standin_config::{Config, FromOptions};
use standin_driver::{Attributes, BuildError, Driver, DriverBase, DriverConfig};
use standin_entity::{Check, Error, Result};

/// What happened, in order: `server starting`.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Only the steps of one name, as the names of the drivers.
    pub fn take_step(&self, step: &str) -> Vec<String> {
        let suffix = format!(" {step}");
        self.take()
            .iter()
            .filter_map(|line| line.strip_suffix(&suffix))
            .map(str::to_owned)
            .collect()
    }
}

/// The options of a [`Probe`].
#[derive(Clone, Debug, Config)]
#[config(type_name = "probe", builds = Probe)]
pub struct ProbeConfig {
    /// The options that every driver has.
    #[config(include)]
    pub driver: DriverConfig,
    /// Where it writes down what happens.
    #[config(code_only)]
    pub trace: Option<Trace>,
    /// A step that fails.
    pub fails_in: Option<String>,
    /// A step that panics.
    pub panics_in: Option<String>,
    /// Something to publish.
    #[config(default = "a word")]
    pub word: String,
}

#[derive(Debug)]
pub struct Probe {
    base: DriverBase,
}

impl Probe {
    pub fn builder(name: &str, trace: &Trace) -> ProbeOptions {
        ProbeOptions::new().name(name).trace(trace.clone())
    }

    fn step(&self, step: &str) -> Result<()> {
        let config: ProbeConfig = self.base.config()?;
        if let Some(trace) = config.trace {
            trace
                .0
                .lock()
                .unwrap()
                .push(format!("{} {step}", self.base.name()));
        }
        if config.panics_in.as_deref() == Some(step) {
            panic!("the {step} of {} panics", self.base.name());
        }
        if config.fails_in.as_deref() == Some(step) {
            return Err(Error::msg(format!(
                "the {step} of {} fails",
                self.base.name()
            )));
        }
        Ok(())
    }
}

impl FromOptions<ProbeOptions> for Probe {
    type Error = BuildError;

    fn from_options(options: ProbeOptions) -> Result<Self, BuildError> {
        Ok(Probe {
            base: DriverBase::new("Probe", options)?,
        })
    }
}

impl Driver for Probe {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn starting(&self) -> Result<()> {
        self.step("starting")
    }

    fn started_check(&self) -> Result<Check> {
        self.step("started_check").map(|()| Check::Ready)
    }

    fn post_start(&self) -> Result<()> {
        self.step("post_start")
    }

    fn stopping(&self) -> Result<()> {
        self.step("stopping")
    }

    fn post_stop(&self) -> Result<()> {
        self.step("post_stop")
    }

    fn attributes(&self) -> Attributes {
        let word = self.base.config::<ProbeConfig>().map(|config| config.word);
        Attributes::new().with_known("word", word.ok())
    }
}

/// Removes what an environment kept as evidence, and the directory of this
/// process if it was the last one in it.
pub fn discard(runpath: &Path) {
    std::fs::remove_dir_all(runpath).unwrap();
    let _ = std::fs::remove_dir(runpath.parent().unwrap());
}
