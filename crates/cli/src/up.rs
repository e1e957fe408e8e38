//! `standin up`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use standin_session::{Keeper, Outcome, Session};

use crate::arguments::{Format, Up};
use crate::output::{Output, say};
use crate::print;
use crate::run::sweeper;

/// Set for the process that keeps the environment of a detached one.
const DETACHED: &str = "STANDIN_DETACHED";

pub(crate) fn run(arguments: &Up) -> u8 {
    if arguments.detach {
        return match detach(arguments) {
            Ok(code) => code,
            Err(error) => {
                Output::new(&arguments.output).error(&error);
                Outcome::FAILED
            }
        };
    }
    let output = Output::new(&arguments.output);
    let outcome = keep(arguments, &output);
    output.end(&outcome)
}

fn keep(arguments: &Up, output: &Output) -> Outcome {
    let environment = &arguments.environment;
    let session = match Session::load(&environment.file, &environment.set) {
        Ok(session) => session,
        Err(error) => return Outcome::failed(error),
    };
    let started = Keeper::state_files(&session)
        .map_err(standin::Error::from)
        .and_then(|files| sweeper(&files));
    let _sweeper = match started {
        Ok(sweeper) => sweeper,
        Err(error) => return Outcome::failed(error),
    };
    let mut keeper = Keeper::new();
    if let Some(parent) = arguments.with_parent {
        keeper = keeper.parent(parent);
    }
    if let Some(path) = &arguments.env_file {
        keeper = keeper.env_file(path);
    }
    let is_detached = std::env::var_os(DETACHED).is_some();
    keeper.keep(&environment.file, session, output, |entry| {
        if is_detached {
            // One line, which whoever has detached this waits for.
            let mut stdout = io::stdout();
            let _ = writeln!(stdout, "{}", entry.id).and_then(|()| stdout.flush());
        } else {
            output.up(entry);
        }
    })
}

/// Starts this program once more, to keep the environment up, and waits until it is.
fn detach(arguments: &Up) -> standin::Result<u8> {
    let mut said = unnamed_file()?;
    let mut command = Command::new(std::env::current_exe()?);
    let environment = &arguments.environment;
    command.arg("up").arg(&environment.file);
    for setting in &environment.set {
        command.arg("--set").arg(setting.to_string());
    }
    if let Some(parent) = arguments.with_parent {
        command.arg("--with-parent").arg(parent.to_string());
    }
    if let Some(path) = &arguments.env_file {
        command.arg("--env-file").arg(path);
    }
    let output = &arguments.output;
    if output.format == Format::Json {
        command.args(["--format", "json"]);
    }
    let flags = [(output.quiet, "--quiet"), (output.verbose, "--verbose")];
    command.args(
        flags
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, flag)| flag),
    );
    let mut keeper = command
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(said.try_clone()?)
        // Neither Ctrl-C nor the end of the terminal is meant for it.
        .process_group(0)
        .spawn()?;
    let mut id = String::new();
    if let Some(stdout) = keeper.stdout.take() {
        BufReader::new(stdout).read_line(&mut id)?;
    }
    let code = match id.is_empty() {
        true => keeper.wait()?.code().and_then(|code| code.try_into().ok()),
        false => Some(0),
    };
    // What it has said so far, it has said for this one.
    let mut text = String::new();
    said.rewind()?;
    said.read_to_string(&mut text)?;
    if !text.is_empty() {
        say(&text);
    }
    print(&id);
    Ok(code.unwrap_or(Outcome::FAILED))
}

/// A file that goes when nobody has it open any more.
fn unnamed_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("standin-{}.log", std::process::id()));
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .append(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
