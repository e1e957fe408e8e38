//! `standin status`.

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

fn entries(wanted: Option<&str>) -> Result<Vec<Entry>, StateError> {
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
                let since = entry.started.elapsed().unwrap_or_default();
                let parent = match entry.parent {
                    Some(parent) => format!(", until process {parent} ends"),
                    None => String::new(),
                };
                writeln!(
                    text,
                    "{}  {}, up for {}{parent}",
                    entry.id,
                    entry.file.display(),
                    Took(since)
                )
            }
        };
    }
    text
}
