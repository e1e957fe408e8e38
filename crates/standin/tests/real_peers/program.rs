//! Programs that a test starts, and that end with it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a program may take to say that it is ready: a bound for a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// Where a program is. If it is nowhere the test is skipped, and says so past
/// the capture of the test's output; it fails if peers are required.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Servers of the system are not always on a user's path.
    folders.extend(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    let found = folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("STANDIN_REQUIRE_PEERS").is_none(),
            "`{name}` is not installed, and STANDIN_REQUIRE_PEERS is set: install it, or unset the variable"
        );
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(
            stderr,
            "\nNOT TESTED: `{name}` is not installed; install it to run this test\n"
        );
    }
    found
}

/// A running program. It is killed when this is dropped.
pub struct Program {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    pub fn spawn(name: &'static str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let (send, lines) = channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("it was asked for")),
            Box::new(child.stderr.take().expect("it was asked for")),
        ];
        for stream in streams {
            let send = send.clone();
            // Ends with the program, which ends with this test.
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if send.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Program {
            name,
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// The first line that has `text`; `None` if the program ends without.
    pub fn wait_for(&mut self, text: &str) -> Option<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) if line.contains(text) => return Some(line),
                Ok(line) => self.seen.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                    eprintln!("{} ended:\n{}", self.name, self.seen.join("\n"));
                    return None;
                }
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!(
                        "{} did not print {text:?} in {LIMIT:?}:\n{}",
                        self.name,
                        self.seen.join("\n")
                    )
                }
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGTERM lets a master process end its workers; the pipes close when all are gone.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").arg(&id).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(_) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    break;
                }
            }
        }
        let _ = self.child.wait();
    }
}
