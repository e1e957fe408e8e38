use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use standin_entity::{Check, Error, Resource, Result};

use super::{Probe, Progress, not_yet};
use crate::log::tail::tail;
use crate::{Driver, Lifecycle};

pub(super) const INTERVAL: Duration = Duration::from_millis(200);

/// A command ends with exit code 0; see [`Readiness::command`](super::Readiness::command).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSucceeds {
    pub(super) words: Vec<String>,
    pub(super) interval: Duration,
}

impl CommandSucceeds {
    pub(super) fn probe(&self) -> Box<dyn Probe> {
        Box::new(CommandProbe {
            condition: self.clone(),
            running: None,
            seen: "it has not run yet".to_owned(),
            next: None,
        })
    }
}

#[derive(Debug)]
struct CommandProbe {
    condition: CommandSucceeds,
    running: Option<Running>,
    seen: String,
    next: Option<Instant>,
}

impl Probe for CommandProbe {
    fn check(&mut self, driver: &dyn Driver, _progress: &mut Progress) -> Result<Check> {
        if let Some(running) = &self.running {
            let Some(status) = running.status() else {
                let seen = format!("{}; it is running again", self.seen);
                return Ok(self.not_yet(&seen));
            };
            if status.success() {
                self.running = None;
                return Ok(Check::Ready);
            }
            self.seen = running.describe(status);
            self.running = None;
            self.next = Instant::now().checked_add(self.condition.interval);
        }
        if self.next.is_none_or(|next| Instant::now() >= next) {
            self.running = Some(Running::start(driver, &self.condition.words)?);
        }
        Ok(self.not_yet(&self.seen))
    }
}

impl CommandProbe {
    fn not_yet(&self, seen: &str) -> Check {
        not_yet(
            format_args!("command `{}`", self.condition.words.join(" ")),
            seen,
        )
    }
}

/// A run of the command. Its end notifies the driver; dropping it kills it.
#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    output: Option<PathBuf>,
    waiter: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    child: Mutex<Child>,
}

impl Running {
    fn start(driver: &dyn Driver, words: &[String]) -> Result<Self> {
        let words = words
            .iter()
            .map(|word| driver.render_template(word))
            .collect::<Result<Vec<_>, _>>()?;
        let failed = |error: io::Error| {
            Error::other(error).context(format!(
                "the readiness command `{}` cannot be run",
                words.join(" ")
            ))
        };
        let entity = driver.base().resource().entity();
        let mut command = Command::new(words.first().map(String::as_str).unwrap_or_default());
        command.args(words.iter().skip(1)).stdin(Stdio::null());
        if let Some(runpath) = entity.runpath() {
            command.current_dir(runpath);
        }
        let output = entity.scratch().map(unused_file);
        match &output {
            Some(path) => {
                let file = File::create(path).map_err(failed)?;
                command
                    .stderr(file.try_clone().map_err(failed)?)
                    .stdout(file);
            }
            None => {
                command.stdout(Stdio::null()).stderr(Stdio::null());
            }
        }
        own_group(&mut command);
        let child = command.spawn().map_err(failed)?;
        let pid = child.id();
        let shared = Arc::new(Shared {
            child: Mutex::new(child),
        });
        let resource = driver.base().resource().clone();
        let waiter = std::thread::Builder::new()
            .name("readiness command".to_owned())
            .spawn({
                let shared = shared.clone();
                move || shared.wait(pid, &resource)
            });
        let mut running = Self {
            shared,
            output,
            waiter: None,
        };
        // Without a thread it is dropped here, and so ended.
        running.waiter = Some(waiter.map_err(failed)?);
        Ok(running)
    }

    fn status(&self) -> Option<ExitStatus> {
        // Reaped only when it has ended.
        self.shared.lock().try_wait().ok().flatten()
    }

    fn describe(&self, status: ExitStatus) -> String {
        let output = self.output.as_ref().map(|path| tail(path, Some(3)));
        match output {
            Some(Ok(lines)) if !lines.is_empty() => format!("{status}, {}", lines.join(" / ")),
            _ => status.to_string(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        {
            let mut child = self.shared.lock();
            if matches!(child.try_wait(), Ok(None)) {
                kill(&mut child);
                let _ = child.wait();
            }
        }
        if let Some(waiter) = self.waiter.take() {
            let _ = waiter.join();
        }
        if let Some(output) = &self.output {
            let _ = fs::remove_file(output);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits without holding the lock, and without reaping: who wants to kill
    /// it must find it or nothing, never another process of that number.
    #[cfg(unix)]
    fn wait(&self, pid: u32, resource: &Resource) {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        }
        resource.notify();
    }

    // The end is noticed at the next check.
    #[cfg(not(unix))]
    fn wait(&self, _pid: u32, _resource: &Resource) {}
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn own_group(_command: &mut Command) {}

/// The command with all that it has started.
#[cfg(unix)]
fn kill(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill(child: &mut Child) {
    let _ = child.kill();
}

fn unused_file(folder: PathBuf) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("ready-{}-{count}", std::process::id()))
}
