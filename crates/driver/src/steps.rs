use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use standin_entity::{Check, CheckInterval, Error, HookPoint, Result, Steps};
use standin_record::{DriverTape, Step};

use crate::WaitEnd;
use crate::error::FileLogError;
use crate::{Driver, DriverConfig, Readiness, error_log, install};

/// A driver as the engine of `standin-entity` sees it: what every driver does
/// at each step, and then what this one does.
pub(crate) struct AsSteps<'a> {
    driver: &'a dyn Driver,
    /// Resolved once for each operation, whose steps then agree on it.
    config: OnceLock<Arc<DriverConfig>>,
    tape: OnceLock<DriverTape>,
}

/// A step that runs, on record: its end is, however it ends.
struct OnRecord<'a> {
    tape: &'a DriverTape,
    step: &'static str,
    error: Option<Cow<'static, str>>,
}

impl Drop for OnRecord<'_> {
    fn drop(&mut self) {
        self.tape.step_ended(self.step, self.error.as_deref());
    }
}

/// Asking whether the driver is ready, or down, when it is not at once.
const STARTED_CHECK: &str = "started_check";
const STOPPED_CHECK: &str = "stopped_check";

/// What an error says, without what it has for that.
fn brief(error: &Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

impl<'a> AsSteps<'a> {
    pub(crate) fn new(driver: &'a dyn Driver) -> Self {
        AsSteps {
            driver,
            config: OnceLock::new(),
            tape: OnceLock::new(),
        }
    }

    fn tape(&self) -> &DriverTape {
        self.tape.get_or_init(|| self.driver.base().tape())
    }

    /// Does `work`, which is a step.
    fn step<T>(&self, step: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let tape = self.tape();
        tape.step_began(step);
        let mut on_record = OnRecord {
            tape,
            step,
            error: Some("it panicked".into()),
        };
        let result = work();
        on_record.error = result.as_ref().err().map(|error| brief(error).into());
        result
    }

    /// The same for one of a start, which ends with it if it fails.
    fn start_step<T>(&self, step: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let result = self.step(step, work);
        if let Err(error) = &result {
            self.tape().step_ended(Step::START, Some(&brief(error)));
        }
        result
    }

    /// Asks whether the driver is there, which takes a while if it is not at once.
    fn check(&self, step: &'static str, ask: impl FnOnce() -> Result<Check>) -> Result<Check> {
        let check = ask();
        let tape = self.tape();
        match &check {
            Ok(Check::NotYet(_)) => tape.step_goes_on(step),
            Ok(Check::Ready) => tape.step_ended(step, None),
            Err(error) => tape.steps_ended(&brief(error)),
        }
        check
    }

    fn config(&self) -> Result<&DriverConfig> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = self.driver.base().options().shared()?;
        Ok(self.config.get_or_init(|| config))
    }

    /// Ends what the drivers that this one extends still have, which is nothing unless an
    /// override has forgotten them.
    fn end_extended(&self) -> Result<()> {
        let mut extended = self.driver.extends();
        while let Some(driver) = extended {
            driver.aborting()?;
            extended = driver.extends();
        }
        Ok(())
    }
}

impl Steps for AsSteps<'_> {
    fn started_check_interval(&self) -> CheckInterval {
        let shortest = self.config().ok().and_then(|config| {
            let intervals = config.ready.iter().filter_map(Readiness::interval);
            intervals.min()
        });
        shortest.map_or_else(|| self.driver.started_check_interval(), CheckInterval::from)
    }

    fn stopped_check_interval(&self) -> CheckInterval {
        self.driver.stopped_check_interval()
    }

    fn stop_grace(&self) -> Duration {
        self.driver.stop_grace()
    }

    fn pre_start(&self) -> Result<()> {
        self.tape().step_began(Step::START);
        self.start_step("pre_start", || self.prepare())
    }

    fn starting(&self) -> Result<()> {
        self.start_step("starting", || {
            let starting = &self.driver.base().starting;
            let config = self.config()?;
            starting.note(self.driver, config);
            starting.open_log(self.driver.base(), config);
            self.driver.starting()
        })
    }

    fn started_check(&self) -> Result<Check> {
        self.check(STARTED_CHECK, || self.ask_if_started())
    }

    fn post_start(&self) -> Result<()> {
        self.start_step("post_start", || self.driver.post_start())
    }

    fn pre_stop(&self) -> Result<()> {
        // A start that was under way is over.
        self.tape().steps_ended("it was stopped");
        self.step("pre_stop", || self.driver.pre_stop())
    }

    fn verify(&self) -> Result<()> {
        self.step("verify", || self.driver.verify())
    }

    fn stopping(&self) -> Result<()> {
        self.step("stopping", || {
            self.driver.base().starting.end();
            self.driver.stopping()
        })
    }

    fn stopped_check(&self) -> Result<Check> {
        self.check(STOPPED_CHECK, || self.driver.stopped_check())
    }

    fn post_stop(&self) -> Result<()> {
        self.step("post_stop", || {
            let result = self.driver.post_stop().and(self.end_extended());
            let base = self.driver.base();
            base.starting.close_log(WaitEnd::Stopped);
            base.file_log.close();
            result
        })
    }

    fn describe_failure(&self) -> Vec<String> {
        // What has not come to its end by itself has taken too long.
        self.tape().steps_ended("it took too long");
        let Ok(config) = self.config() else {
            return Vec::new();
        };
        let mut evidence = self.driver.base().starting.hints(self.driver, config);
        match self.driver.fetch_error_log() {
            Ok(lines) => evidence.extend(lines),
            Err(error) => {
                evidence.push(format!("its error log cannot be shown: {error}"));
                evidence.extend(error_log::fetch(self.driver, config));
            }
        }
        let recorder = self.driver.base().recorder();
        let shown = evidence.iter().map(|line| recorder.redacted(line));
        shown.collect()
    }

    fn interruption(&self) -> String {
        let base = self.driver.base();
        WaitEnd::Interrupted.explain(base.name(), &base.explainer())
    }

    fn aborting(&self) -> Result<()> {
        self.tape().steps_ended("it was aborted");
        self.step("aborting", || {
            let base = self.driver.base();
            base.starting.close_log(WaitEnd::Aborted);
            let result = self.driver.aborting().and(self.end_extended());
            base.file_log.close();
            result
        })
    }

    fn pausing(&self) -> Result<()> {
        self.step("pausing", || self.driver.pausing())
    }

    fn resuming(&self) -> Result<()> {
        self.step("resuming", || self.driver.resuming())
    }

    fn hook(&self, point: HookPoint) -> Result<()> {
        let config = self.config()?;
        let hook = match point {
            HookPoint::PreStart => &config.pre_start,
            HookPoint::PostStart => &config.post_start,
            HookPoint::PreStop => &config.pre_stop,
            HookPoint::PostStop => &config.post_stop,
        };
        let result = match (hook, point) {
            (None, _) => Ok(()),
            (Some(hook), HookPoint::PreStart) => {
                self.start_step("pre_start hook", || hook.run(self.driver))
            }
            (Some(hook), HookPoint::PostStart) => {
                self.start_step("post_start hook", || hook.run(self.driver))
            }
            (Some(hook), HookPoint::PreStop) => {
                self.step("pre_stop hook", || hook.run(self.driver))
            }
            (Some(hook), HookPoint::PostStop) => {
                self.step("post_stop hook", || hook.run(self.driver))
            }
        };
        if point == HookPoint::PostStart && result.is_ok() {
            self.tape().step_ended(Step::START, None);
        }
        result
    }
}

impl AsSteps<'_> {
    fn prepare(&self) -> Result<()> {
        let config = self.config()?;
        let base = self.driver.base();
        let entity = base.entity();
        let own = config.resource.entity.runpath.clone();
        let own = own.filter(|path| !path.as_os_str().is_empty());
        let computed = || Some(config.runpath_of.as_ref()?.compute(self.driver));
        entity.define_runpath(own.or_else(computed))?;
        let runpath = entity.make_runpath_dirs(config.resource.entity.path_cleanup)?;
        if let Some(name) = &config.file_logger {
            let path = runpath.join(name);
            base.file_log
                .open(path.clone())
                .map_err(|source| FileLogError {
                    driver: base.name().to_owned(),
                    path,
                    source,
                })?;
        }
        base.starting.begin(self.driver, config)?;
        self.driver.prepare()?;
        install::install(self.driver, &config.install_files)?;
        self.driver.pre_start()
    }

    fn ask_if_started(&self) -> Result<Check> {
        let starting = &self.driver.base().starting;
        if let Check::NotYet(missing) = starting.check(self.driver, self.tape(), false)? {
            let Some(error) = self.driver.start_failure() else {
                return Ok(Check::NotYet(missing));
            };
            // Its last words may have come since: they count.
            if starting.check(self.driver, self.tape(), true)? != Check::Ready {
                return Err(error);
            }
        }
        let check = self.driver.started_check()?;
        match &check {
            Check::NotYet(missing) => {
                self.tape().probed(STARTED_CHECK, missing, false);
                self.driver.start_failure().map_or(Ok(check), Err)
            }
            Check::Ready => {
                self.tape().met(STARTED_CHECK);
                starting.end();
                Ok(check)
            }
        }
    }
}
