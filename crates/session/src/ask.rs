//! A keeper answers queries about its environment over a Unix socket in the directory of the
//! running environments, which no other user may enter.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

/// The timeout for an answer, which takes far less than a millisecond.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How long a client may take to read.
const READS: Duration = Duration::from_secs(1);

/// The keeper of an environment. Both ends must have the same version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Answers until it is dropped.
#[derive(Debug)]
pub(crate) struct Answers {
    path: PathBuf,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    Io(io::Error),
    /// It has another version.
    OfVersion(String),
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Answers {
    /// Answers at `path` with the current result of `describe`.
    pub(crate) fn begin(
        path: PathBuf,
        describe: impl Fn() -> Value + Send + 'static,
    ) -> io::Result<Self> {
        // Of a keeper that was killed, whose number this process has got.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = thread::Builder::new().name("standin-answers".to_owned());
        let thread = thread.spawn(move || {
            for asked in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let answered = asked.and_then(|stream| answer(stream, &describe()));
                if let Err(error) = answered {
                    tracing::debug!(%error, "somebody who has asked gets no answer");
                }
            }
        });
        let mut answers = Self {
            path,
            is_over,
            thread: None,
        };
        answers.thread = Some(thread?);
        Ok(answers)
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // The thread sees that it is over when it is asked.
        let is_woken = self.thread.is_none() || UnixStream::connect(&self.path).is_ok();
        let _ = fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take().filter(|_| is_woken) {
            // What panics in it is said by the panic.
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: UnixStream, what: &Value) -> io::Result<()> {
    stream.set_write_timeout(Some(READS))?;
    let answer = json!({ "version": VERSION, "graph": what });
    stream.write_all(answer.to_string().as_bytes())
}

/// Asks the keeper whose socket that is.
pub(crate) fn ask(path: &Path) -> Result<Value, NoAnswer> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let mut answer: Value = serde_json::from_str(&text).map_err(io::Error::from)?;
    match answer["version"].as_str() {
        Some(VERSION) => Ok(answer["graph"].take()),
        other => Err(NoAnswer::OfVersion(other.unwrap_or("unknown").to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_until_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.sock");
        fs::write(&path, "").unwrap();
        let answers = Answers::begin(path.clone(), || json!({ "a": 1 })).unwrap();
        assert_eq!(ask(&path).unwrap(), json!({ "a": 1 }));
        // One that asks and does not read is not waited for.
        let _silent = UnixStream::connect(&path).unwrap();
        assert_eq!(ask(&path).unwrap(), json!({ "a": 1 }));
        drop(answers);
        assert!(!path.exists());
        assert!(matches!(ask(&path), Err(NoAnswer::Io(_))));
    }

    #[test]
    fn another_version_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let other = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"{\"version\": \"99.0.0\"}").unwrap();
        });
        let refused = ask(&path).unwrap_err();
        assert!(
            matches!(&refused, NoAnswer::OfVersion(version) if version == "99.0.0"),
            "{refused:?}"
        );
        other.join().unwrap();
    }
}
