//! The marker file of standin's directories, which also names their users.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::sys::{self, Directory};

/// Its name in the directory.
pub(super) const NAME: &str = ".standin";

const SIGNATURE: &str = "Signature: standin-runpath-1\n";
const EXPLANATION: &str = "\
# This directory belongs to standin: the next test that uses it deletes all that is in it.
# Keep nothing of your own here. Who has used it last, as process, program and entity:
";

/// What is in a directory under the marker's name.
pub(super) struct Found(Option<Vec<u8>>);

pub(super) fn find(directory: &Directory) -> io::Result<Found> {
    directory.read(NAME).map(Found)
}

impl Found {
    /// Whether it is standin's marker.
    pub(super) fn is_marker(&self) -> bool {
        let text = self.0.as_ref();
        text.is_some_and(|text| text.starts_with(SIGNATURE.as_bytes()))
    }

    /// Whether nothing is in a directory with these names but a marker that is not written to its
    /// end, or not even begun.
    pub(super) fn is_all_of(&self, names: &[OsString]) -> bool {
        let is_begun = |text: &Vec<u8>| SIGNATURE.as_bytes().starts_with(text);
        let is_marker = |name: &OsString| name == NAME && self.0.as_ref().is_some_and(is_begun);
        names.iter().all(is_marker)
    }

    /// Marks the directory, in which it still is, as standin's and `entity` as its only user.
    pub(super) fn replace(
        &self,
        directory: &Directory,
        entity: &dyn fmt::Display,
    ) -> io::Result<()> {
        let text = format!("{SIGNATURE}{EXPLANATION}{}", line(entity));
        // Written again, a file costs much more than it does to be read.
        if self.0.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        directory.write(NAME, text.as_bytes(), false)
    }
}

/// Whether standin's marker is in the directory.
pub(super) fn is_in(directory: &Directory) -> io::Result<bool> {
    Ok(find(directory)?.is_marker())
}

/// Whether the directory is standin's: the marker is in it, or nothing is, because the process that
/// made it was killed, or its disk was full, before it had written the marker.
pub(super) fn is_in_or_was_to_be(directory: &Directory) -> io::Result<bool> {
    let found = find(directory)?;
    Ok(found.is_marker() || found.is_all_of(&directory.names()?))
}

/// Marks the directory as standin's and `entity` as its only user.
pub(super) fn write(directory: &Directory, entity: &dyn fmt::Display) -> io::Result<()> {
    find(directory)?.replace(directory, entity)
}

/// Adds `entity` to those who use a directory that is marked.
pub(super) fn add(directory: &Directory, entity: &dyn fmt::Display) -> io::Result<()> {
    directory.write(NAME, line(entity).as_bytes(), true)
}

pub(super) fn remove(directory: &Directory) -> io::Result<()> {
    directory.remove_file(NAME)
}

fn line(entity: &dyn fmt::Display) -> String {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = || std::env::current_exe().unwrap_or_else(|_| PathBuf::from("?"));
    let program = PROGRAM.get_or_init(program);
    format!("{}\t{}\t{entity}\n", std::process::id(), program.display())
}

/// Who holds the directory, as the latest user that is alive wrote it down.
pub(super) fn holder(directory: &Directory) -> String {
    let unknown = || "another process".to_owned();
    let Ok(Some(text)) = directory.read(NAME) else {
        return unknown();
    };
    let text = String::from_utf8_lossy(&text);
    let holders = text.lines().rev().filter_map(|line| {
        let mut fields = line.splitn(3, '\t');
        let process: u32 = fields.next()?.parse().ok()?;
        Some((process, fields.next()?, fields.next()?))
    });
    let alive = holders
        .filter(|(process, ..)| *process != std::process::id())
        .find(|(process, ..)| sys::is_alive(*process));
    alive.map_or_else(unknown, |(process, program, entity)| {
        format!("{entity} of process {process} ({program})")
    })
}
