use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use standin_child::{Child, Command, Exit};
use standin_entity::{Error, Result};

use super::Progress;
use super::probe::{Answer, Question};
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
    pub(super) fn question(&self) -> impl Question + use<> {
        CommandProbe {
            condition: self.clone(),
            running: None,
            seen: None,
            ended: None,
        }
    }
}

#[derive(Debug)]
struct CommandProbe {
    condition: CommandSucceeds,
    running: Option<Running>,
    /// How the latest run ended.
    seen: Option<String>,
    /// When the latest run had ended.
    ended: Option<Instant>,
}

impl Question for CommandProbe {
    fn ask(&mut self, driver: &dyn Driver, _progress: &mut Progress) -> Result<Answer> {
        if let Some(running) = &self.running {
            let Some(exit) = running.child.exit() else {
                return Ok(match &self.seen {
                    None => self.not_yet("it is still running"),
                    Some(seen) => self.not_yet(&format!("{seen}; it is running again")),
                });
            };
            if exit.is_success() {
                self.running = None;
                return Ok(Answer::Met);
            }
            self.seen = Some(running.describe(exit));
            self.running = None;
            self.ended = Some(Instant::now());
        }
        let interval = self.condition.interval;
        if self.ended.is_none_or(|ended| ended.elapsed() >= interval) {
            self.running = Some(Running::start(driver, &self.condition.words)?);
        }
        Ok(self.not_yet(self.seen.as_deref().unwrap_or("it is still running")))
    }
}

impl CommandProbe {
    fn not_yet(&self, seen: &str) -> Answer {
        Answer::not_yet(
            format_args!("command `{}`", self.condition.words.join(" ")),
            seen,
        )
    }
}

/// A run of the command. Its end notifies the driver; dropping it ends everything
/// that it has started.
#[derive(Debug)]
struct Running {
    child: Child,
    output: Option<Output>,
}

/// The file with the output of a command, removed when it is dropped.
#[derive(Debug)]
struct Output(PathBuf);

impl Running {
    fn start(driver: &dyn Driver, words: &[String]) -> Result<Self> {
        let words = words
            .iter()
            .map(|word| driver.render_template(word))
            .collect::<Result<Vec<_>, _>>()?;
        let failed = |error: Error| {
            error.context(format!(
                "the readiness command `{}` cannot be run",
                words.join(" ")
            ))
        };
        let resource = driver.base().resource().clone();
        let entity = resource.entity();
        let mut command = Command::new(words.first().map(String::as_str).unwrap_or_default());
        command.args(words.iter().skip(1));
        if let Some(runpath) = entity.runpath() {
            command.current_dir(runpath);
        }
        let output = entity.scratch().map(|scratch| Output(unused_file(scratch)));
        if let Some(Output(path)) = &output {
            let streams = File::create(path).and_then(|file| Ok((file.try_clone()?, file)));
            let (out, err) = streams.map_err(|error| failed(error.into()))?;
            command.stdout(out).stderr(err);
        }
        let child = command
            .spawn_and_notify(move || resource.notify())
            .map_err(|error| failed(error.into()))?;
        Ok(Self { child, output })
    }

    fn describe(&self, exit: Exit) -> String {
        let output = self.output.as_ref();
        match output.map(|Output(path)| tail(path, Some(3))) {
            Some(Ok(lines)) if !lines.is_empty() => format!("{exit}, {}", lines.join(" / ")),
            _ => exit.to_string(),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn unused_file(folder: PathBuf) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("ready-{}-{count}", std::process::id()))
}
