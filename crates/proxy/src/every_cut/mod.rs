//! The same test again and again, cut at each place of its conversation.

mod conversation;
mod cut;
mod error;
mod report;
mod run;
mod trial;

use std::sync::Arc;
use std::time::{Duration, Instant};

use standin_error::text::Count;
use standin_socket::framing::Framing;

use self::conversation::{Boundary, Conversation};
pub use self::cut::{Cut, ParseCutError};
pub use self::error::EveryCutError;
pub use self::report::{CutReport, CutResult, Outcome};
use self::run::{Ended, Runs};
pub use self::trial::Trial;
use crate::random::Random;
use crate::{FaultKind, NewFraming};

/// The variable that names the one cut that is to be tried.
const VARIABLE: &str = "STANDIN_CUT";

/// Repeats a test with the connection cut at each position of its conversation, and reports which
/// cuts break it.
///
/// First the test runs without a cut, twice, and the traffic of the proxies that it
/// [watches](Trial::watch) is recorded: frames, or bytes without a framing. Then it runs again for
/// each frame and each kind of fault: when that frame arrives, it is not passed on, and the fault
/// happens instead. Everything before it has passed, so every run gets equally far.
///
/// The test decides what passing means. A client whose connection is cut need not succeed; but it
/// should finish, report it, and leave a consistent state.
///
/// ```
/// use std::io::{BufRead, BufReader, Write};
/// use std::net::TcpStream;
/// use std::time::Duration;
/// use standin_driver::Lifecycle;
/// use standin_proxy::{EveryCut, FaultKind, TcpProxy};
/// use standin_reply::Replies;
/// use standin_socket::framing::Lines;
/// use standin_tcp::TcpServer;
///
/// /// Takes whatever comes for the whole answer.
/// fn balance(port: u16) -> std::io::Result<String> {
///     let mut bank = TcpStream::connect(("localhost", port))?;
///     bank.set_read_timeout(Some(Duration::from_millis(200)))?;
///     bank.write_all(b"BALANCE\n")?;
///     let mut line = String::new();
///     BufReader::new(bank).read_line(&mut line)?;
///     Ok(line.trim_end().to_owned())
/// }
///
/// let report = EveryCut::new()
///     .framed(Lines::new())
///     .kinds([FaultKind::Reset, FaultKind::Close])
///     .run(|trial| {
///         let replies = Replies::framed(Lines::new()).on("BALANCE", "42.00\n");
///         let bank = TcpServer::builder("bank").replies(replies).build()?;
///         bank.start()?;
///         let port = bank.port().expect("it is started");
///         let wan = TcpProxy::builder("wan").to(format!("localhost:{port}")).build()?;
///         let wan = std::sync::Arc::new(wan);
///         trial.watch(&wan)?;
///         wan.start()?;
///         match balance(wan.port().expect("it is started")) {
///             Ok(balance) => assert_eq!(balance, "42.00"),
///             Err(_) => assert!(trial.cut().is_some(), "nothing has happened"),
///         }
///         wan.stop()?;
///         bank.stop()?;
///         Ok(())
///     })?;
/// let smallest = report.failures().next().expect("it takes half an answer for a whole one");
/// assert_eq!(smallest.cut.to_string(), "wan:0:up:frame0:close");
/// # Ok::<(), standin_error::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is tried before `run`"]
pub struct EveryCut {
    framing: Option<NewFraming>,
    inside: bool,
    step: u64,
    kinds: Vec<FaultKind>,
    max_runs: usize,
    run_limit: Duration,
    time_limit: Duration,
    workers: usize,
    seed: Option<u64>,
    most_failures: usize,
    only: Option<Cut>,
}

impl Default for EveryCut {
    fn default() -> EveryCut {
        EveryCut::new()
    }
}

impl EveryCut {
    /// Selects every cut by reset, close, half-close, silence, and a delay of 100 ms.
    pub fn new() -> EveryCut {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        EveryCut {
            framing: None,
            inside: false,
            step: 1,
            kinds: vec![
                FaultKind::Reset,
                FaultKind::Close,
                FaultKind::HalfClose,
                FaultKind::Silence,
                FaultKind::Delay(Duration::from_millis(100)),
            ],
            max_runs: 1000,
            run_limit: Duration::from_secs(10),
            time_limit: Duration::from_secs(600),
            workers: (2 * cores).max(4),
            seed: None,
            most_failures: usize::MAX,
            only: None,
        }
    }

    /// Sets the framing for proxies without their own. Without either, cuts are [by
    /// bytes](EveryCut::every_bytes).
    pub fn framed(mut self, framing: impl Framing + Clone + Send + Sync + 'static) -> EveryCut {
        self.framing = Some(NewFraming::new(framing));
        self
    }

    /// Sets whether each frame is also cut in its middle. Default: no.
    pub fn inside_frames(mut self, inside: bool) -> EveryCut {
        self.inside = inside;
        self
    }

    /// Sets how many bytes there are from one cut to the next if there are no frames. Default: 1.
    pub fn every_bytes(mut self, step: u64) -> EveryCut {
        self.step = step.max(1);
        self
    }

    /// Sets the faults at each position.
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = FaultKind>) -> EveryCut {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Sets the maximum number of runs, not counting those without a cut. Beyond that, positions
    /// are left out evenly, and the report says so. Default: 1000.
    pub fn max_runs(mut self, runs: usize) -> EveryCut {
        self.max_runs = runs.max(1);
        self
    }

    /// Sets how long a run may take. A longer one counts as hung: every wait in the environment of
    /// its proxies then ends. Default: 10 seconds.
    pub fn run_limit(mut self, limit: Duration) -> EveryCut {
        self.run_limit = limit;
        self
    }

    /// Sets how long all runs together may take. Later cuts are left out, and the report says so.
    /// Default: 10 minutes.
    pub fn time_limit(mut self, limit: Duration) -> EveryCut {
        self.time_limit = limit;
        self
    }

    /// Sets after how many failures no more runs begin. The smallest cut that breaks the test is
    /// among them in any case. Default: all runs are made.
    pub fn most_failures(mut self, failures: usize) -> EveryCut {
        self.most_failures = failures.max(1);
        self
    }

    /// Sets how many runs there are at once. Default: two for each core and at least 4, since most
    /// of them wait.
    pub fn workers(mut self, workers: usize) -> EveryCut {
        self.workers = workers.max(1);
        self
    }

    /// Sets the seed of the proxies' random numbers. Default: that of the option `seed` of a proxy.
    pub fn seed(mut self, seed: u64) -> EveryCut {
        self.seed = Some(seed);
        self
    }

    /// Tries this cut alone, as the variable `STANDIN_CUT` does, and nothing else.
    pub fn only(mut self, cut: Cut) -> EveryCut {
        self.only = Some(cut);
        self
    }

    /// Runs the test as often as it takes, several times at once. A panic of it is a failure like
    /// an error.
    ///
    /// # Errors
    ///
    /// Returns an error if the test fails or hangs without a cut, no traffic passes a proxy that it
    /// watches, or the [one](EveryCut::only) selected cut does not happen. The report lists the
    /// cuts that break the test; [`check`](CutReport::check) turns them into an error.
    pub fn run(
        &self,
        test: impl Fn(&Trial) -> standin_error::Result<()> + Send + Sync + 'static,
    ) -> Result<CutReport, EveryCutError> {
        let begin = Instant::now();
        let seed = self.seed.unwrap_or_else(Random::any_seed);
        let runs = Runs {
            test: Arc::new(test),
            framing: self.framing.clone(),
            limit: self.run_limit,
            seed,
        };
        let only = match (&self.only, std::env::var(VARIABLE)) {
            (Some(cut), _) => Some(cut.clone()),
            (None, Ok(cut)) if !cut.is_empty() => Some(cut.parse()?),
            (None, _) => None,
        };
        let conversation = learn(&runs)?;
        let mut notes = Vec::new();
        let (boundaries, kinds) = match &only {
            Some(cut) => (Vec::new(), vec![cut.kind]),
            None => {
                let again = learn(&runs)?;
                if let Some(difference) = conversation.difference(&again) {
                    notes.push(format!("{}: {difference}", report::DIFFERS));
                }
                let boundaries = conversation.boundaries(self.inside, self.step);
                (self.thinned(boundaries, &mut notes), self.kinds.clone())
            }
        };
        let mut cuts = cuts(&boundaries, &kinds);
        cuts.extend(
            only.iter()
                .map(|cut| (conversation.entry_of(cut), cut.clone())),
        );
        let until = run::Until {
            time: begin.checked_add(self.time_limit),
            failures: self.most_failures,
        };
        let (results, left_behind) = run::all(&runs, &cuts, self.workers, &until);
        if only.is_some()
            && let [result] = &results[..]
            && result.outcome == Outcome::NotReached
        {
            return Err(EveryCutError::NotReached {
                cut: Box::new(result.cut.clone()),
                conversation: conversation.summary(),
            });
        }
        if results.len() < cuts.len() {
            let left = Count(cuts.len() - results.len(), "run");
            let is_late = until.time.is_some_and(|time| Instant::now() >= time);
            notes.push(match is_late {
                true => format!(
                    "{left} left out: the time of {:?} was over",
                    self.time_limit
                ),
                false => format!(
                    "{left} left out after {}",
                    Count(self.most_failures, "failure")
                ),
            });
        }
        if left_behind > 0 {
            notes.push(format!(
                "{left_behind} runs that hung could not be ended: their threads are left behind"
            ));
        }
        Ok(CutReport {
            conversation,
            results,
            kinds,
            notes,
            took: begin.elapsed(),
            seed,
        })
    }

    /// As many places as there may be runs.
    fn thinned(&self, boundaries: Vec<Boundary>, notes: &mut Vec<String>) -> Vec<Boundary> {
        let most = (self.max_runs / self.kinds.len().max(1)).max(1);
        let all = boundaries.len();
        if all <= most {
            return boundaries;
        }
        notes.push(format!(
            "{most} of {all} places were tried: more would be over {} runs",
            self.max_runs
        ));
        // The first one, and then evenly.
        let places = (0..most).map(|nth| nth * all / most);
        places.map(|place| boundaries[place].clone()).collect()
    }
}

impl CutReport {
    /// Makes an error of it if cuts have broken the test.
    ///
    /// # Errors
    ///
    /// Returns an error that shows the report, if there are failures.
    pub fn check(self) -> Result<CutReport, EveryCutError> {
        let report = self;
        if report.failures().next().is_none() {
            return Ok(report);
        }
        Err(EveryCutError::Found {
            report: Box::new(report),
        })
    }
}

/// The traffic of the proxies in a run without a cut.
fn learn(runs: &Runs) -> Result<Conversation, EveryCutError> {
    let run = runs.run(None);
    match run.ended {
        Ended::Well => {}
        Ended::Failed(error) => return Err(EveryCutError::Baseline { error }),
        Ended::Hung { .. } => return Err(EveryCutError::Hangs { limit: runs.limit }),
    }
    if !run.has_watched {
        return Err(EveryCutError::NoProxy);
    }
    match run.conversation.entries.is_empty() {
        true => Err(EveryCutError::NothingCame),
        false => Ok(run.conversation),
    }
}

/// All faults at all places, with the entry of the conversation that they are in.
fn cuts(boundaries: &[Boundary], kinds: &[FaultKind]) -> Vec<(usize, Cut)> {
    let mut cuts = Vec::new();
    for boundary in boundaries {
        for kind in kinds {
            let cut = Cut {
                proxy: boundary.line.proxy.clone(),
                connection: boundary.line.connection,
                direction: boundary.line.direction,
                place: boundary.place,
                kind: *kind,
            };
            // Half a frame cannot be left out.
            if cut.fault().point().is_ok() {
                cuts.push((boundary.entry, cut));
            }
        }
    }
    cuts
}
