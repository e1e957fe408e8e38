//! The state of an environment's guard: its starts and stops, one at a time.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use standin_driver::Driver;
use standin_entity::{AnnouncedStop, Failovers};
use standin_sync::Monitor;

use crate::artifacts::Artifacts;
use crate::members::{Members, Running};
use crate::plan::Plan;
use crate::say::say;
use crate::starting::{Failed, Start, Stop};
use crate::turn::{Deferred, Operation, Refused, Taken};
use crate::{
    EnvironmentConfig, EnvironmentError, Failure, NotStarted, NotStopped, account, afterwards,
    evidence,
};

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

impl Started {
    pub(crate) fn new(
        members: Arc<Members>,
        failovers: IndexMap<String, Failovers<Arc<dyn Driver>>>,
        plan: Plan,
        config: EnvironmentConfig,
    ) -> Arc<Started> {
        Arc::new(Started {
            members,
            failovers,
            plan,
            config,
            failed: AtomicBool::new(false),
            is_up: AtomicBool::new(false),
        })
    }

    pub(crate) fn name(&self) -> &str {
        self.members.name()
    }

    /// What is on record and the files of the drivers are evidence from now on.
    pub(crate) fn note_failure(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Notes it, and writes at once what explains it.
    pub(crate) fn write_failure(&self) -> Artifacts {
        self.note_failure();
        evidence::write_early(&self.members)
    }

    pub(crate) fn start(self: &Arc<Self>, call: Operation) -> Result<(), EnvironmentError> {
        let _turn = self
            .take(call, Purpose::Start)
            .map_err(|refused| self.refusal(call, refused))?;
        let running: Weak<Self> = Arc::downgrade(self);
        let begun = self.members.begin(running);
        // After that: an abort of an environment around this one sees it, or is seen here.
        if !self.is_active() {
            return Err(EnvironmentError::Aborted {
                environment: self.name().to_owned(),
            });
        }
        if let Err(parent) = begun {
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

    pub(crate) fn stop(self: &Arc<Self>, call: Operation) -> Result<(), EnvironmentError> {
        self.stop_as(call, Ending::Stopped)
    }

    /// The same, for the files that explain a failure.
    pub(crate) fn stop_for_artifacts(self: &Arc<Self>) -> Result<Artifacts, EnvironmentError> {
        self.stop_as(Operation::Stop, Ending::Asked)?;
        // None are written now.
        Ok(self.members.artifacts(Artifacts::default))
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
        self.has_failed() || self.members.has_seen_errors()
    }

    /// Whether that is certain: a test may have expected the error of a driver.
    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || thread::panicking()
    }

    /// What is known at the end.
    fn last_words(&self, summary: Option<&str>, error: Option<&EnvironmentError>) -> String {
        let mut text = format!("standin: environment \"{}\"", self.name());
        text.push_str(match (summary, error) {
            (Some(_), _) if thread::panicking() => " when the test panicked:",
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
        // The caller of a stop that succeeds gets no error to look at.
        let is_silent = ending == Ending::Stopped && self.is_up.load(Ordering::Relaxed);
        let summary = (is_silent && self.has_failed()).then(|| account::summary(&self.members));
        let failures = self.members.entity.record("teardown", || self.tear_down());
        self.members.release();
        let was_up = self.is_up.swap(false, Ordering::Relaxed);
        let is_done = ending != Ending::Dropped && !self.has_failed();
        let artifacts = if !failures.is_empty() || (was_up && went_wrong && !is_done) {
            let mut transcript = evidence::transcript(&self.members);
            let names = before.into_iter().flat_map(|before| before.names);
            transcript.names.extend(names);
            Some(evidence::write(&self.members, transcript))
        } else {
            if was_up {
                let formats = &self.config.record.on_failure;
                let drivers = self.members.read().len();
                afterwards::keep(self.members.recorder().clone(), drivers, formats);
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
            if let Some(summary) = summary {
                say(&self.last_words(Some(&summary), None));
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
                    driver: caller.map(|(driver, _)| driver.base().entity().known_as()),
                    step: caller.and_then(|(_, resource)| resource.running_step()),
                }
            }
            NotTaken::Busy(operation) => {
                let step = |driver: &Arc<dyn Driver>| {
                    let step = driver.base().resource().running_step()?;
                    Some((driver.base().entity().known_as(), step))
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
    /// The same, for a caller that asks which files there are.
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
