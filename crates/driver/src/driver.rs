use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use standin_connection::ConnectionInfo;
use standin_entity::{Check, CheckInterval, Error, Result};

use crate::{Attributes, DriverBase, Lifecycle};

/// A component that a test starts, uses and stops: the stand-in for a peer, or the program under
/// test.
///
/// A driver embeds a [`DriverBase`] and overrides the steps that it needs;
/// [`Lifecycle`] then provides `start`, `stop` and the rest. The order of a start
/// is: [`prepare`](Driver::prepare), the files to install, [`pre_start`](Driver::pre_start), the
/// user's `pre_start` hook, [`starting`](Driver::starting), then the regexps and conditions of the
/// options and [`started_check`](Driver::started_check) until all return [`Check::Ready`], then
/// [`post_start`](Driver::post_start) and the user's hook. A stop mirrors it.
///
/// Steps take `&self`, since a driver is shared between the test, its
/// environment and threads that wait; a driver keeps what changes behind a
/// lock of its own.
///
/// # Extending a driver
///
/// A driver that does what another one does, and a little more, has that one as a field and
/// names it in [`extends`](Driver::extends). Every method that it does not override is then the
/// other's:
///
/// ```
/// use standin_connection::ConnectionInfo;
/// use standin_driver::{Attributes, Driver, DriverBase};
///
/// struct Exchange<D> {
///     server: D, // a `TcpServer`, for example
/// }
///
/// impl<D: Driver> Driver for Exchange<D> {
///     fn base(&self) -> &DriverBase {
///         self.server.base()
///     }
///
///     fn extends(&self) -> Option<&dyn Driver> {
///         Some(&self.server)
///     }
///
///     fn attributes(&self) -> Attributes {
///         self.server.attributes().with("market", "XETRA")
///     }
///
///     fn connections(&self) -> Vec<ConnectionInfo> {
///         let mut connections = self.server.connections();
///         connections.push(ConnectionInfo::file_written("/var/log/trades.csv"));
///         connections
///     }
/// }
/// ```
///
/// An override that is to add to what the other does calls it. Should one of
/// [`stopping`](Driver::stopping) or [`aborting`](Driver::aborting) forget to, the engine ends
/// the extended driver anyway, by its `aborting`.
pub trait Driver: AsDriver + Any + Send + Sync {
    /// Returns the base: name, configuration, status, runpath, context.
    fn base(&self) -> &DriverBase;

    /// The driver that this one extends: see [Extending a driver](Driver#extending-a-driver). By
    /// default none.
    fn extends(&self) -> Option<&dyn Driver> {
        None
    }

    /// Runs first of all, when the runpath exists and before files are
    /// installed: finds out what their templates need, such as a port. What it
    /// takes is given back at the latest when the driver is dropped: a start
    /// that fails before [`starting`](Driver::starting) has nothing to stop.
    fn prepare(&self) -> Result<()> {
        self.extends().map_or(Ok(()), |driver| driver.prepare())
    }

    /// Runs before [`starting`](Driver::starting), when the runpath exists and
    /// files are installed.
    fn pre_start(&self) -> Result<()> {
        self.extends().map_or(Ok(()), |driver| driver.pre_start())
    }

    /// Starts: binds, connects, spawns.
    fn starting(&self) -> Result<()> {
        self.extends().map_or(Ok(()), |driver| driver.starting())
    }

    /// Checks whether the driver is ready for use. Called after [`starting`](Driver::starting)
    /// until it is, or until the timeout.
    fn started_check(&self) -> Result<Check> {
        self.extends()
            .map_or(Ok(Check::Ready), |driver| driver.started_check())
    }

    /// Returns the interval between two calls of [`started_check`](Driver::started_check) when
    /// nothing reports a change: constant or growing. By default from 10 ms to 200 ms. Conditions
    /// of the option `ready` may shorten it.
    fn started_check_interval(&self) -> CheckInterval {
        let extended = self.extends();
        extended.map_or_else(CheckInterval::default, |driver| {
            driver.started_check_interval()
        })
    }

    /// As [`started_check_interval`](Driver::started_check_interval), for
    /// [`stopped_check`](Driver::stopped_check).
    fn stopped_check_interval(&self) -> CheckInterval {
        let extended = self.extends();
        extended.map_or_else(CheckInterval::default, |driver| {
            driver.stopped_check_interval()
        })
    }

    /// Why the driver can no longer become ready: its process has ended, for example.
    /// Asked while readiness is still missing, so that a start fails at once
    /// instead of at its timeout. By default there is never a reason.
    fn start_failure(&self) -> Option<Error> {
        self.extends()?.start_failure()
    }

    /// How the driver's process has ended: its exit code, or the negative number of
    /// the signal that ended it. `None` while it runs, and for drivers that have no
    /// process. What [`Readiness::ended_with`](crate::Readiness::ended_with) asks.
    fn exit_code(&self) -> Option<i32> {
        self.extends()?.exit_code()
    }

    /// Whether the driver has a process that ends with an [exit code](Driver::exit_code). By
    /// default it has none, and a start that waits for an exit code fails at once.
    fn has_process(&self) -> bool {
        self.extends().is_some_and(|driver| driver.has_process())
    }

    /// Whether the driver is healthy, for observers.
    fn is_alive(&self) -> bool {
        self.extends().is_none_or(|driver| driver.is_alive())
    }

    /// Returns what is wrong with a started driver, as the end of a sentence: for example that its
    /// process "has ended with signal 9". The errors of other drivers and the summary of a failed
    /// test show it. By default that it is not alive, if [`is_alive`](Driver::is_alive) returns
    /// false.
    fn trouble(&self) -> Option<String> {
        let extended = self.extends().and_then(|driver| driver.trouble());
        extended.or_else(|| (!self.is_alive()).then(|| "is not alive".to_owned()))
    }

    /// Returns how long the driver takes at most to stop by itself. A driver that forces itself
    /// down after a grace time returns that time, which is added to its `stop_limit` (by default
    /// its `timeout`). By default zero.
    fn stop_grace(&self) -> Duration {
        self.extends()
            .map_or(Duration::ZERO, |driver| driver.stop_grace())
    }

    /// Runs once the driver is started.
    fn post_start(&self) -> Result<()> {
        self.extends().map_or(Ok(()), |driver| driver.post_start())
    }

    /// Runs before [`stopping`](Driver::stopping).
    fn pre_stop(&self) -> Result<()> {
        self.extends().map_or(Ok(()), |driver| driver.pre_stop())
    }

    /// Checks that everything the test expects of the driver has happened, such as a request. Runs
    /// at the end of its use, before [`stopping`](Driver::stopping), and not after a failed start.
    /// The stop reports the error, and continues.
    fn verify(&self) -> Result<()> {
        self.extends().map_or(Ok(()), |driver| driver.verify())
    }

    /// Ends every wait on the driver, now and in future, because the test has failed elsewhere: see
    /// [`DriverBase::fail`]. Called from any thread, at any time during a start or while the driver
    /// is up. The driver itself stays up until it is stopped, so that its state can be inspected.
    /// By default nothing.
    fn interrupting(&self) {
        if let Some(driver) = self.extends() {
            driver.interrupting();
        }
    }

    /// Stops, and releases what [`starting`](Driver::starting) acquired. Also called to clean up
    /// after a start that failed half-way.
    fn stopping(&self) -> Result<()> {
        self.extends().map_or(Ok(()), |driver| driver.stopping())
    }

    /// Checks whether the driver has come down.
    fn stopped_check(&self) -> Result<Check> {
        self.extends()
            .map_or(Ok(Check::Ready), |driver| driver.stopped_check())
    }

    /// Runs once the driver is stopped.
    fn post_stop(&self) -> Result<()> {
        self.extends().map_or(Ok(()), |driver| driver.post_stop())
    }

    /// Ends the driver's work and every wait on it at once.
    fn aborting(&self) -> Result<()> {
        self.extends().map_or(Ok(()), |driver| driver.aborting())
    }

    /// Runs when the driver is paused.
    fn pausing(&self) -> Result<()> {
        self.extends().map_or(Ok(()), |driver| driver.pausing())
    }

    /// Runs when the driver is resumed.
    fn resuming(&self) -> Result<()> {
        self.extends().map_or(Ok(()), |driver| driver.resuming())
    }

    /// Returns the published values of this driver beyond the common ones. Leave out values that
    /// are not known yet.
    fn attributes(&self) -> Attributes {
        let extended = self.extends();
        extended.map_or_else(Attributes::new, |driver| driver.attributes())
    }

    /// The connections that this driver has or offers.
    fn connections(&self) -> Vec<ConnectionInfo> {
        let extended = self.extends();
        extended.map_or_else(Vec::new, |driver| driver.connections())
    }

    /// Returns what the errors of a start or a stop show of the driver: by default the last lines
    /// of all files that it writes ([`last_log_lines`](crate::Lifecycle::last_log_lines)). Override
    /// it if the evidence is elsewhere, such as in a journal.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be determined. The error of the start or stop reports that,
    /// and shows the files.
    fn fetch_error_log(&self) -> Result<Vec<String>> {
        match self.extends() {
            Some(driver) => driver.fetch_error_log(),
            None => Ok(self.as_driver().last_log_lines()?),
        }
    }

    /// Returns the log for readiness and error reports; by default [`out_path`](Driver::out_path).
    fn log_path(&self) -> Option<PathBuf> {
        match self.extends() {
            Some(driver) => driver.log_path(),
            None => self.out_path(),
        }
    }

    /// The file that has the driver's standard output.
    fn out_path(&self) -> Option<PathBuf> {
        self.extends()?.out_path()
    }

    /// The directory that `install_files` puts files into; by default the
    /// runpath. It is made when there is something to install.
    fn install_target(&self) -> Option<PathBuf> {
        match self.extends() {
            Some(driver) => driver.install_target(),
            None => self.base().resource().entity().runpath(),
        }
    }

    /// The file that has the driver's standard error.
    fn err_path(&self) -> Option<PathBuf> {
        self.extends()?.err_path()
    }
}

/// Makes a trait object of any driver, also of one that is a trait object
/// already. Implemented for all drivers.
#[doc(hidden)]
pub trait AsDriver {
    fn as_driver(&self) -> &dyn Driver;
}

impl<D: Driver> AsDriver for D {
    fn as_driver(&self) -> &dyn Driver {
        self
    }
}

/// A driver, or one that is shared already: what an environment takes.
///
/// ```
/// use std::sync::Arc;
/// use standin_driver::{Driver, IntoShared};
///
/// fn add<S: IntoShared>(driver: S) -> Arc<S::Driver> {
///     driver.into_shared()
/// }
/// # fn check<D: Driver>(driver: D) -> Arc<D> {
/// let shared = add(driver);
/// let again = add(shared.clone());
/// assert!(Arc::ptr_eq(&shared, &again));
/// # again
/// # }
/// ```
pub trait IntoShared {
    /// The type of the driver.
    type Driver: Driver + ?Sized;

    /// Shares the driver, if it is not shared yet.
    fn into_shared(self) -> Arc<Self::Driver>;

    /// The same without its type.
    #[doc(hidden)]
    fn erased(shared: Arc<Self::Driver>) -> Arc<dyn Driver>;
}

impl<D: Driver> IntoShared for D {
    type Driver = D;

    fn into_shared(self) -> Arc<D> {
        Arc::new(self)
    }

    fn erased(shared: Arc<D>) -> Arc<dyn Driver> {
        shared
    }
}

impl<D: Driver> IntoShared for Arc<D> {
    type Driver = D;

    fn into_shared(self) -> Arc<D> {
        self
    }

    fn erased(shared: Arc<D>) -> Arc<dyn Driver> {
        shared
    }
}

impl IntoShared for Arc<dyn Driver> {
    type Driver = dyn Driver;

    fn into_shared(self) -> Arc<dyn Driver> {
        self
    }

    fn erased(shared: Arc<dyn Driver>) -> Arc<dyn Driver> {
        shared
    }
}
