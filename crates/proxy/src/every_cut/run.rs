//! Running a test within a limit, and many of them at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use standin_error::Result;
use standin_sync::Unpoisoned;

use super::conversation::Conversation;
use super::cut::Cut;
use super::report::{CutResult, Outcome};
use super::trial::Trial;
use crate::NewFraming;

/// A test, with the parameters of its run.
pub(super) type Test = dyn Fn(&Trial) -> Result<()> + Send + Sync;

/// What all runs of a test have in common.
pub(super) struct Runs {
    pub(super) test: Arc<Test>,
    pub(super) framing: Option<NewFraming>,
    pub(super) limit: Duration,
    pub(super) seed: u64,
}

/// The outcome of a run.
pub(super) struct Run {
    pub(super) ended: Ended,
    pub(super) has_watched: bool,
    pub(super) has_cut: bool,
    pub(super) conversation: Conversation,
    pub(super) took: Duration,
}

pub(super) enum Ended {
    Well,
    Failed(String),
    Hung {
        /// Its thread still runs.
        is_left_behind: bool,
    },
}

/// How long a run may take to end when everything that it could wait for has ended.
const GRACE: Duration = Duration::from_secs(2);

impl Runs {
    /// Runs the test once, in a thread of its own.
    pub(super) fn run(&self, cut: Option<Cut>) -> Run {
        let trial = Arc::new(Trial {
            cut,
            framing: self.framing.clone(),
            limit: self.limit,
            seed: self.seed,
            conversation: Arc::default(),
            watched: Mutex::default(),
        });
        let begin = Instant::now();
        let ended = match self.supervise(&trial) {
            Ended::Well | Ended::Failed(_) if trial.has_hung() => Ended::Hung {
                is_left_behind: false,
            },
            ended => ended,
        };
        let took = begin.elapsed();
        let conversation = trial.conversation.lock().unpoisoned().clone();
        Run {
            ended,
            has_watched: trial.has_watched(),
            has_cut: trial.has_cut(),
            conversation,
            took,
        }
    }

    fn supervise(&self, trial: &Arc<Trial>) -> Ended {
        let (says, hears) = mpsc::channel();
        let (test, own) = (Arc::clone(&self.test), Arc::clone(trial));
        let thread = thread::Builder::new().name("every-cut".to_owned());
        let spawned = thread.spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| test(&own)));
            // Nobody listens to one that was left behind.
            let _ = says.send(match outcome {
                Ok(Ok(())) => Ended::Well,
                Ok(Err(error)) => Ended::Failed(format!("{error:?}")),
                Err(panic) => Ended::Failed(said(&*panic)),
            });
        });
        let thread = match spawned {
            Ok(thread) => thread,
            Err(error) => return Ended::Failed(format!("cannot start a thread for it: {error}")),
        };
        let ended = match hears.recv_timeout(self.limit) {
            Ok(ended) => ended,
            Err(RecvTimeoutError::Disconnected) => Ended::Failed("it ended its thread".to_owned()),
            Err(RecvTimeoutError::Timeout) => {
                trial.end();
                if hears.recv_timeout(self.limit.max(GRACE)).is_err() {
                    return Ended::Hung {
                        is_left_behind: true,
                    };
                }
                Ended::Hung {
                    is_left_behind: false,
                }
            }
        };
        // Its panics are caught.
        let _ = thread.join();
        ended
    }
}

/// What a panic says.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("no message"))
}

/// When no more runs begin.
pub(super) struct Until {
    pub(super) time: Option<Instant>,
    /// So many failures are enough.
    pub(super) failures: usize,
}

/// Runs the test with all cuts, so many at once, until it is enough. Gives what came of
/// it, in the order of the cuts, and how many runs were left behind.
pub(super) fn all(
    runs: &Runs,
    cuts: &[(usize, Cut)],
    workers: usize,
    until: &Until,
) -> (Vec<CutResult>, usize) {
    let next = AtomicUsize::new(0);
    let left_behind = AtomicUsize::new(0);
    let failures = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..workers.min(cuts.len()) {
            scope.spawn(|| {
                loop {
                    let is_late = until.time.is_some_and(|time| Instant::now() >= time);
                    if is_late || failures.load(Ordering::Relaxed) >= until.failures {
                        return;
                    }
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((entry, cut)) = cuts.get(number) else {
                        return;
                    };
                    let run = runs.run(Some(cut.clone()));
                    let outcome = match run.ended {
                        Ended::Well if run.has_cut => Outcome::Passed,
                        Ended::Well => Outcome::NotReached,
                        Ended::Failed(error) if run.has_cut => Outcome::Failed(error),
                        Ended::Failed(error) => {
                            Outcome::Failed(format!("before the cut has happened: {error}"))
                        }
                        Ended::Hung { is_left_behind } => {
                            let count = usize::from(is_left_behind);
                            left_behind.fetch_add(count, Ordering::Relaxed);
                            Outcome::Hung
                        }
                    };
                    let count = usize::from(outcome.is_failure());
                    failures.fetch_add(count, Ordering::Relaxed);
                    let result = CutResult {
                        cut: cut.clone(),
                        outcome,
                        took: run.took,
                        entry: *entry,
                    };
                    done.lock().unpoisoned().push((number, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unpoisoned();
    done.sort_by_key(|(number, _)| *number);
    let results = done.into_iter().map(|(_, result)| result).collect();
    (results, left_behind.into_inner())
}
