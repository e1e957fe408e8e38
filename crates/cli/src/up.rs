//! `standin up`.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use standin::Error;
use standin_session::{Keeper, Outcome, Relay, Session, StateDir};

use crate::arguments::Up;
use crate::output::{Output, say};
use crate::print;
use crate::run::sweeper;

/// What the process that keeps a detached environment writes before its id, to tell that from what
/// it says to people.
const UP: char = '\0';

pub(crate) fn run(arguments: &Up) -> u8 {
    if arguments.detach && !arguments.keeper {
        return match detach() {
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
    if arguments.keeper {
        match io::stdout().as_fd().try_clone_to_owned() {
            Ok(pipe) => keeper = keeper.starter(pipe),
            Err(error) => return Outcome::failed(error),
        }
    }
    keeper.keep(&environment.file, session, output, |entry| {
        if arguments.keeper {
            let mut stdout = io::stdout();
            writeln!(stdout, "{UP}{}", entry.id)?;
            return stdout.flush();
        }
        output.up(entry);
        Ok(())
    })
}

fn take_down(id: &str) -> standin::Result<()> {
    let directory = StateDir::open()?;
    for entry in directory.find(Some(id.as_ref()))? {
        directory.down(&entry)?.wait()?;
    }
    Ok(())
}

/// Starts this program once more, to keep the environment up, and passes on what it says until it
/// is, and signals to it. Nothing of that goes by way of a disk, which may be full.
fn detach() -> standin::Result<u8> {
    let (said, says) = io::pipe()?;
    let mut keeper = Command::new(std::env::current_exe()?)
        .args(["up", "--keeper"])
        // Those after the name of this program and `up`.
        .args(std::env::args_os().skip(2))
        .stdin(Stdio::null())
        .stdout(says.try_clone()?)
        .stderr(says)
        // Neither Ctrl-C nor the end of the terminal is meant for it.
        .process_group(0)
        .spawn()?;
    let relay = Relay::to(keeper.id())?;
    for line in BufReader::new(said).lines() {
        let line = line?;
        if let Some(id) = line.strip_prefix(UP) {
            if relay.first().is_some() {
                // It goes down already.
                continue;
            }
            return match print(&format!("{id}\n")) {
                0 => Ok(0),
                // Nobody knows of it.
                _ => take_down(id).map(|()| Outcome::FAILED),
            };
        }
        say(&line);
    }
    let asked = relay.first();
    drop(relay);
    let status = keeper.wait()?;
    match (status.code(), asked) {
        // It had come up just before, or not even begun.
        (Some(0) | None, Some(signal)) => Ok(Outcome::code_of_signal(signal)),
        (Some(code), _) => Ok(code.try_into().unwrap_or(Outcome::FAILED)),
        (None, None) => Err(Error::msg(format!(
            "the process that was to keep the environment up was killed: {status}"
        ))),
    }
}
