//! A folder for what explains a failed test.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::marker;
use super::run::{self, Name};
use super::sys::{self, Directory};
use crate::slug::slugify;

/// The variable that names another folder than the one below the target directory.
const VARIABLE: &str = "STANDIN_ARTIFACTS";

/// How long the name of a folder is at most.
const LONGEST: usize = 80;

/// How many folders one process makes for one name.
const MOST: usize = 64;

/// A folder for the files of a failed test, used by no other.
///
/// It is `<name>/<run>` below `target/standin`, found as for
/// [`default_root`](crate::default_root), or below the folder that the variable
/// `STANDIN_ARTIFACTS` names. `<run>` is named after the time and the process; further ones of one
/// process are `2`, `3` and so on in it. Of earlier runs below `target/standin` the latest three
/// stay; of what is in a folder of the user's nothing is removed.
///
/// Dropped without a file in it, it goes.
#[derive(Debug)]
pub struct ArtifactFolder {
    path: PathBuf,
}

impl ArtifactFolder {
    /// Makes a folder for `name`, which becomes the name of a directory as those of entities do.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be made, which names the path.
    pub fn make(name: &str) -> io::Result<Self> {
        let chosen = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
        let (root, is_ours) = match chosen {
            Some(path) => (std::path::absolute(path)?, false),
            None => {
                let root = run::shared_root().map_err(io::Error::other)?;
                (root, true)
            }
        };
        let folder = root.join(folder_name(name));
        let path = make_in(&folder, is_ours).map_err(|error| at(&folder, error))?;
        Ok(Self { path })
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file in it: as a whole or not at all.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        write_whole(&path, content)?;
        Ok(path)
    }
}

impl Drop for ArtifactFolder {
    fn drop(&mut self) {
        let entries = fs::read_dir(&self.path).map(|entries| entries.flatten().collect::<Vec<_>>());
        let is_used = |entry: &fs::DirEntry| entry.file_name() != marker::NAME;
        if entries.is_ok_and(|entries| entries.iter().any(is_used)) {
            return;
        }
        let _ = fs::remove_file(self.path.join(marker::NAME));
        if fs::remove_dir(&self.path).is_ok() {
            for above in self.path.ancestors().skip(1).take(2) {
                let _ = fs::remove_dir(above);
            }
        }
    }
}

/// Writes a file as a whole or not at all. A link in its place is replaced, not followed.
///
/// # Errors
///
/// Returns an error if it cannot be written; nothing is left of it then.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = File::create_new(&part)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

fn folder_name(name: &str) -> String {
    let mut name = slugify(name);
    name.truncate(LONGEST);
    if name.is_empty() {
        name.push_str("unnamed");
    }
    // The directory of that name has the runpaths of this program.
    if name == run::program() {
        name.push_str("-environment");
    }
    name
}

fn make_in(folder: &Path, is_ours: bool) -> io::Result<PathBuf> {
    sys::create_private(folder)?;
    // Not behind a link.
    let _open = Directory::open(folder)?;
    let this = Name::of_this_run();
    if is_ours {
        run::prune(folder, &this);
    }
    let first = folder.join(run::of_this_process());
    if sys::create_one(&first)? {
        if is_ours {
            marker::write(&Directory::open(&first)?, &"a failed test")?;
        }
        return Ok(first);
    }
    for number in 2..=MOST {
        let next = first.join(number.to_string());
        if sys::create_one(&next)? {
            return Ok(next);
        }
    }
    Err(io::Error::other(format!(
        "there are {MOST} of this run already"
    )))
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
