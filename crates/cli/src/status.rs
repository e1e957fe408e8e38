//! `standin status`.

use std::ffi::OsStr;
use std::fmt::Write as _;

use standin_session::{Entry, StateDir, StateError};

use crate::arguments::{Format, Status};
use crate::output::complain;
use crate::print;
use crate::took::Took;

pub(crate) fn run(arguments: &Status) -> u8 {
    match entries(arguments.environment.as_deref()) {
        Ok(entries) => print(&shown(&entries, arguments.format)),
        Err(error) => complain(&error.into()),
    }
}

fn entries(wanted: Option<&OsStr>) -> Result<Vec<Entry>, StateError> {
    let directory = StateDir::open()?;
    match wanted {
        Some(_) => directory.find(wanted),
        None => directory.entries(),
    }
}

fn shown(entries: &[Entry], format: Format) -> String {
    let mut text = String::new();
    for entry in entries {
        // Writing to a string does not fail.
        let _ = match format {
            Format::Json => writeln!(text, "{}", entry.to_json()),
            Format::Human => {
                let since = Took(entry.since.elapsed().unwrap_or_default());
                let state = match entry.status {
                    standin::Status::Starting => format!("starting for {since}"),
                    standin::Status::Stopping => format!("stopping for {since}"),
                    standin::Status::None => {
                        "nobody knows how: its state file is damaged".to_owned()
                    }
                    _ => format!("up for {since}"),
                };
                let parent = match entry.parent {
                    Some(parent) => format!(", until process {parent} ends"),
                    None => String::new(),
                };
                let file = entry.file.display();
                writeln!(text, "{}  {file}, {state}{parent}", entry.id)
            }
        };
    }
    text
}
