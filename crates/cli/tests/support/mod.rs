//! Runs of the command, and what they leave.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Far more than anything takes, so that a hang ends.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A folder with environment files, from which the command is run.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    marker: String,
}

/// A server and a process.
pub(crate) const SHOP: &str = include_str!("../../../session/tests/shop.toml");

/// How a run has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) pid: u32,
}

impl Place {
    /// With a file `shop.toml`.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            marker: format!("{}-{count}", std::process::id()),
        };
        place.write("shop.toml", SHOP);
        fs::create_dir(place.path().join("runtime")).unwrap();
        // Outside of any target directory, as installed: so its runpaths are below TMPDIR.
        let program = env!("CARGO_BIN_EXE_standin");
        if fs::hard_link(program, place.program()).is_err() {
            // Not by this process: what another test starts just then would have it open for
            // writing, and nobody can run what somebody writes.
            let copied = Command::new("cp")
                .arg(program)
                .arg(place.program())
                .status();
            assert!(copied.unwrap().success());
        }
        place
    }

    /// With a file `slow.toml`: a process that runs a script, which has the place as `UP` and
    /// `STOP` in it for files of these names, and is up when it has written a line.
    pub(crate) fn write_slow(&self, script: &str, line: &str) {
        let file = |name: &str| self.path().join(name).display().to_string();
        let script = script
            .replace("UP", &file("up"))
            .replace("STOP", &file("stop"));
        self.write(
            "slow.toml",
            &format!(
                "name = 'slow'\n[[driver]]\ntype = 'process'\nname = 'app'\nbinary = 'sh'\n\
                 args = ['-c', \"{script}\"]\nlog_regexps = ['{line}']\n"
            ),
        );
    }

    fn program(&self) -> PathBuf {
        self.path().join("standin")
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    /// The command with these arguments, without a terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        // A shell that runs these tests in the background ignores some of them.
        self.command_with("--default-signal", arguments)
    }

    /// The same with signals as an option of env(1) has them, which becomes the command.
    pub(crate) fn command_with(&self, signals: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("env");
        command
            .arg(signals)
            .arg(self.program())
            .args(arguments)
            .current_dir(self.path())
            .env("STANDIN_TEST_MARKER", &self.marker)
            .env("XDG_RUNTIME_DIR", self.path().join("runtime"))
            .env("TMPDIR", self.path())
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Not in the foreground of the terminal that these tests may be run at.
            .process_group(0);
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let child = self.command(arguments).spawn().unwrap();
        ended(child)
    }

    /// Processes that descend from a run here, by their environment.
    pub(crate) fn processes(&self) -> Vec<String> {
        let marker = format!("STANDIN_TEST_MARKER={}\0", self.marker);
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let variables = fs::read(entry.path().join("environ")).unwrap_or_default();
            let is_ours = variables
                .windows(marker.len())
                .any(|window| window == marker.as_bytes());
            if is_ours {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                // One that is only waited for has no memory.
                if !line.is_empty() {
                    found.push(format!("{}: {line}", entry.file_name().display()));
                }
            }
        }
        found
    }

    /// Fails if a run left a process or, unless it has failed, a directory.
    #[track_caller]
    pub(crate) fn check_left(&self, ended: &Ended) {
        if ended.code == Some(0) {
            self.check_nothing_left();
        } else {
            wait_until("the end of all processes", || self.processes().is_empty());
        }
    }

    /// Fails if a run left a process or a directory.
    #[track_caller]
    pub(crate) fn check_nothing_left(&self) {
        let until = Instant::now() + SOON;
        loop {
            let (processes, roots) = (self.processes(), self.roots());
            if processes.is_empty() && roots.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "left: {processes:#?} {roots:#?}");
            std::thread::yield_now();
        }
    }

    /// What is in the directory of the environments that are up.
    pub(crate) fn state(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path().join("runtime/standin")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().display().to_string())
            .collect()
    }

    /// The directories of runpaths.
    fn roots(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).unwrap().flatten();
        let is_root = |path: &PathBuf| path.to_string_lossy().contains("/standin-");
        entries.map(|entry| entry.path()).filter(is_root).collect()
    }
}

/// Waits for the end of a run, and reads what it says meanwhile. One that hangs is killed.
#[track_caller]
pub(crate) fn ended(child: Child) -> Ended {
    let pid = child.id();
    let (is_over, over) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let is_late = over.recv_timeout(SOON) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        if is_late {
            signal(pid, rustix::process::Signal::KILL);
        }
        is_late
    });
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    drop(is_over);
    assert!(!watch.join().unwrap(), "hangs: {stdout:?} {stderr:?}");
    Ended {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
        pid,
    }
}

/// Reads the errors of a run up to a line with this text.
#[track_caller]
pub(crate) fn read_to(child: &mut Child, text: &str) {
    let errors = child.stderr.as_mut().unwrap();
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let mut byte = [0];
        errors.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn check(&self, code: i32, says: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(self.stderr.contains(says), "no {says:?} in {self:#?}");
        self
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < until, "{what} does not come");
        std::thread::yield_now();
    }
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
