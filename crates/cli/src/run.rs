//! `standin run`.

use std::path::PathBuf;

use standin::entity::default_root;
use standin_session::{CommandLine, Outcome, Session, Sweeper};

use crate::arguments::Run;
use crate::output::Output;

pub(crate) fn run(arguments: &Run) -> u8 {
    let output = Output::new(&arguments.output);
    let outcome = outcome(arguments, &output);
    output.end(&outcome)
}

fn outcome(arguments: &Run, output: &Output) -> Outcome {
    let environment = &arguments.environment;
    let session = match Session::load(&environment.file, &environment.set) {
        Ok(session) => session,
        Err(error) => return Outcome::failed(error),
    };
    let mut command = CommandLine::new(&arguments.command);
    if let Some(timeout) = arguments.timeout {
        command = command.timeout(timeout);
    }
    if let Some(path) = &arguments.env_file {
        command = command.env_file(path);
    }
    let _sweeper = match sweeper(&[]) {
        Ok(sweeper) => sweeper,
        Err(error) => return Outcome::failed(error),
    };
    command.run(session, output)
}

/// Removes the directories of this run and these files, should it be killed.
pub(crate) fn sweeper(files: &[PathBuf]) -> standin::Result<Sweeper> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg("__sweep").arg(default_root()?).args(files);
    Ok(Sweeper::start(command)?)
}
