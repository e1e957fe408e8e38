//! The recorded kind `TraceDriver`: it reports which of its steps were called,
//! and fails, dawdles and becomes ready as the vector wants it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use standin::driver::DriverBuilder;
use standin::entity::CheckInterval;
use standin::{Attributes, BuildError, Check, Driver, DriverBase, Error, Lifecycle, Result};

use super::statuses;
use crate::value::{Function, Value};
use crate::world::{Shared, TraceLine};

type Trace = Arc<Shared<Vec<TraceLine>>>;

pub(crate) struct TraceDriver {
    base: DriverBase,
    trace: Trace,
    behaviour: IndexMap<String, Value>,
    /// How often each thing happened.
    counts: Shared<BTreeMap<String, i64>>,
}

impl TraceDriver {
    pub(crate) fn new(
        options: DriverBuilder,
        trace: Trace,
        behaviour: IndexMap<String, Value>,
    ) -> Result<Self, BuildError> {
        Ok(TraceDriver {
            base: DriverBase::new("TraceDriver", options)?,
            trace,
            behaviour,
            counts: Shared::default(),
        })
    }

    fn count(&self, what: &str) -> i64 {
        let mut counts = self.counts.lock();
        let count = counts.entry(what.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn called(&self, step: &str) -> Result<()> {
        note(&self.trace, self, step);
        if let Some(Value::Map(sleeps)) = self.behaviour.get("sleep") {
            pause(sleeps.get(step))?;
        }
        let Some(Value::Map(fail)) = self.behaviour.get("fail") else {
            return Ok(());
        };
        if fail.get("hook").and_then(Value::as_str) != Some(step) {
            return Ok(());
        }
        if let Some(Value::Int(times)) = fail.get("times")
            && self.count("failures") > *times
        {
            return Ok(());
        }
        let message = fail.get("message").and_then(Value::as_str);
        Err(Error::msg(message.unwrap_or_default()))
    }

    fn check(&self, step: &str, not_before: &str, reason: &str) -> Result<Check> {
        self.called(step)?;
        let checks = self.count(step);
        Ok(match self.behaviour.get(not_before) {
            Some(Value::Int(early)) if checks <= *early => Check::NotYet(reason.to_owned()),
            _ => Check::Ready,
        })
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let path = self.behaviour.get(name)?.as_str()?;
        let runpath = self.base.resource().entity().runpath();
        Some(runpath.map_or_else(|| PathBuf::from(path), |runpath| runpath.join(path)))
    }

    fn interval(&self, name: &str) -> CheckInterval {
        let seconds = |value: &Value| match value {
            Value::Float(seconds) => Duration::try_from_secs_f64(*seconds).unwrap_or_default(),
            Value::Int(seconds) => Duration::from_secs(u64::try_from(*seconds).unwrap_or_default()),
            _ => Duration::ZERO,
        };
        match self.behaviour.get(name) {
            None => CheckInterval::default(),
            Some(value) => match value.items() {
                Some([min, max]) => (seconds(min), seconds(max)).into(),
                _ => seconds(value).into(),
            },
        }
    }

    fn write_files(&self) -> Result<()> {
        let Some(Value::Map(files)) = self.behaviour.get("write_on_start") else {
            return Ok(());
        };
        let runpath = self.base.resource().entity().runpath().unwrap_or_default();
        for (name, text) in files {
            let text = text.as_str().unwrap_or_default();
            let path = runpath.join(name);
            let file = OpenOptions::new().create(true).append(true).open(path);
            // The vectors' texts are latin-1.
            let bytes: Vec<u8> = text.chars().filter_map(|c| u8::try_from(c).ok()).collect();
            file.and_then(|mut file| file.write_all(&bytes))
                .map_err(Error::other)?;
        }
        Ok(())
    }
}

/// Writes a line of the trace.
fn note(trace: &Trace, driver: &dyn Driver, label: &str) {
    let status = statuses::status(driver.status().as_str());
    let line = (driver.name().to_owned(), label.to_owned(), status);
    trace.lock().push(line);
}

/// Dawdles: a recorded hook that takes its time.
fn pause(seconds: Option<&Value>) -> Result<()> {
    let seconds = match seconds {
        Some(Value::Float(seconds)) => *seconds,
        Some(Value::Int(seconds)) => *seconds as f64,
        _ => return Ok(()),
    };
    std::thread::sleep(Duration::try_from_secs_f64(seconds).map_err(Error::other)?);
    Ok(())
}

/// A user's hook, as a vector describes it.
pub(super) fn hook(
    trace: &Trace,
    function: &Arc<Function>,
) -> impl Fn(&dyn Driver) -> Result<()> + Send + Sync + 'static {
    let (trace, function) = (trace.clone(), function.clone());
    move |driver| {
        note(&trace, driver, &function.label);
        pause(function.sleep.map(Value::Float).as_ref())?;
        match &function.raise {
            Some(message) => Err(Error::msg(message)),
            None => Ok(()),
        }
    }
}

impl Driver for TraceDriver {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn pre_start(&self) -> Result<()> {
        self.called("pre_start")
    }

    fn starting(&self) -> Result<()> {
        self.called("starting")?;
        self.write_files()
    }

    fn started_check(&self) -> Result<Check> {
        let reason = self
            .behaviour
            .get("started_error_msg")
            .and_then(Value::as_str);
        self.check(
            "started_check",
            "started_after_checks",
            reason.unwrap_or_default(),
        )
    }

    fn started_check_interval(&self) -> CheckInterval {
        self.interval("started_check_interval")
    }

    fn stopped_check_interval(&self) -> CheckInterval {
        self.interval("stopped_check_interval")
    }

    fn post_start(&self) -> Result<()> {
        self.called("post_start")
    }

    fn pre_stop(&self) -> Result<()> {
        self.called("pre_stop")
    }

    fn stopping(&self) -> Result<()> {
        self.called("stopping")
    }

    fn stopped_check(&self) -> Result<Check> {
        self.check("stopped_check", "stopped_after_checks", "")
    }

    fn post_stop(&self) -> Result<()> {
        self.called("post_stop")
    }

    fn aborting(&self) -> Result<()> {
        self.called("aborting")
    }

    fn pausing(&self) -> Result<()> {
        self.called("pausing")
    }

    fn resuming(&self) -> Result<()> {
        self.called("resuming")
    }

    fn log_path(&self) -> Option<PathBuf> {
        self.path("logpath").or_else(|| self.out_path())
    }

    fn out_path(&self) -> Option<PathBuf> {
        self.path("outpath")
    }

    fn err_path(&self) -> Option<PathBuf> {
        self.path("errpath")
    }

    fn install_target(&self) -> Option<PathBuf> {
        self.path("install_target")
    }
}

/// A driver with constant attributes, for context values to read.
pub(crate) struct ContextStub {
    base: DriverBase,
    attributes: Attributes,
}

impl ContextStub {
    pub(crate) fn new(
        kind: &'static str,
        options: DriverBuilder,
        attributes: Attributes,
    ) -> Result<Self, BuildError> {
        Ok(ContextStub {
            base: DriverBase::new(kind, options)?,
            attributes,
        })
    }
}

impl Driver for ContextStub {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn attributes(&self) -> Attributes {
        self.attributes.clone()
    }
}
