//! [`Session`]: an environment from a file; [`Running`]: the same, up.

use std::fmt;
use std::path::Path;
use std::time::Instant;

use indexmap::IndexMap;
use standin::environment::{Artifacts, EnvironmentError, EnvironmentView};
use standin::{AbortHandle, DriverTypes, Environment, Result, RunningEnvironment};

use crate::event::{Event, Happened};
use crate::graph::Graph;
use crate::watch::{Observer, Seen};
use crate::{SessionError, Setting};

/// An environment that was read from a file, with settings from outside, and does not run yet.
#[derive(Debug)]
pub struct Session {
    environment: Environment,
}

/// A running environment. Dropping it stops it, like a [`RunningEnvironment`];
/// [`stop`](Running::stop) also reports errors.
#[must_use = "dropping it takes the environment down at once"]
pub struct Running {
    environment: RunningEnvironment,
    seen: Seen,
}

impl Session {
    /// Reads a file, with the driver types of standin, and sets options of it.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, all mistakes in it at once, or the first
    /// setting that does not fit.
    pub fn load(path: impl AsRef<Path>, settings: &[Setting]) -> Result<Self, SessionError> {
        Self::with_settings(DriverTypes::standard().load(path)?, settings)
    }

    /// As [`load`](Session::load), from the text of a file; messages call it `name`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`load`](Session::load).
    pub fn parse(name: &str, text: &str, settings: &[Setting]) -> Result<Self, SessionError> {
        Self::with_settings(DriverTypes::standard().parse(name, text)?, settings)
    }

    fn with_settings(environment: Environment, settings: &[Setting]) -> Result<Self, SessionError> {
        let set = |setting: &Setting| setting.apply(&environment);
        settings.iter().try_for_each(set)?;
        Ok(Self { environment })
    }

    /// Returns a view of the environment, at any time and from any thread, even while it runs.
    pub fn view(&self) -> EnvironmentView {
        self.environment.view()
    }

    /// Returns the dependencies between its drivers.
    pub fn graph(&self) -> Graph {
        Graph::of(&self.environment)
    }

    /// Returns a handle that ends the start, and everything after it, from another thread.
    pub fn abort_handle(&self) -> AbortHandle {
        self.environment.abort_handle()
    }

    /// Starts the environment. `observer` is notified of events meanwhile, and has been
    /// called with all of it when this returns.
    ///
    /// # Errors
    ///
    /// Returns an error if the environment does not start, or a variable of it cannot be filled in;
    /// all of it is down again then.
    pub fn start(self, observer: &dyn Observer) -> Result<Running> {
        let begin = Instant::now();
        let view = self.view();
        observer.happened(&Event::now(Happened::EnvironmentStarting {
            environment: view.name().to_owned(),
            drivers: view.names(),
        }));
        let mut seen = Seen::default();
        let started = seen.during(&view, observer, || self.environment.start());
        let running = Running {
            environment: started?,
            seen,
        };
        match running.variables() {
            Ok(variables) => {
                observer.happened(&Event::now(Happened::EnvironmentStarted {
                    environment: view.name().to_owned(),
                    after: begin.elapsed(),
                    variables,
                }));
                Ok(running)
            }
            Err(error) => {
                // Nobody has used what is up, so that what nobody sent is not missing.
                let stopped = running.stop(observer).map(drop);
                stopped.or_else(|stop| match stop.is_unmet() {
                    true => Ok(()),
                    false => Err(stop),
                })?;
                Err(error)
            }
        }
    }
}

impl Running {
    /// Returns a view of the environment, at any time and from any thread.
    pub fn view(&self) -> EnvironmentView {
        self.environment.view()
    }

    /// Returns a handle that ends everything from another thread.
    pub fn abort_handle(&self) -> AbortHandle {
        self.environment.abort_handle()
    }

    /// Notes that the user of the environment has failed, so that the recording and the files of
    /// the drivers are kept even if the stop succeeds.
    pub fn note_failure(&self) {
        self.environment.note_failure();
    }

    /// Notes that the user of the environment has failed, and writes the recording so far at once;
    /// the stop writes it to the same place with later records.
    pub fn write_failure(&self) -> Artifacts {
        self.environment.write_failure()
    }

    /// Returns the variables for programs that use the environment, as things are now:
    /// `DRIVER_<NAME>_ATTR_<ATTRIBUTE>` for what the drivers publish, and those of `[export]` in
    /// the file, which win.
    ///
    /// # Errors
    ///
    /// Returns an error if one of `[export]` cannot be filled in.
    pub fn variables(&self) -> Result<IndexMap<String, String>> {
        let mut variables: IndexMap<String, String> =
            self.environment.variables().into_iter().collect();
        variables.extend(self.environment.exports()?);
        Ok(variables)
    }

    /// Stops the environment. `observer` is notified of events meanwhile. Returns the files
    /// that explain a failure which was [noted](Running::note_failure).
    ///
    /// # Errors
    ///
    /// Returns every failure of the stop, and what was expected and has not happened.
    pub fn stop(mut self, observer: &dyn Observer) -> Result<Artifacts, EnvironmentError> {
        let begin = Instant::now();
        let environment = self.environment.name().to_owned();
        observer.happened(&Event::now(Happened::EnvironmentStopping {
            environment: environment.clone(),
        }));
        let running = &self.environment;
        let artifacts = self
            .seen
            .during(&running.view(), observer, || running.stop_for_artifacts())?;
        observer.happened(&Event::now(Happened::EnvironmentStopped {
            environment,
            after: begin.elapsed(),
        }));
        Ok(artifacts)
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.environment).finish()
    }
}
