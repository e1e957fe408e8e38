use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use standin_driver::Driver;
use standin_entity::{AnnouncedStop, Error, Failovers};
use standin_error::made_by_test;
use standin_sync::Monitor;

use crate::artifacts::Artifacts;
use crate::members::{Members, Running};
use crate::plan::Plan;
use crate::say::say;
use crate::starting::{Failed, Start, Stop};
use crate::turn::{Deferred, Operation, Refused, Taken};
use crate::{
    Environment, EnvironmentConfig, EnvironmentError, EnvironmentView, Failure, NotStarted,
    NotStopped, account, afterwards, evidence,
};

/// The drivers of an environment, started.
///
/// Dropping it stops them in reverse order, also during a panic.
/// [`stop`](RunningEnvironment::stop) does the same, reports what failed, and says that
/// the test is done.
///
/// # The files of the drivers
///
/// After a [`stop`](RunningEnvironment::stop) that returns `Ok` they are removed, unless the
/// option `runpath` or `keep_runpath` is set. A guard that is only dropped cannot know
/// whether the test has passed: a `?` ends it as well as its last line. So files with
/// something in them stay, until later runs of the same test program.
///
/// When a driver was not [used as the test expects](Driver::verify), and nothing has failed by
/// then, dropping the guard panics: the test would pass otherwise. That a test is on its way out
/// with an error is seen of a [`standin_error::Error`] that `?` has made in the same thread. To
/// see the test's own error first, whatever it is, use [`run`](RunningEnvironment::run).
///
/// When the guard is dropped by a panic, or after something went wrong (a start, a stop, an
/// operation of a driver), it says to the standard error where the files are, which driver
/// had which status, what came down by itself, and the last lines of the logs.
///
/// Environments that have this one as their parent are stopped before its own
/// drivers are.
///
/// # Several threads, and calls from hooks
///
/// One start or stop of an environment runs at a time. A call of `stop` from another thread
/// first ends the start that is under way, whose drivers fail with
/// [`StartError::Interrupted`](standin_entity::StartError::Interrupted); any other waits for
/// its turn, up to the option `status_wait_timeout`, and then says which hook or step of which
/// driver has not returned. That cannot be ended from outside; an abort does not wait for it.
///
/// No lock is held while code of yours runs: hooks, steps, readiness checks, what makes a
/// replacement. From there these calls are allowed:
///
/// | called from an operation of the environment | of itself or of one around it | of one that belongs to it | of any other |
/// | --- | --- | --- | --- |
/// | `start` | around it: yes; itself: an error | yes; during a stop an error | yes |
/// | `stop`, `restart` | an error | yes; `restart` during a stop an error | yes |
/// | dropping the guard | yes: it is stopped when the operation has ended | yes | yes |
/// | `abort`, everything that only looks | yes | yes | yes |
///
/// The errors are [`EnvironmentError::CalledFromWithin`], which names the hook and its driver,
/// and [`EnvironmentError::ParentStopped`]. Two threads that would wait for each other,
/// because the hooks of two environments stop each other, are noticed too: one of the two
/// calls gets the former.
#[must_use = "dropping it stops the environment at once; bind it to a name such as `env`"]
pub struct RunningEnvironment {
    view: EnvironmentView,
    running: Arc<Started>,
    /// The errors of the test before, and the thread that has made them.
    errors_before: (ThreadId, u64),
}

/// What the guard holds, and what the environment around it stops, too.
pub(crate) struct Started {
    pub(crate) members: Arc<Members>,
    failovers: IndexMap<String, Failovers<Arc<dyn Driver>>>,
    plan: Plan,
    config: EnvironmentConfig,
    /// A start, a stop or the test failed, so that the files of the drivers are evidence.
    failed: AtomicBool,
    /// Between a start and the stop that ends what it has begun.
    is_up: AtomicBool,
}

impl RunningEnvironment {
    pub(crate) fn launch(environment: &Environment) -> Result<Self, EnvironmentError> {
        let config: EnvironmentConfig = environment.options().resolve()?;
        let plan = Plan::new(environment, &config)?;
        let running = Arc::new(Started {
            members: environment.members.clone(),
            failovers: environment.failovers.clone(),
            plan,
            config,
            failed: AtomicBool::new(false),
            is_up: AtomicBool::new(false),
        });
        running.start(Operation::Start)?;
        let view = environment.view();
        Ok(RunningEnvironment {
            view,
            running,
            errors_before: (thread::current().id(), made_by_test()),
        })
    }

    /// Starts the drivers that are not started: those that were stopped
    /// meanwhile, or left out because of `auto_start`, which are only started
    /// by hand, excepted. Does nothing when all are up.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Environment::start`].
    pub fn start(&self) -> Result<(), EnvironmentError> {
        self.operations().start()
    }

    /// Stops the drivers in reverse order: a driver when all that depend on it
    /// are down. A failure does not keep the others up. Does nothing when all
    /// are down.
    ///
    /// # Errors
    ///
    /// Returns every failure. The drivers count as stopped all the same.
    pub fn stop(&self) -> Result<(), EnvironmentError> {
        self.operations().stop()
    }

    /// As [`stop`](RunningEnvironment::stop), and returns the files that explain a failure which
    /// was [noted](RunningEnvironment::note_failure), instead of naming them on the standard error.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`stop`](RunningEnvironment::stop).
    pub fn stop_for_artifacts(&self) -> Result<Artifacts, EnvironmentError> {
        self.running.stop_as(Operation::Stop, Ending::Asked)?;
        // None are written now.
        Ok(self.running.members.artifacts(Artifacts::default))
    }

    /// Stops the drivers and starts them again.
    ///
    /// # Errors
    ///
    /// Returns an error if the stop or the start fails. Nothing is started after a stop that
    /// failed.
    pub fn restart(&self) -> Result<(), EnvironmentError> {
        self.operations().restart()
    }

    /// Runs `test` and stops the environment. What `test` returns comes first: its error, and
    /// after it what the drivers have to say, such as that something expected did not come.
    ///
    /// Where a test ends with `?`, the guard is dropped without knowing its error, and what the
    /// drivers say may hide that. Here nothing is hidden.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use standin_environment::Environment;
    /// # use standin_tcp::TcpServer;
    /// # fn main() -> standin_entity::Result<()> {
    /// let mut env = Environment::new("greeting");
    /// let server = env.add(TcpServer::builder("server").build()?)?;
    /// env.start()?.run(|_| {
    ///     let peer = std::net::TcpStream::connect(("localhost", server.port().unwrap_or(0)))?;
    ///     server.accept_connection(Duration::from_secs(10))?;
    ///     # drop(peer);
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the error of `test`, of the stop, or [`EnvironmentError::Test`] with both.
    #[track_caller]
    pub fn run<T>(
        self,
        test: impl FnOnce(&RunningEnvironment) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let outcome = test(&self);
        if outcome.is_err() {
            self.note_failure();
        }
        let stopped = self.stop();
        self.outcome_of(outcome, stopped)
    }

    /// What a test comes to that has come to `outcome`, and whose environment was stopped.
    #[doc(hidden)]
    #[track_caller]
    pub fn outcome_of<T>(
        &self,
        outcome: Result<T, Error>,
        stopped: Result<(), EnvironmentError>,
    ) -> Result<T, Error> {
        match (outcome, stopped) {
            (Ok(value), Ok(())) => Ok(value),
            (Ok(_), Err(stop)) => Err(stop.into()),
            (Err(test), Ok(())) => Err(test),
            (Err(test), Err(stop)) => Err(EnvironmentError::Test {
                environment: self.name().to_owned(),
                test,
                stop: vec![stop],
            }
            .into()),
        }
    }

    /// What starts and stops it, for a thread of a layer above that does not have the guard.
    #[doc(hidden)]
    pub fn operations(&self) -> Operations {
        Operations(self.running.clone())
    }

    /// The test goes on in the present thread, though another one has started the drivers.
    #[doc(hidden)]
    pub fn belongs_to_this_thread(&mut self) {
        self.errors_before = (thread::current().id(), made_by_test());
    }

    /// Says that the test has failed in a way that cannot be seen from here: what was recorded and
    /// the files of the drivers stay then, though the stop goes well. The `?` of an error of
    /// another type than [`Error`] is such a way, or a program that uses the environment and fails.
    /// [`run`](RunningEnvironment::run) does it by itself.
    pub fn note_failure(&self) {
        self.running.failed.store(true, Ordering::Relaxed);
    }

    /// Ends everything at once: see [`AbortHandle::abort`](crate::AbortHandle::abort).
    pub fn abort(&self) {
        self.abort_handle().abort();
    }
}

/// What starts and stops an environment that is guarded elsewhere.
#[doc(hidden)]
#[derive(Clone)]
pub struct Operations(Arc<Started>);

impl Operations {
    /// See [`RunningEnvironment::start`].
    pub fn start(&self) -> Result<(), EnvironmentError> {
        self.0.start(Operation::Start)
    }

    /// See [`RunningEnvironment::stop`].
    pub fn stop(&self) -> Result<(), EnvironmentError> {
        self.0.stop(Operation::Stop)
    }

    /// See [`RunningEnvironment::restart`].
    pub fn restart(&self) -> Result<(), EnvironmentError> {
        self.0.stop(Operation::Restart)?;
        self.0.start(Operation::Restart)
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Operations").field(&self.0.name()).finish()
    }
}

impl Started {
    fn name(&self) -> &str {
        self.members.name()
    }

    fn start(self: &Arc<Self>, call: Operation) -> Result<(), EnvironmentError> {
        let _turn = self
            .take(call, Purpose::Start)
            .map_err(|refused| self.refusal(call, refused))?;
        if !self.is_active() {
            return Err(EnvironmentError::Aborted {
                environment: self.name().to_owned(),
            });
        }
        let running: Weak<Self> = Arc::downgrade(self);
        if let Err(parent) = self.members.begin(running) {
            return Err(EnvironmentError::ParentStopped {
                environment: self.name().to_owned(),
                parent,
            });
        }
        self.members.open();
        self.make_runpath()?;
        let begun = self.members.recorder().now();
        let start = Start::new(&self.members, &self.failovers, &self.plan);
        let (outcome, is_over) = within(
            self.config.start_limit,
            || start.end(),
            || {
                catch_unwind(AssertUnwindSafe(|| {
                    self.members.entity.record("setup", || start.run())
                }))
            },
        );
        let failed = match outcome {
            Ok(Ok(())) => {
                self.is_up.store(true, Ordering::Relaxed);
                return Ok(());
            }
            Ok(Err(failed)) => Ok(failed),
            Err(panic) => Err(panic),
        };
        self.failed.store(true, Ordering::Relaxed);
        let transcript = evidence::transcript(&self.members);
        let mut left = self.tear_down();
        // Nobody has used what was up.
        left.retain(|failure| !failure.is_unmet());
        self.members.release();
        self.settle_runpath(Files::Keep);
        let Failed {
            mut failures,
            not_started,
            waiting,
        } = failed.unwrap_or_else(|panic| resume_unwind(panic));
        failures.extend(left);
        let timeline = evidence::timeline(&transcript, begun, &failures);
        let artifacts = evidence::write(&self.members, transcript);
        Err(EnvironmentError::Start(NotStarted {
            environment: self.name().to_owned(),
            failures,
            limit: self.config.start_limit.filter(|_| is_over),
            not_started,
            waiting,
            runpath: self.runpath_left(),
            timeline,
            artifacts,
        }))
    }

    fn stop(self: &Arc<Self>, call: Operation) -> Result<(), EnvironmentError> {
        self.stop_as(call, Ending::Stopped)
    }

    fn stop_as(self: &Arc<Self>, call: Operation, ending: Ending) -> Result<(), EnvironmentError> {
        match self.take(call, Purpose::Stop) {
            Ok(turn) => self.stop_in(turn, ending),
            Err(refused) => Err(self.refusal(call, refused)),
        }
    }

    /// Stops the environment, now or at the end of what the present thread is in. Nobody is
    /// left to take an error, and a second panic would abort the test program: the log and the
    /// standard error have it.
    pub(crate) fn finish(self: &Arc<Self>) {
        // As things are while the drivers are still up.
        let is_up = self.is_up.load(Ordering::Relaxed);
        let went_wrong = is_up && self.went_wrong();
        let summary = went_wrong.then(|| account::summary(&self.members));
        let outcome = loop {
            match self.take(Operation::Stop, Purpose::Stop) {
                Ok(turn) => break self.stop_in(turn, Ending::Dropped),
                Err(NotTaken::Within(members, _)) => {
                    let running = self.clone();
                    let deferred = Deferred {
                        stop: Box::new(move || running.finish()),
                        announced: self.announce(),
                    };
                    if members.turn.defer(deferred).is_ok() {
                        return;
                    }
                }
                Err(refused) => break Err(self.refusal(Operation::Stop, refused)),
            }
        };
        if let Err(error) = &outcome {
            tracing::error!(environment = self.name(), %error, "the environment did not stop cleanly");
        }
        if !is_up || (summary.is_none() && outcome.is_ok()) {
            return;
        }
        let text = self.last_words(summary.as_deref(), outcome.as_ref().err());
        if !went_wrong && outcome.is_err_and(|error| error.is_unmet()) {
            fail_test(&text);
        }
        say(&text);
    }

    /// Whether the test has failed, as far as that can be seen from here.
    fn went_wrong(&self) -> bool {
        std::thread::panicking()
            || self.failed.load(Ordering::Relaxed)
            || self.members.has_seen_errors()
    }

    /// What is known at the end.
    fn last_words(&self, summary: Option<&str>, error: Option<&EnvironmentError>) -> String {
        let mut text = format!("standin: environment \"{}\"", self.name());
        text.push_str(match (summary, error) {
            (Some(_), _) if std::thread::panicking() => " when the test panicked:",
            (Some(_), _) => " at its end, after something had gone wrong:",
            (None, _) => " did not stop cleanly:",
        });
        text.push_str(summary.unwrap_or_default());
        if let Some(error) = error {
            let error = format!("{error:?}").replace('\n', "\n  ");
            text.push_str(&format!("\n  {error}"));
        }
        if let Some(runpath) = self.runpath_left() {
            text.push_str(&format!("\n  files: {}", runpath.display()));
        }
        // An error has said it.
        let artifacts = self.members.artifacts(Artifacts::default);
        if error.is_none() && !artifacts.is_empty() {
            let artifacts = artifacts.to_string().replace('\n', "\n  ");
            text.push_str(&format!("\n  {artifacts}"));
        }
        text
    }

    fn stop_in(self: &Arc<Self>, _turn: Taken<'_>, ending: Ending) -> Result<(), EnvironmentError> {
        let went_wrong = self.went_wrong();
        // While processes are up it can be seen whose a socket is.
        let before = went_wrong.then(|| evidence::transcript(&self.members));
        let failures = self.members.entity.record("teardown", || self.tear_down());
        self.members.release();
        let was_up = self.is_up.swap(false, Ordering::Relaxed);
        let has_failed = self.failed.load(Ordering::Relaxed) || thread::panicking();
        let is_done = ending != Ending::Dropped && !has_failed;
        let artifacts = if !failures.is_empty() || (was_up && went_wrong && !is_done) {
            let mut transcript = evidence::transcript(&self.members);
            let names = before.into_iter().flat_map(|before| before.names);
            transcript.names.extend(names);
            Some(evidence::write(&self.members, transcript))
        } else {
            if was_up {
                let formats = &self.config.record.on_failure;
                afterwards::keep(self.members.recorder().clone(), formats);
            }
            None
        };
        if failures.is_empty() {
            self.settle_runpath(if is_done {
                Files::Remove
            } else if went_wrong {
                Files::Keep
            } else {
                Files::KeepContent
            });
            // Whoever stops it gets no error to look at.
            if let Some(artifacts) = artifacts.filter(|_| ending == Ending::Stopped)
                && !artifacts.is_empty()
            {
                let artifacts = artifacts.to_string().replace('\n', "\n  ");
                say(&format!(
                    "standin: environment \"{}\"\n  {artifacts}",
                    self.name()
                ));
            }
            return Ok(());
        }
        self.failed.store(true, Ordering::Relaxed);
        self.settle_runpath(Files::Keep);
        Err(EnvironmentError::Stop(NotStopped {
            environment: self.name().to_owned(),
            failures,
            runpath: self.runpath_left(),
            artifacts: artifacts.unwrap_or_default(),
        }))
    }

    /// What is below this environment uses its drivers, and goes first.
    fn tear_down(&self) -> Vec<Failure> {
        self.members.close();
        let mut failures = Vec::new();
        for nested in self.members.nested() {
            failures.extend(
                nested
                    .running()
                    .map(Running::stop_within)
                    .into_iter()
                    .flatten(),
            );
        }
        failures.extend(Stop::new(&self.members, &self.plan).run());
        failures
    }

    /// Begins an operation. One that this thread is in already, or that belongs to an
    /// environment below this one, would wait for its own end.
    fn take(&self, call: Operation, purpose: Purpose) -> Result<Taken<'_>, NotTaken> {
        let must_wait = purpose == Purpose::Stop || self.members.turn.is_busy();
        for nested in self.members.all_nested() {
            if must_wait && let Some(operation) = nested.turn.callers_operation() {
                return Err(NotTaken::Within(nested, operation));
            }
        }
        let until = Instant::now().checked_add(self.config.entity.status_wait_timeout);
        let announce = (purpose == Purpose::Stop).then_some(|| self.announce());
        let taken = self.members.turn.take(call, until, announce);
        taken.map_err(|refused| match refused {
            Refused::Within(operation) => NotTaken::Within(self.members.clone(), operation),
            Refused::Busy(operation) => NotTaken::Busy(operation),
        })
    }

    /// Ends the starts of the drivers that are on their way, here and below.
    fn announce(&self) -> Vec<AnnouncedStop> {
        let nested = self.members.all_nested();
        nested
            .iter()
            .chain([&self.members])
            .flat_map(|members| members.active())
            .map(|driver| driver.base().resource().announce_stop())
            .collect()
    }

    fn refusal(&self, call: Operation, refused: NotTaken) -> EnvironmentError {
        let environment = self.name().to_owned();
        match refused {
            NotTaken::Within(members, operation) => {
                let active = members.active();
                let caller = active
                    .iter()
                    .map(|driver| (driver, driver.base().resource()))
                    .find(|(_, resource)| resource.is_in_own_step());
                EnvironmentError::CalledFromWithin {
                    environment,
                    call,
                    within: members.name().to_owned(),
                    operation,
                    driver: caller.map(|(driver, _)| known_as(&**driver)),
                    step: caller.and_then(|(_, resource)| resource.running_step()),
                }
            }
            NotTaken::Busy(operation) => {
                let step = |driver: &Arc<dyn Driver>| {
                    let step = driver.base().resource().running_step()?;
                    Some((known_as(&**driver), step))
                };
                let nested = self.members.all_nested();
                let environments = nested.iter().chain([&self.members]);
                EnvironmentError::Busy {
                    environment,
                    call,
                    operation,
                    limit: self.config.entity.status_wait_timeout,
                    steps: environments
                        .flat_map(|members| members.active())
                        .filter_map(|driver| step(&driver))
                        .collect(),
                }
            }
        }
    }

    /// Neither this environment nor one around it was aborted.
    fn is_active(&self) -> bool {
        let entity = &self.members.entity;
        entity.is_active() && entity.ancestors().all(|around| around.is_active())
    }

    fn make_runpath(&self) -> Result<(), EnvironmentError> {
        let entity = &self.members.entity;
        entity.define_runpath(self.config.entity.runpath.clone())?;
        entity.make_runpath_dirs(self.config.entity.path_cleanup)?;
        Ok(())
    }

    /// Ends the use of the runpath, and removes what nobody needs of it, if it is in a place
    /// of our choice.
    fn settle_runpath(&self, files: Files) {
        let entity = &self.members.entity;
        entity.release_runpath();
        if entity.has_chosen_runpath() || self.config.keep_runpath {
            return;
        }
        let settled = match files {
            Files::Remove => entity.remove_runpath(),
            Files::Keep => entity.tidy_runpath(false).map(drop),
            Files::KeepContent => entity.tidy_runpath(true).map(drop),
        };
        if let Err(error) = settled {
            tracing::warn!(environment = self.name(), %error, "the files of the drivers stay");
        }
    }

    /// Where files of the drivers are, if any are left.
    fn runpath_left(&self) -> Option<PathBuf> {
        self.members.entity.runpath().filter(|path| path.exists())
    }
}

impl Running for Started {
    fn stop_within(self: Arc<Self>) -> Vec<Failure> {
        // Its guard may have more to say, and the files go or stay with those around it.
        match self.stop_as(Operation::Stop, Ending::Dropped) {
            Ok(()) => Vec::new(),
            Err(EnvironmentError::Stop(error)) => error.failures,
            Err(error) => vec![Failure::Nested(Box::new(error))],
        }
    }

    fn waits_for(&self) -> Vec<(String, Vec<String>)> {
        self.plan.waits_for(&self.members.snapshot())
    }
}

/// Fails a test that has not failed yet, though what it expects has not happened.
#[expect(
    clippy::panic,
    reason = "a test that drops its environment gets no value, and would pass"
)]
fn fail_test(text: &str) {
    panic!("{text}")
}

/// Does `work`, and calls `end` when it takes longer than `limit`; keeps what that gives until
/// the work has ended. Also returns whether it took too long.
fn within<T, E: Send>(
    limit: Option<Duration>,
    end: impl FnOnce() -> E + Send,
    work: impl FnOnce() -> T,
) -> (T, bool) {
    let Some(limit) = limit else {
        return (work(), false);
    };
    let until = Instant::now().checked_add(limit);
    let is_done = Monitor::new(false);
    thread::scope(|scope| {
        let watch = thread::Builder::new().name("standin-limit".to_owned());
        let watch = watch.spawn_scoped(scope, || {
            let done = is_done.wait_while(is_done.lock(), until, |done| !*done);
            if *done {
                return false;
            }
            drop(done);
            let _ended = end();
            drop(is_done.wait_while(is_done.lock(), None, |done| !*done));
            true
        });
        if let Err(error) = &watch {
            tracing::warn!(%error, "the limit of the start is not watched, for lack of a thread");
        }
        let outcome = work();
        is_done.update(|done| *done = true);
        let is_over = watch.is_ok_and(|watch| watch.join().unwrap_or(false));
        (outcome, is_over)
    })
}

/// Why an operation cannot be begun.
enum NotTaken {
    /// It was called from within this operation of that environment, which it would wait for.
    Within(Arc<Members>, Operation),
    /// This operation of another thread has not ended in time.
    Busy(Operation),
}

/// How an environment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// By a stop: the test is done.
    Stopped,
    /// The same, by somebody who asks what files there are.
    Asked,
    /// By the end of its guard, or with the environment around it: nobody knows why.
    Dropped,
}

/// What becomes of the files of the drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Files {
    Remove,
    Keep,
    /// They stay if there is anything in any of them.
    KeepContent,
}

/// What a turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Start,
    Stop,
}

/// It is what it guards, to be looked at.
impl Deref for RunningEnvironment {
    type Target = EnvironmentView;

    fn deref(&self) -> &EnvironmentView {
        &self.view
    }
}

impl Drop for RunningEnvironment {
    fn drop(&mut self) {
        let (thread, before) = self.errors_before;
        // On its way out with an error of its own, the test has failed already.
        if thread == thread::current().id() && made_by_test() > before {
            self.running.members.note_error();
        }
        self.running.finish();
    }
}

impl fmt::Debug for RunningEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningEnvironment")
            .field("name", &self.name())
            .field("drivers", &self.members)
            .finish_non_exhaustive()
    }
}

/// What errors call a driver.
fn known_as(driver: &dyn Driver) -> String {
    driver.base().entity().subject().name().to_owned()
}
