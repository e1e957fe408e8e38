//! Threads and processes that want one directory.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;

use fastrand::Rng;
use standin_entity::{Error, RunpathError};
use standin_environment::{Environment, RunningEnvironment};
use standin_tcp::TcpServer;

use crate::bench::Outcome;

/// What the holder prints once the directory is its own.
const HELD: &str = "held";

/// Of all who start an environment with one runpath at once, one has it, and its files stay
/// while it does; nobody has it while another process does, also when that is killed.
pub(super) fn shared_runpath(random: &mut Rng, folder: &Path) -> Outcome<()> {
    let runpath = folder.join("shared");
    // A test of this program is another program, which has no such command.
    if !cfg!(test) && random.usize(..4) == 0 {
        let mut holder = Holder::start(&runpath)?;
        if contend(random, &runpath)? > 0 {
            return Err("two processes had one directory".into());
        }
        match random.usize(..2) {
            0 => holder.0.kill()?,
            _ => drop(holder.0.stdin.take()),
        }
        holder.0.wait()?;
    }
    match contend(random, &runpath)? {
        0 => Err("nobody had the directory".into()),
        _ => Ok(()),
    }
}

/// How many of several threads had the directory, one after the other.
fn contend(random: &mut Rng, runpath: &Path) -> Outcome<usize> {
    let threads = 2 + random.usize(..4);
    let barrier = Barrier::new(threads);
    let results: Vec<Outcome<bool>> = std::thread::scope(|scope| {
        let contenders: Vec<_> = (0..threads)
            .map(|number| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    use_it(runpath, number)
                })
            })
            .collect();
        let joined = contenders.into_iter().map(|contender| {
            let panicked = |_| Err("a contender panicked".into());
            contender.join().unwrap_or_else(panicked)
        });
        joined.collect()
    });
    let had = results.into_iter().collect::<Outcome<Vec<bool>>>()?;
    Ok(had.into_iter().filter(|had| *had).count())
}

/// Whether the directory was free; if so, what was put there has to stay.
fn use_it(runpath: &Path, number: usize) -> Outcome<bool> {
    let env = match started(runpath) {
        Ok(env) => env,
        Err(error) => match error.find::<RunpathError>() {
            Some(RunpathError::Shared { .. } | RunpathError::Locked { .. }) => return Ok(false),
            _ => return Err(error.into()),
        },
    };
    let own = runpath.join(format!("of-{number}"));
    std::fs::write(&own, "mine")?;
    std::thread::yield_now();
    let names: Vec<_> = std::fs::read_dir(runpath)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<std::io::Result<_>>()?;
    let others = names
        .iter()
        .filter(|name| name.to_string_lossy().starts_with("of-"));
    if !own.is_file() || others.count() != 1 {
        return Err(format!("{number} shared its directory: {names:?}").into());
    }
    env.stop()?;
    Ok(true)
}

fn started(runpath: &Path) -> Result<RunningEnvironment, Error> {
    let mut env = Environment::builder("soak").runpath(runpath).build()?;
    env.add(TcpServer::builder("server").build()?)?;
    Ok(env.start()?)
}

/// `cargo xtask hold-runpath`: has an environment there until standard input ends.
pub(crate) fn hold(runpath: &Path) -> Result<(), Error> {
    let env = started(runpath)?;
    say!("{HELD}");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(env.stop()?)
}

/// Another process, which has the directory.
struct Holder(Child);

impl Holder {
    fn start(runpath: &Path) -> Outcome<Holder> {
        let mut holder = Command::new(std::env::current_exe()?)
            .arg("hold-runpath")
            .arg(runpath)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map(Holder)?;
        let output = holder.0.stdout.take().ok_or("it has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        match line.trim_end() {
            HELD => Ok(holder),
            other => Err(format!("the other process said {other:?}").into()),
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It has ended, unless something has gone wrong before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
