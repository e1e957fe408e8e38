//! What the command says while it runs, on standard error.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};

use miette::{Diagnostic, MietteHandler, MietteHandlerOpts, ReportHandler as _};
use standin::Error;
use standin_session::{Ended, Entry, Event, Happened, Observer, Outcome, UnderWay};

use crate::arguments::{self, Format};
use crate::progress::Progress;
use crate::took::Took;

/// How the command talks.
pub(crate) struct Output {
    format: Format,
    verbosity: Verbosity,
    progress: Option<Progress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verbosity {
    Errors,
    Usual,
    Steps,
}

impl Output {
    pub(crate) fn new(arguments: &arguments::Output) -> Self {
        let verbosity = match (arguments.quiet, arguments.verbose) {
            (true, _) => Verbosity::Errors,
            (_, true) => Verbosity::Steps,
            _ => Verbosity::Usual,
        };
        let is_shown = arguments.format == Format::Human
            && verbosity > Verbosity::Errors
            && io::stderr().is_terminal();
        Self {
            format: arguments.format,
            verbosity,
            progress: is_shown.then(Progress::default),
        }
    }

    /// Whether more than errors is to be said to people.
    pub(crate) fn is_chatty(&self) -> bool {
        self.verbosity > Verbosity::Errors && self.format == Format::Human
    }

    /// Says what went wrong.
    pub(crate) fn error(&self, error: &Error) {
        match self.format {
            Format::Json => self.happened(&Event::failed(error)),
            Format::Human => {
                self.clear();
                say(&report(error));
            }
        }
    }

    /// Says how it ended, and gives the exit code.
    pub(crate) fn end(&self, outcome: &Outcome) -> u8 {
        outcome.errors.iter().for_each(|error| self.error(error));
        let exit_code = outcome.code;
        if outcome.timed_out && self.is_chatty() {
            self.line("the command took longer than --timeout");
        }
        self.happened(&Event::now(Happened::Exited { exit_code }));
        exit_code
    }

    /// Says that an environment stays up, and how to end that.
    pub(crate) fn up(&self, entry: &Entry) {
        if self.is_chatty() {
            let id = &entry.id;
            self.line(&format!("Ctrl-C or `standin down {id}` takes it down"));
        }
    }

    /// Says how an environment that was taken down has ended.
    pub(crate) fn down(&self, entry: &Entry, ended: &Ended) {
        match (&ended.report, self.format) {
            (Some(report), Format::Human) => say(report),
            (None, Format::Human) if ended.code != 0 => {
                say(&format!(
                    "standin: cannot find out how \"{}\" ended",
                    entry.id
                ));
            }
            (None, Format::Human) if self.is_chatty() => {
                self.line(&format!("environment \"{}\" is down", entry.environment));
            }
            (_, Format::Json) => {
                let (id, code) = (&entry.id, ended.code);
                let report = &ended.report;
                let ended = serde_json::json!({ "id": id, "exit_code": code, "report": report });
                say(&ended.to_string());
            }
            _ => {}
        }
    }

    fn clear(&self) {
        if let Some(progress) = &self.progress {
            progress.clear();
        }
    }

    fn line(&self, text: &str) {
        self.clear();
        say(&format!("standin: {text}"));
    }
}

impl Observer for Output {
    fn happened(&self, event: &Event) {
        if self.format == Format::Json {
            if self.verbosity > Verbosity::Errors || matches!(event.what, Happened::Failed { .. }) {
                say(&event.to_json().to_string());
            }
            return;
        }
        if let Some(progress) = &self.progress {
            progress.happened(event);
        }
        if let Some((verbosity, text)) = sentence(&event.what)
            && self.verbosity >= verbosity
        {
            self.line(&text);
        }
    }

    fn under_way(&self, drivers: &[UnderWay]) {
        if let Some(progress) = &self.progress {
            progress.under_way(drivers);
        }
    }
}

/// The signal of Ctrl-C, which has this number everywhere.
const SIGINT: i32 = 2;

/// What is said of an event, and to whom.
fn sentence(what: &Happened) -> Option<(Verbosity, String)> {
    let steps = |text: String| Some((Verbosity::Steps, text));
    match what {
        Happened::EnvironmentStarted {
            environment, after, ..
        } => {
            let text = format!("environment \"{environment}\" is up after {}", Took(*after));
            Some((Verbosity::Usual, text))
        }
        Happened::DriverStarted { driver, after } => {
            steps(format!("driver \"{driver}\" is up after {}", Took(*after)))
        }
        Happened::DriverStopped { driver, after } => steps(format!(
            "driver \"{driver}\" is down after {}",
            Took(*after)
        )),
        Happened::CommandStarted { program, pid } => {
            steps(format!("command `{program}` runs (pid {pid})"))
        }
        Happened::CommandSignalled { signal } => {
            steps(format!("the command was sent signal {signal}"))
        }
        Happened::CommandEnded {
            exit_code: Some(code),
            after,
            ..
        } => steps(format!(
            "the command ended with exit code {code} after {}",
            Took(*after)
        )),
        Happened::CommandEnded {
            signal: Some(signal),
            after,
            ..
        } => steps(format!(
            "the command was ended by signal {signal} after {}",
            Took(*after)
        )),
        Happened::CommandLeft { programs } => Some((
            Verbosity::Usual,
            format!(
                "ended what the command left running: {}",
                programs.join(", ")
            ),
        )),
        Happened::FilesKept {
            path,
            recorded,
            problems,
        } => {
            let files = path
                .iter()
                .map(|path| format!("files of the drivers: {}", path.display()));
            // They are all in one directory.
            let directory = recorded.first().and_then(|file| file.parent());
            let shown = directory.map(|directory| {
                let directory = directory.display();
                format!("`standin report {directory}` shows what was recorded")
            });
            let lines = files.chain(shown).chain(problems.iter().cloned());
            let lines: Vec<String> = lines.collect();
            Some((Verbosity::Usual, lines.join("\nstandin: ")))
        }
        // Of the others nobody knows who sends them.
        Happened::EndRequested { signal: SIGINT } => Some((
            Verbosity::Usual,
            "stopping; Ctrl-C once more ends everything at once".to_owned(),
        )),
        Happened::EnvironmentStopped { environment, after } => steps(format!(
            "environment \"{environment}\" is down after {}",
            Took(*after)
        )),
        _ => None,
    }
}

/// Writes an error of a command that says nothing else. The exit code of such a command.
pub(crate) fn complain(error: &Error) -> u8 {
    say(&report(error));
    1
}

/// Writes a line to standard error. Where nobody reads that there is nobody to tell.
pub(crate) fn say(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", text.trim_end());
}

/// The error as people see it; colours are taken out where they are not wanted. What has places in
/// a file is drawn with these, everything else is the report that a failing test would show.
fn report(error: &Error) -> String {
    let diagnostic = error.diagnostic();
    let has_source = |diagnostic: &dyn Diagnostic| diagnostic.source_code().is_some();
    let mut related = diagnostic.related().into_iter().flatten();
    if !has_source(diagnostic) && !related.any(has_source) {
        let red = anstyle::AnsiColor::Red.on_default().bold();
        return format!("{red}error{red:#}: {error:?}");
    }
    let options = MietteHandlerOpts::new()
        .force_graphical(true)
        .color(true)
        .terminal_links(false)
        // The first of several mistakes is the cause of their list, too.
        .without_cause_chain();
    // Without a terminal lines are as long as they are, so that one can search in them.
    let options = match io::stderr().is_terminal() {
        true => options,
        false => options.wrap_lines(false).width(LONG),
    };
    Drawn(&options.build(), diagnostic).to_string()
}

/// Longer than any line.
const LONG: usize = 10_000;

struct Drawn<'a>(&'a MietteHandler, &'a dyn Diagnostic);

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug(self.1, f)
    }
}
