use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use standin_config::{Markup, ResolveError};
use standin_entity::{
    AbortError, Check, PauseError, Report, RestartError, StartError, Status, StopError, WaitError,
};

use standin_record::Transcript;

use crate::WaitEnd;
use crate::driver_log::DriverLog;
use crate::log::watch::settle;
use crate::steps::AsSteps;
use crate::{Attributes, ContextError, Driver, DriverConfig, LogError, LogMatcher, error_log};

/// The operations of every driver. Implemented for all of them; import it to start or stop a driver
/// by hand. In an environment this is seldom needed.
pub trait Lifecycle: Driver {
    /// The name of the driver.
    fn name(&self) -> &str {
        self.base().name()
    }

    /// The status of the driver now.
    fn status(&self) -> Status {
        self.base().resource().status()
    }

    /// Starts the driver, and waits until it is ready unless it is configured
    /// with `async_start`. Does nothing on a driver that is started already.
    ///
    /// # Errors
    ///
    /// Returns an error if a step or a hook fails, or the driver is not ready within its timeout.
    /// The driver is cleaned up then and can be started again.
    fn start(&self) -> Result<(), StartError> {
        self.base()
            .resource()
            .start(&AsSteps::new(self.as_driver()))
    }

    /// Stops the driver. Does nothing on a driver that was never started or is
    /// stopped already. The files of a driver that is in no environment, and has
    /// no `runpath` set, go with a clean stop.
    ///
    /// # Errors
    ///
    /// Returns an error if a step or a hook fails, or the driver does not come down within its
    /// timeout. It counts as stopped anyway.
    fn stop(&self) -> Result<(), StopError> {
        stop(self.as_driver(), Files::Remove)
    }

    /// Stops the driver at the end of its scope: the drop of a driver calls this. Whether the test
    /// has passed is not known, so non-empty files are kept, until later runs of the same test
    /// program.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`stop`](Lifecycle::stop).
    fn wind_down(&self) -> Result<(), StopError> {
        stop(self.as_driver(), Files::Keep)
    }

    /// Stops the driver and starts it again, and waits for both also with
    /// `async_start`.
    ///
    /// # Errors
    ///
    /// Returns an error if the stop or the start fails.
    fn restart(&self) -> Result<(), RestartError> {
        self.base()
            .resource()
            .restart(&AsSteps::new(self.as_driver()))
    }

    /// Pauses the driver.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not started, or its step fails.
    fn pause(&self) -> Result<(), PauseError> {
        self.base()
            .resource()
            .pause(&AsSteps::new(self.as_driver()))
    }

    /// Resumes the driver.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not paused, or its step fails.
    fn resume(&self) -> Result<(), PauseError> {
        self.base()
            .resource()
            .resume(&AsSteps::new(self.as_driver()))
    }

    /// Waits until the driver has `status`. On a driver that is starting with
    /// `async_start`, waiting for [`Status::Started`] completes the start.
    /// Without a timeout the driver's options limit the wait.
    ///
    /// # Errors
    ///
    /// Returns an error if the time is over, the start or stop fails, the driver is aborted, the
    /// test has failed elsewhere, or the status can no longer be reached.
    fn wait(&self, status: Status, timeout: impl Into<Option<Duration>>) -> Result<(), WaitError> {
        self.base()
            .resource()
            .wait(&AsSteps::new(self.as_driver()), status, timeout)
    }

    /// Waits as [`wait`](Lifecycle::wait) does, for a caller that may give up: see
    /// [`Resource::wait_unless`](standin_entity::Resource::wait_unless).
    #[doc(hidden)]
    fn wait_unless(
        &self,
        status: Status,
        timeout: Option<Duration>,
        is_given_up: &AtomicBool,
    ) -> Result<(), WaitError> {
        let steps = AsSteps::new(self.as_driver());
        let resource = self.base().resource();
        resource.wait_unless(&steps, status, timeout, is_given_up)
    }

    /// Ends the driver's work and every wait on it at once, from any thread. An aborted driver
    /// cannot be started again.
    ///
    /// # Errors
    ///
    /// Returns an error if its step fails. It counts as aborted anyway.
    fn abort(&self) -> Result<(), AbortError> {
        self.base()
            .resource()
            .abort(&AsSteps::new(self.as_driver()))
    }

    /// Ends every wait of the test in the logs of the driver, and those that the driver has of its
    /// own, now and in future. An environment does so with all its drivers once one of them
    /// [has failed the test](crate::DriverBase::fail), and also ends the waits for their status:
    /// see [`Resource::interrupt`](standin_entity::Resource::interrupt).
    fn interrupt(&self) {
        self.base().starting.bell.end(WaitEnd::Interrupted);
        self.interrupting();
    }

    /// Everything that this driver publishes now.
    fn context(&self) -> Attributes {
        let path = |path: Option<PathBuf>| path.map(|path| path.display().to_string());
        let mut attributes = self
            .base()
            .attributes()
            .with_known("logpath", path(self.log_path()))
            .with_known("outpath", path(self.out_path()))
            .with_known("errpath", path(self.err_path()));
        attributes.extend(self.attributes());
        attributes
    }

    /// Everything that this driver publishes, without the names in `exclude`:
    /// what its own templates can read.
    fn context_input(&self, exclude: &[&str]) -> Attributes {
        let mut attributes = self.context();
        for name in exclude {
            attributes.remove(name);
        }
        attributes
    }

    /// Renders a template over what this driver publishes (`{{ runpath }}`) and
    /// over what the others of its environment do (`{{ context.server.port }}`).
    /// `{#` begins no comment, and up to 400 filters, operators and the like may be
    /// in one tag.
    ///
    /// # Errors
    ///
    /// Returns an error if the template does not parse, or names what is not there.
    fn render_template(&self, template: &str) -> Result<String, ContextError> {
        // Most texts are not templates, and a driver is not read for nothing.
        if !Markup::Option.has_tags(template) {
            return Ok(template.to_owned());
        }
        self.base().render_own(template, self.context())
    }

    /// Whether the driver's regexps have all matched and its conditions hold
    /// now; if not, what is missing. A start asks this until it is so.
    ///
    /// # Errors
    ///
    /// Returns an error if that cannot be found out, or can no longer happen.
    fn extract_values(&self) -> standin_entity::Result<Check> {
        let base = self.base();
        base.starting.check(self.as_driver(), &base.tape(), false)
    }

    /// Searches in the driver's log, from its beginning. Its waits end when the
    /// driver is stopped or aborted.
    ///
    /// # Errors
    ///
    /// Returns an error if the driver has no log.
    fn log_matcher(&self) -> Result<LogMatcher, LogError> {
        let path = DriverLog::Log.required(self.as_driver(), "a log matcher")?;
        let bell = self.base().starting.bell.clone();
        Ok(LogMatcher::with_bell(path, bell).of_driver(self.base()))
    }

    /// As [`log_matcher`](Lifecycle::log_matcher), in the standard error of the
    /// driver.
    ///
    /// # Errors
    ///
    /// Returns an error if the driver has no file of it.
    fn err_matcher(&self) -> Result<LogMatcher, LogError> {
        let path = DriverLog::Err.required(self.as_driver(), "a log matcher")?;
        let bell = self.base().starting.bell.clone();
        Ok(LogMatcher::with_bell(path, bell).of_driver(self.base()))
    }

    /// The last lines of everything that the driver writes: its standard error
    /// and output, its log, and the file of `file_logger`, in this order. For
    /// each that has any a heading and up to `error_logs_max_lines` lines.
    ///
    /// # Errors
    ///
    /// Returns an error if an option without a default is set nowhere.
    fn last_log_lines(&self) -> Result<Vec<String>, ResolveError> {
        let config: DriverConfig = self.base().config()?;
        Ok(error_log::fetch(self.as_driver(), &config))
    }

    /// Returns the recording of the driver and its connections so far, from its environment, or its
    /// own.
    fn transcript(&self) -> Transcript {
        let base = self.base();
        let tape = base.tape();
        base.describe(&tape);
        base.recorder().transcript().of(tape.name())
    }

    /// Returns the report of the driver so far.
    fn report(&self) -> Report {
        self.base().resource().report()
    }
}

impl<D: Driver + ?Sized> Lifecycle for D {}

/// What becomes of the files of a driver on its own that has come down cleanly.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Files {
    Remove,
    Keep,
}

fn stop(driver: &dyn Driver, files: Files) -> Result<(), StopError> {
    let resource = driver.base().resource();
    // What a start that failed has left is evidence, and no later stop takes it.
    let was_up = !matches!(resource.status(), Status::None | Status::Stopped);
    let stopped = resource.stop(&AsSteps::new(driver));
    settle();
    stopped?;
    if was_up && resource.status() == Status::Stopped {
        let is_panicking = std::thread::panicking();
        match files {
            Files::Remove if !is_panicking => driver.base().remove_own_runpath(),
            _ => driver.base().tidy_own_runpath(!is_panicking),
        }
    }
    Ok(())
}
