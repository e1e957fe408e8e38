//! Variables in a file, for other steps of a build.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use indexmap::IndexMap;
use standin::Error;
use standin_sync::Monitor;

use crate::RunError;

/// Adds variables to a file as lines `NAME=value`, as `NEXTEST_ENV` and `GITHUB_ENV` want them;
/// one that is not there is made. A value of several lines is written as GitHub reads it, between
/// `NAME<<delimiter` and the delimiter.
///
/// # Errors
///
/// Returns an error if the file cannot be written.
pub fn write_env_file(path: &Path, variables: &IndexMap<String, String>) -> Result<(), RunError> {
    let mut text = String::new();
    for (name, value) in variables {
        // Writing to a string cannot fail.
        let _ = if value.contains(['\n', '\r']) {
            let end = delimiter(value);
            writeln!(text, "{name}<<{end}\n{value}\n{end}")
        } else {
            writeln!(text, "{name}={value}")
        };
    }
    append(path, &text).map_err(|source| RunError::EnvFile {
        path: path.to_owned(),
        source,
    })
}

/// Does the same, but returns as soon as `is_over` holds for `stage`: a FIFO may have no reader.
/// Then the writing is left to itself.
pub(crate) fn write_env_file_until<T: Send + 'static>(
    path: &Path,
    variables: &IndexMap<String, String>,
    stage: &Arc<Monitor<T>>,
    is_over: impl Fn(&T) -> bool,
) -> Result<(), Error> {
    let (written, result) = channel();
    let thread = thread::Builder::new().name("standin-env-file".to_owned());
    let _writing = thread.spawn({
        let (path, variables, stage) = (path.to_owned(), variables.clone(), stage.clone());
        move || {
            // Nobody waits for it any longer, if it is over.
            let _ = written.send(write_env_file(&path, &variables));
            stage.update(|_| {});
        }
    })?;
    let mut outcome = None;
    drop(stage.wait_while(stage.lock(), None, |stage| {
        outcome = result.try_recv().ok();
        outcome.is_none() && !is_over(stage)
    }));
    match outcome {
        Some(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    // At once, so that others who add to it come before or after.
    file.write_all(text.as_bytes())
}

/// A line that is not one of the value.
fn delimiter(value: &str) -> String {
    let mut delimiter = "END".to_owned();
    while value.lines().any(|line| line == delimiter) {
        delimiter.push('_');
    }
    delimiter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_lines_and_keeps_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        let variables = |list: &[(&str, &str)]| -> IndexMap<String, String> {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            list.iter().map(own).collect()
        };
        write_env_file(&path, &variables(&[("A", "1 = x"), ("B", "")])).unwrap();
        write_env_file(&path, &variables(&[("C", "a\nEND\nb")])).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "A=1 = x\nB=\nC<<END_\na\nEND\nb\nEND_\n");
        let error = write_env_file(folder.path(), &variables(&[])).unwrap_err();
        assert!(error.to_string().starts_with("cannot write"), "{error}");
    }
}
