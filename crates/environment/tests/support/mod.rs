//! A driver that writes down what happens to it.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses a part of it"
)]
#![allow(clippy::panic, reason = "what cannot be in a test fails it")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use standin_config::{Config, FromOptions};
use standin_driver::{Attributes, BuildError, Driver, DriverBase, DriverConfig};
use standin_entity::{Check, Error, Result};

/// What happened, in order: `server starting`.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
    /// Steps that block may continue.
    released: Mutex<bool>,
    /// Checks of starts are not ready.
    is_unready: AtomicBool,
}

impl Trace {
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lines.lock().unwrap())
    }

    fn push(&self, line: String) {
        self.0.lines.lock().unwrap().push(line);
        self.0.changed.notify_all();
    }

    /// Waits until this has happened.
    #[track_caller]
    pub fn wait_for(&self, line: &str) {
        let lines = self.0.lines.lock().unwrap();
        let limit = Duration::from_secs(30);
        let missing = |lines: &mut Vec<String>| !lines.iter().any(|other| other == line);
        let (lines, waited) = self
            .0
            .changed
            .wait_timeout_while(lines, limit, missing)
            .unwrap();
        assert!(!waited.timed_out(), "no `{line}` in {lines:?}");
    }

    /// Lets steps that block go on.
    pub fn release(&self) {
        *self.0.released.lock().unwrap() = true;
        self.0.changed.notify_all();
    }

    /// Whether the checks of starts are ready from now on; they are at first.
    pub fn set_ready(&self, is_ready: bool) {
        self.0.is_unready.store(!is_ready, Ordering::SeqCst);
    }

    fn block(&self) {
        let released = self.0.released.lock().unwrap();
        drop(self.0.changed.wait_while(released, |released| !*released));
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
    /// A step that blocks until the trace is released.
    pub blocks_in: Option<String>,
    /// A check that never becomes ready.
    pub never_ready_in: Option<String>,
    /// Something to publish.
    #[config(default = "a word")]
    pub word: String,
}

#[derive(Debug)]
pub struct Probe {
    base: DriverBase,
}

impl Probe {
    pub fn builder(name: &str, trace: &Trace) -> ProbeBuilder {
        ProbeBuilder::new().name(name).trace(trace.clone())
    }

    fn step(&self, step: &str) -> Result<()> {
        let config: ProbeConfig = self.base.config()?;
        if let Some(trace) = config.trace {
            trace.push(format!("{} {step}", self.base.name()));
            if config.blocks_in.as_deref() == Some(step) {
                trace.block();
            }
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

impl Probe {
    fn check(&self, step: &str) -> Result<Check> {
        self.step(step)?;
        let config: ProbeConfig = self.base.config()?;
        let is_unready = |trace: &Trace| trace.0.is_unready.load(Ordering::SeqCst);
        let waits = step == "started_check" && config.trace.as_ref().is_some_and(is_unready);
        Ok(if waits || config.never_ready_in.as_deref() == Some(step) {
            Check::NotYet("it never is".to_owned())
        } else {
            Check::Ready
        })
    }

    pub fn base_is_aborted(&self) -> bool {
        self.base.resource().is_aborted()
    }
}

impl FromOptions<ProbeBuilder> for Probe {
    type Error = BuildError;

    fn from_options(options: ProbeBuilder) -> Result<Self, BuildError> {
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
        self.check("started_check")
    }

    fn stopped_check(&self) -> Result<Check> {
        self.check("stopped_check")
    }

    fn aborting(&self) -> Result<()> {
        self.step("aborting")
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

/// Only a hang takes this long.
pub const LONG: Duration = Duration::from_secs(60);

/// Runs `work` in a thread of its own, which a hang cannot outlive unnoticed.
#[track_caller]
pub fn within_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = channel();
    let thread = thread::spawn(move || done.send(work()));
    match is_done.recv_timeout(LONG) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("{what}: it hangs"),
        Err(RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().unwrap_err())
        }
    }
}
