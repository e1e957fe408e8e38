//! A command that is run with every cut of its connections.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use standin::proxy::{Cut, CutReport, EveryCut, Trial};
use standin::{Error, Result, TcpProxy};
use standin_sync::Unpoisoned;

use crate::run::Outcome;
use crate::signals::Requests;
use crate::{CommandLine, Event, Happened, RunError, Session, Setting};

/// A command that is run again and again, each time in an environment of its own with one more cut
/// of what goes through its proxies: see [`EveryCut`].
#[derive(Clone, Debug)]
pub struct CutRuns {
    /// The file of the environment, with a `tcp-proxy` in it.
    pub file: PathBuf,
    /// Options that are set in it.
    pub settings: Vec<Setting>,
    /// The command and its arguments. It passes when its exit code is 0, and nothing that the
    /// environment expects is missing at its end.
    pub command: Vec<OsString>,
    /// How long each run of it may take.
    pub limit: Duration,
    /// Which cuts, and how many at once.
    pub every_cut: EveryCut,
    /// The one cut that is to be tried, with the output of the command shown.
    pub only: Option<Cut>,
}

/// The outcome.
#[derive(Debug)]
#[non_exhaustive]
pub struct CutOutcome {
    /// The runs.
    pub report: CutReport,
    /// The signal that ended it early.
    pub ended_by: Option<i32>,
}

/// How long an environment may take to come up and down, beyond the time of the command.
const AROUND: Duration = Duration::from_secs(60);

/// How many lines of the output of a command that failed are shown.
const LINES: usize = 10;

impl CutRuns {
    /// Makes all runs.
    ///
    /// # Errors
    ///
    /// Returns an error if the file is not right, if the command fails or hangs without a cut, or
    /// if nothing goes through a proxy.
    pub fn run(self) -> Result<CutOutcome> {
        // All mistakes of the file at once, with their places.
        Session::load(&self.file, &self.settings)?;
        let signal = Arc::new(AtomicI32::new(0));
        let requests = Requests::listen(None, {
            let signal = Arc::clone(&signal);
            move |asked| signal.store(asked.signal, Ordering::SeqCst)
        });
        let requests = requests.map_err(|source| RunError::Signals { source })?;
        let mut every_cut = self.every_cut.clone().run_limit(self.limit + AROUND);
        if let Some(cut) = &self.only {
            every_cut = every_cut.only(cut.clone());
        }
        let asked = Arc::clone(&signal);
        let outputs = Outputs::new()?;
        let report = every_cut.run(move |trial| match asked.load(Ordering::SeqCst) {
            0 => self.once(trial, &outputs),
            _ => Err(Error::msg("the run was ended by a signal")),
        });
        drop(requests);
        let ended_by = Some(signal.load(Ordering::SeqCst)).filter(|signal| *signal != 0);
        Ok(CutOutcome {
            report: report?,
            ended_by,
        })
    }

    fn once(&self, trial: &Trial, outputs: &Outputs) -> Result<()> {
        let session = Session::load(&self.file, &self.settings)?;
        let view = session.view();
        for name in view.names() {
            if let Ok(proxy) = view.get::<TcpProxy>(&name) {
                trial.watch(&proxy)?;
            }
        }
        let mut command = CommandLine::new(&self.command).timeout(self.limit);
        let output = match &self.only {
            Some(only) if trial.cut() == Some(only) => None,
            _ => Some(outputs.next()),
        };
        if let Some(output) = &output {
            command = command.output(output).keep_files(false);
        }
        let kept = Mutex::new(Vec::new());
        let Outcome {
            code,
            timed_out,
            errors,
        } = command.run(session, &|event: &Event| {
            if let Happened::FilesKept {
                recorded, problems, ..
            } = &event.what
            {
                let recorded = recorded
                    .iter()
                    .map(|file| format!("recorded: {}", file.display()));
                let lines = recorded.chain(problems.iter().cloned());
                kept.lock().unpoisoned().extend(lines);
            }
        });
        let said = output.map(|path| {
            let said = fs::read(&path).unwrap_or_default();
            // It is no longer needed, and the folder goes in any case.
            let _ = fs::remove_file(&path);
            last_lines(&String::from_utf8_lossy(&said))
        });
        if timed_out {
            trial.note_hung();
        }
        if code == 0 {
            return Ok(());
        }
        let mut text = match timed_out {
            true => format!("the command has taken longer than {:?}", self.limit),
            false => format!("the command has ended with exit code {code}"),
        };
        for error in errors {
            text.push_str(&format!("\n{error:?}"));
        }
        for line in kept.into_inner().unpoisoned() {
            text.push_str(&format!("\n{line}"));
        }
        text.push_str(&said.unwrap_or_default());
        Err(Error::msg(text))
    }
}

/// The end of what a command has written, on lines of its own.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LINES);
    let lines = lines[first..].iter();
    lines.map(|line| format!("\n  | {line}")).collect()
}

/// Where the commands write to.
struct Outputs {
    folder: PathBuf,
    count: AtomicUsize,
}

impl Outputs {
    /// In a folder that only this user may enter, and that nobody has made before.
    fn new() -> Result<Outputs, RunError> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        let number = time.map_or(0, |time| time.as_nanos());
        let name = format!("standin-cuts-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&folder) {
            Ok(()) => Ok(Outputs {
                folder,
                count: AtomicUsize::new(0),
            }),
            Err(source) => Err(RunError::Output {
                path: folder,
                source,
            }),
        }
    }

    fn next(&self) -> PathBuf {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{number}.txt"))
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "cannot be removed");
        }
    }
}
