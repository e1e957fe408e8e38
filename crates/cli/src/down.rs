//! `standin down`.

use std::collections::HashSet;

use standin::Error;
use standin_session::{Entry, Leaving, Outcome, StateDir};

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
    // One may be named in two ways.
    let mut seen = HashSet::new();
    entries.retain(|entry| seen.insert(entry.id.clone()));
    // All of them are asked before one is waited for, and none keeps another up.
    let asked: Vec<_> = entries.iter().map(|entry| directory.down(entry)).collect();
    let mut code = 0;
    for (entry, asked) in entries.iter().zip(asked) {
        match asked.and_then(Leaving::wait) {
            Ok(ended) => {
                output.down(entry, &ended);
                code = code.max(ended.code);
            }
            Err(error) => {
                output.error(&error.into());
                code = code.max(Outcome::FAILED);
            }
        }
    }
    Ok(code)
}
