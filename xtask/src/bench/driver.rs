//! What drivers cost around their sockets: seeing a line in a log, reading the
//! end of one, starting a process.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use standin_config::{Config, FromOptions, Pattern};
use standin_driver::{BuildError, Driver, DriverBase, DriverConfig, Lifecycle, Result};
use standin_process::Process;

use super::measure::{in_turn, median};
use super::{Figure, Outcome};

/// Milliseconds from the write of the awaited line until the driver is started.
pub(crate) fn readiness_log() -> Outcome<Figure> {
    const ROUNDS: usize = 21;
    let folder = tempfile::tempdir()?;
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let log = folder.path().join(format!("{round}.log"));
        File::create(&log)?;
        let (waiting, is_waiting) = channel();
        let driver = LogWriterBuilder::new()
            .name(format!("writer {round}"))
            .runpath(folder.path().join(format!("run {round}")))
            .log_regexps(vec![Pattern::new("ready on (?<port>[0-9]+)")?])
            .timeout(Duration::from_secs(60))
            .log(log.clone())
            .waiting(waiting)
            .build()?;
        let millis = std::thread::scope(|scope| -> Outcome<f64> {
            let start = scope.spawn(|| driver.start());
            is_waiting.recv()?;
            // A program takes its time; by then the driver waits for the file to change.
            std::thread::sleep(Duration::from_millis(20));
            let mut log = OpenOptions::new().append(true).open(&log)?;
            let began = Instant::now();
            log.write_all(b"ready on 8080\n")?;
            start.join().map_err(|_| "the start panicked")??;
            Ok(began.elapsed().as_secs_f64() * 1e3)
        })?;
        times.push(millis);
        driver.stop()?;
    }
    Ok(Figure::alone("readiness_log", median(times), "ms"))
}

/// Milliseconds to read the last lines of a log of 1 GiB.
pub(crate) fn log_tail() -> Outcome<Figure> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("big.log");
    let mut file = File::create(&log)?;
    file.set_len(1 << 30)?;
    file.seek(SeekFrom::End(0))?;
    for line in 0..1000 {
        writeln!(file, "line {line} of the end of a big log")?;
    }
    let driver = LogWriterBuilder::new()
        .name("big")
        .runpath(folder.path().join("run"))
        .log(log)
        .build()?;
    let [millis] = in_turn(
        21,
        [&mut || {
            let began = Instant::now();
            let lines = driver.fetch_error_log()?;
            let millis = began.elapsed().as_secs_f64() * 1e3;
            match lines.last() {
                Some(last) if last.contains("line 999") => Ok(millis),
                other => Err(format!("the tail ends with {other:?}").into()),
            }
        }],
    )?;
    Ok(Figure::alone("log_tail", millis, "ms"))
}

/// What says that it is ready, and stays.
const PROGRAM: [&str; 2] = ["-c", "echo ready; exec sleep 60"];

/// Milliseconds from the start of a process to its line that says that it is
/// ready, next to a spawn whose output is looked at until it has that line.
pub(crate) fn process_start() -> Outcome<Figure> {
    let folder = tempfile::tempdir()?;
    let output = folder.path().join("output");
    let [driver, by_hand] = in_turn(
        41,
        [
            &mut || {
                let process = Process::builder("program")
                    .runpath(folder.path().join("program"))
                    .binary("sh")
                    .args(PROGRAM.map(String::from).to_vec())
                    .stdout_regexps(vec![Pattern::new("ready")?])
                    .build()?;
                let began = Instant::now();
                process.start()?;
                let millis = began.elapsed().as_secs_f64() * 1e3;
                process.stop()?;
                Ok(millis)
            },
            &mut || {
                let began = Instant::now();
                let mut child = Command::new("sh")
                    .args(PROGRAM)
                    .stdin(Stdio::null())
                    .stdout(File::create(&output)?)
                    .spawn()?;
                while !std::fs::read_to_string(&output)?.contains("ready") {
                    std::thread::sleep(Duration::from_micros(100));
                }
                let millis = began.elapsed().as_secs_f64() * 1e3;
                child.kill()?;
                child.wait()?;
                Ok(millis)
            },
        ],
    )?;
    Ok(Figure::compared("process_start", driver, by_hand, "ms"))
}

/// The options of a [`LogWriter`].
#[derive(Clone, Debug, Config)]
#[config(builds = LogWriter)]
pub(crate) struct LogWriterConfig {
    /// The options that every driver has.
    #[config(include)]
    pub(crate) driver: DriverConfig,
    /// Its log, which other code writes.
    pub(crate) log: PathBuf,
    /// Told when the start is about to wait for the log.
    #[config(code_only)]
    pub(crate) waiting: Option<Sender<()>>,
}

/// A driver that is ready when its log says so.
#[derive(Debug)]
pub(crate) struct LogWriter {
    base: DriverBase,
}

impl FromOptions<LogWriterBuilder> for LogWriter {
    type Error = BuildError;

    fn from_options(options: LogWriterBuilder) -> std::result::Result<Self, BuildError> {
        Ok(LogWriter {
            base: DriverBase::new("LogWriter", options)?,
        })
    }
}

impl Driver for LogWriter {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn starting(&self) -> Result<()> {
        let config: LogWriterConfig = self.base.config()?;
        if let Some(waiting) = config.waiting {
            waiting.send(()).map_err(standin_driver::Error::other)?;
        }
        Ok(())
    }

    fn log_path(&self) -> Option<PathBuf> {
        let config: Option<LogWriterConfig> = self.base.config().ok();
        config.map(|config| config.log)
    }
}
