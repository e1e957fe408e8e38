//! A small process that removes what this one leaves behind when it is killed.

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use standin::entity::remove_root;

/// How long it tries: processes that are being killed may still write to their files.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long between two tries. No event says that a directory is no longer used.
const PAUSE: Duration = Duration::from_millis(20);

/// The message of a process that ends normally.
const DONE: &[u8] = b".";

/// A process that waits for the end of this one, and removes its files if it was killed. Dropping
/// it reports that nothing is left, and ends it.
#[derive(Debug)]
pub struct Sweeper {
    process: Child,
}

impl Sweeper {
    /// Starts `command`, a program that calls [`sweep`] with these directories and files.
    ///
    /// # Errors
    ///
    /// Returns an error if the system does not start it.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // Neither Ctrl-C nor a signal to the group of this process ends it.
            .process_group(0)
            .spawn()?;
        Ok(Self { process })
    }

    /// Returns the number of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.process.stdin.take() {
            // One that is gone has nothing left to do.
            let _ = pipe.write_all(DONE);
        }
        if let Err(error) = self.process.wait() {
            tracing::debug!(%error, "nobody knows how the sweeper ended");
        }
    }
}

/// Waits until the standard input ends. Without a message, the process at the other end was killed:
/// removes `root`, the directory of its runpaths, and `files`.
///
/// # Errors
///
/// Returns an error if something is left.
pub fn sweep(root: &Path, files: &[PathBuf]) -> io::Result<()> {
    let mut said = Vec::new();
    io::stdin().read_to_end(&mut said)?;
    if !said.is_empty() {
        return Ok(());
    }
    for file in files {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let until = Instant::now() + PATIENCE;
    loop {
        match remove_root(root) {
            Ok(true) => return Ok(()),
            Err(error) if Instant::now() >= until => return Err(error),
            Ok(false) if Instant::now() >= until => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            _ => thread::sleep(PAUSE),
        }
    }
}
