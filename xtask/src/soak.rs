//! `cargo xtask soak`: a random mix of everything, for minutes, with a check for
//! leaks after each piece and a summary at the end.

mod pieces;
pub(crate) mod runpaths;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use miette::Diagnostic;
use standin_socket::LeakCheck;

use self::pieces::{PIECES, Piece};
use crate::bench::Outcome;
use crate::workspace::{Cargo, CargoError};

/// How long anything may take: a bound for a hang.
const LIMIT: Duration = Duration::from_secs(60);
/// How much memory may be added after the first part of a soak, in bytes: what
/// allocators keep, not what pieces leave.
const GROWTH: u64 = 32 << 20;

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum SoakError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cargo(#[from] CargoError),
    #[error("piece {number}, \"{name}\", failed")]
    #[diagnostic(
        code(xtask::soak::failed),
        help("the same mix again: cargo xtask soak --seed {seed}")
    )]
    Failed {
        number: usize,
        name: &'static str,
        seed: u64,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the memory of the process grew by {} MiB while it did the same things", grown >> 20)]
    #[diagnostic(
        code(xtask::soak::memory),
        help("the same mix again: cargo xtask soak --seed {seed}")
    )]
    Memory { grown: u64, seed: u64 },
}

pub(crate) fn run(minutes: f64, seed: Option<u64>) -> Result<(), SoakError> {
    // The command, which is killed 200 times; what it leaves is not of this process.
    Cargo::new("test --quiet --package standin-cli --test run -- --ignored").run()?;
    let seed = seed.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |since| since.as_secs())
    });
    say!("{minutes} minutes of everything; the same mix again with --seed {seed}");
    let mut random = Rng::with_seed(seed);
    let until = Instant::now() + Duration::from_secs_f64(minutes.max(0.0) * 60.0);
    let begun = Instant::now();
    let mut tally = vec![(0usize, Duration::ZERO); PIECES.len()];
    let mut warm = None;
    let mut number = 0;
    while Instant::now() < until {
        let which = random.usize(..PIECES.len());
        let (name, piece) = PIECES[which];
        number += 1;
        let since = Instant::now();
        checked(piece, &mut random).map_err(|source| SoakError::Failed {
            number,
            name,
            seed,
            source,
        })?;
        let took = since.elapsed();
        tally[which].0 += 1;
        tally[which].1 = tally[which].1.max(took);
        // By now everything has been done a few times.
        if warm.is_none() && number >= 20 * PIECES.len() {
            warm = memory();
        }
    }
    say!("{:<18} {:>7} {:>12}", "piece", "times", "slowest");
    for ((name, _), (times, slowest)) in PIECES.iter().zip(&tally) {
        say!(
            "{name:<18} {times:>7} {:>9.1} ms",
            slowest.as_secs_f64() * 1e3
        );
    }
    say!(
        "{number} pieces in {:.0} s; after each: no descriptor, thread, process or file left",
        begun.elapsed().as_secs_f64()
    );
    if let (Some(warm), Some(now)) = (warm, memory()) {
        let grown = now.saturating_sub(warm);
        say!(
            "memory: {} MiB, {} KiB more than when warm",
            now >> 20,
            grown >> 10
        );
        if grown > GROWTH {
            return Err(SoakError::Memory { grown, seed });
        }
    }
    Ok(())
}

/// Runs a piece, and checks what it leaves.
fn checked(piece: Piece, random: &mut Rng) -> Outcome<()> {
    // What gets away from a process becomes a child of this one.
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let check = LeakCheck::is_supported().then(LeakCheck::new).transpose()?;
    let folder = tempfile::tempdir()?;
    piece(random, folder.path())?;
    folder.close()?;
    if let Some(check) = check {
        check.finish()?;
    }
    let children = children();
    if !children.is_empty() {
        return Err(format!("child processes are left: {}", children.join(", ")).into());
    }
    // Environments that choose no runpath have theirs there. A stop removes it; a guard that is
    // only dropped keeps files, and nothing else.
    let runpaths = standin_entity::default_root()?;
    if runpaths.exists() {
        if let Some(empty) = directory_without_files(&runpaths)? {
            return Err(format!("nothing is in {}", empty.display()).into());
        }
        std::fs::remove_dir_all(runpaths)?;
    }
    Ok(())
}

/// A directory at or below `path` that has nothing in it, if there is one.
fn directory_without_files(path: &Path) -> Outcome<Option<PathBuf>> {
    let mut is_empty = true;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        is_empty = false;
        if entry.file_type()?.is_dir()
            && let Some(empty) = directory_without_files(&entry.path())?
        {
            return Ok(Some(empty));
        }
    }
    Ok(is_empty.then(|| path.to_owned()))
}

/// The numbers of the children of this process, where that can be known.
fn children() -> Vec<String> {
    let me = std::process::id().to_string();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // After the name, which may hold anything: the state, then the parent.
            let parent = stat
                .rsplit(')')
                .next()
                .and_then(|rest| rest.split_whitespace().nth(1));
            parent == Some(&me)
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.parse::<u32>().is_ok())
        .collect()
}

/// The resident memory of this process in bytes, where that can be known.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::{PIECES, Rng};

    #[test]
    fn every_piece_runs() {
        for (name, piece) in PIECES {
            let folder = tempfile::tempdir().unwrap();
            let result = piece(&mut Rng::with_seed(1), folder.path());
            assert!(result.is_ok(), "{name}: {result:?}");
        }
    }
}
