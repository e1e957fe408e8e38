use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use standin_connection::ConnectionGraph;
use standin_driver::{Driver, Lifecycle};
use standin_entity::{Failovers, Report, Status};

use crate::members::{Member, Members};
use crate::plan::Plan;
use crate::starting::{Failed, Start};
use crate::{
    AbortHandle, Environment, EnvironmentConfig, EnvironmentError, Failure, LookupError, stopping,
};

/// The drivers of an environment, started.
///
/// Dropping it stops them in reverse order, also during a panic, quietly.
/// [`stop`](RunningEnvironment::stop) does the same and tells what failed.
///
/// After a clean stop the files of the drivers are removed, unless the option
/// `runpath` or `keep_runpath` is set. After a failure, and when the test
/// panics, they stay.
///
/// Environments that have this one as their parent are stopped before its own
/// drivers are.
#[must_use = "dropping it stops the environment at once; bind it to a name such as `env`"]
pub struct RunningEnvironment {
    running: Arc<Running>,
}

/// What the guard holds, and what the environment around it stops, too.
pub(crate) struct Running {
    pub(crate) members: Arc<Members>,
    failovers: IndexMap<String, Failovers<Member>>,
    plan: Plan,
    config: EnvironmentConfig,
    /// One start, stop or restart at a time; an abort does not wait for it.
    operation: Mutex<()>,
    /// Something failed, so that the files of the drivers are evidence.
    failed: AtomicBool,
}

impl RunningEnvironment {
    pub(crate) fn launch(environment: Environment) -> Result<Self, EnvironmentError> {
        let config: EnvironmentConfig = environment.node().resolve()?;
        let plan = Plan::new(&environment, &config)?;
        let running = Arc::new(Running {
            members: environment.members,
            failovers: environment.failovers,
            plan,
            config,
            operation: Mutex::new(()),
            failed: AtomicBool::new(false),
        });
        if let Some(parent) = running.members.parent() {
            parent.nest(&running);
        }
        running.start()?;
        Ok(RunningEnvironment { running })
    }

    /// The name of the environment.
    pub fn name(&self) -> &str {
        self.shared().name()
    }

    /// Starts the drivers that are not started: those that were stopped
    /// meanwhile, or left out because of `auto_start`, which are only started
    /// by hand, excepted. Does nothing when all are up.
    ///
    /// # Errors
    ///
    /// As [`Environment::start`].
    pub fn start(&self) -> Result<(), EnvironmentError> {
        self.running.start()
    }

    /// Stops the drivers in reverse order: a driver when all that depend on it
    /// are down. A failure does not keep the others up. Does nothing when all
    /// are down.
    ///
    /// # Errors
    ///
    /// Every failure. The drivers count as stopped all the same.
    pub fn stop(&self) -> Result<(), EnvironmentError> {
        self.running.stop()
    }

    /// Stops the drivers and starts them again.
    ///
    /// # Errors
    ///
    /// If the stop or the start fails. Nothing is started after a stop that
    /// failed.
    pub fn restart(&self) -> Result<(), EnvironmentError> {
        self.stop()?;
        self.start()
    }

    /// The driver of that name.
    ///
    /// # Errors
    ///
    /// If there is none, or it is of another type.
    pub fn get<D: Driver>(&self, name: &str) -> Result<Arc<D>, LookupError> {
        self.shared().get(name)
    }

    /// All drivers, in the order in which they were added.
    pub fn drivers(&self) -> Vec<Arc<dyn Driver>> {
        self.shared().drivers()
    }

    /// The names of all drivers with their status, in the order in which they
    /// were added.
    pub fn statuses(&self) -> Vec<(String, Status)> {
        self.shared()
            .read()
            .iter()
            .map(|(name, member)| (name.clone(), member.driver.status()))
            .collect()
    }

    /// What happened so far: to the environment and to each driver.
    pub fn report(&self) -> Report {
        self.shared().entity.report()
    }

    /// What the drivers publish, as variables for the environment of a
    /// process: `DRIVER_<NAME>_ATTR_<ATTRIBUTE>`, in capitals, with `_` for
    /// each `-` and each space.
    pub fn variables(&self) -> Vec<(String, String)> {
        let words = |text: &str| text.to_uppercase().replace(['-', ' '], "_");
        let members = self.shared().named();
        let mut variables = Vec::new();
        for (name, driver) in members {
            let context = driver.context();
            for attribute in context.names() {
                let value = context.text(attribute).unwrap_or_default();
                variables.push((
                    format!("DRIVER_{}_ATTR_{}", words(&name), words(attribute)),
                    value,
                ));
            }
        }
        variables
    }

    /// Who is connected to whom now, as the drivers tell it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use standin_config::context;
    /// # use standin_environment::Environment;
    /// # use standin_tcp::{TcpClient, TcpServer};
    /// # fn main() -> standin_entity::Result<()> {
    /// # let mut env = Environment::new("connections");
    /// # let server = env.add(TcpServer::builder("server").build()?)?;
    /// # let port = context("server", "{{ port }}");
    /// # env.add(TcpClient::builder("client").host("localhost").port(port).build()?)?;
    /// let env = env.start()?;
    /// server.accept_connection(Duration::from_secs(10))?;
    /// env.connections().connected("client", "server")?.and_nobody_else()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connections(&self) -> ConnectionGraph {
        let members = self.shared().named();
        let mut graph = ConnectionGraph::new(members.iter().map(|(name, _)| name.clone()));
        for (name, driver) in members {
            graph.extend(
                driver
                    .connections()
                    .into_iter()
                    .map(|info| (name.clone(), info)),
            );
        }
        graph
    }

    /// The directory that has the files of the drivers.
    pub fn runpath(&self) -> Option<PathBuf> {
        self.shared().entity.runpath()
    }

    /// A handle that ends everything from another thread.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.shared().clone())
    }

    /// Ends everything at once: see [`AbortHandle::abort`].
    pub fn abort(&self) {
        self.abort_handle().abort();
    }

    pub(crate) fn shared(&self) -> &Arc<Members> {
        &self.running.members
    }
}

impl Running {
    fn name(&self) -> &str {
        self.members.name()
    }

    fn operation(&self) -> MutexGuard<'_, ()> {
        self.operation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> Result<(), EnvironmentError> {
        let _operation = self.operation();
        if !self.is_active() {
            return Err(EnvironmentError::Aborted {
                environment: self.name().to_owned(),
            });
        }
        self.make_runpath()?;
        let start = Start::new(&self.members, &self.failovers, &self.plan);
        let Err(failed) = self.members.entity.record("setup", || start.run()) else {
            return Ok(());
        };
        let Failed {
            mut failures,
            not_started,
            waiting,
        } = failed;
        self.failed.store(true, Ordering::Relaxed);
        failures.extend(stopping::stop(&self.members, &self.plan));
        self.members.entity.release_runpath();
        Err(EnvironmentError::Start {
            environment: self.name().to_owned(),
            failures,
            not_started,
            waiting,
            runpath: self.members.entity.runpath(),
        })
    }

    fn stop(&self) -> Result<(), EnvironmentError> {
        let _operation = self.operation();
        let failures = self.members.entity.record("teardown", || self.tear_down());
        if failures.is_empty() {
            if !std::thread::panicking() {
                self.remove_runpath();
            }
            return Ok(());
        }
        self.failed.store(true, Ordering::Relaxed);
        Err(EnvironmentError::Stop {
            environment: self.name().to_owned(),
            failures,
            runpath: self.members.entity.runpath(),
        })
    }

    /// What is below this environment uses its drivers, and goes first.
    fn tear_down(&self) -> Vec<Failure> {
        let mut failures = Vec::new();
        for nested in self.members.nested() {
            // A stop has no other error.
            if let Err(EnvironmentError::Stop { failures: more, .. }) = nested.stop() {
                failures.extend(more);
            }
        }
        failures.extend(stopping::stop(&self.members, &self.plan));
        failures
    }

    /// Neither this environment nor one around it was aborted.
    fn is_active(&self) -> bool {
        let around = std::iter::successors(Some(self.members.clone()), |members| members.parent());
        around.into_iter().all(|members| members.entity.is_active())
    }

    fn make_runpath(&self) -> Result<(), EnvironmentError> {
        let entity = &self.members.entity;
        entity.define_runpath(self.config.entity.runpath.clone())?;
        entity.make_runpath_dirs(self.config.entity.path_cleanup)?;
        Ok(())
    }

    /// Removes the files of the drivers, if they were in a place of our choice.
    fn remove_runpath(&self) {
        let entity = &self.members.entity;
        entity.release_runpath();
        if self.failed.load(Ordering::Relaxed)
            || self.config.keep_runpath
            || self.config.entity.runpath.is_some()
        {
            return;
        }
        if let Err(error) = entity.remove_runpath() {
            tracing::warn!(environment = self.name(), %error, "the files of the drivers stay");
        }
    }
}

impl Drop for RunningEnvironment {
    fn drop(&mut self) {
        // Nobody is left to take an error, and a second panic would abort the
        // test program: the log has it.
        if let Err(error) = self.stop() {
            tracing::error!(environment = self.name(), %error, "the environment did not stop cleanly");
        }
    }
}

impl fmt::Debug for RunningEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningEnvironment")
            .field("name", &self.name())
            .field("drivers", self.shared())
            .finish_non_exhaustive()
    }
}
