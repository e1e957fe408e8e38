//! `standin down`.

use standin::Error;
use standin_session::{Entry, Outcome, StateDir};

use crate::arguments::Down;
use crate::output::Output;

pub(crate) fn run(arguments: &Down) -> u8 {
    let output = Output::new(&arguments.output);
    match down(arguments, &output) {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            Outcome::FAILED
        }
    }
}

fn down(arguments: &Down, output: &Output) -> Result<u8, Error> {
    let directory = StateDir::open()?;
    let mut entries: Vec<Entry> = Vec::new();
    if arguments.all {
        entries = directory.entries()?;
    } else if arguments.environments.is_empty() {
        entries = directory.find(None)?;
    }
    for wanted in &arguments.environments {
        entries.extend(directory.find(Some(wanted))?);
    }
    let mut code = 0;
    for entry in &entries {
        let ended = directory.down(entry)?;
        output.down(entry, &ended);
        code = code.max(ended.code);
    }
    Ok(code)
}
