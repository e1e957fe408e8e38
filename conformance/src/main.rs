//! `cargo xtask conformance [DIR]`: recorded vectors, through the public API.
//!
//! A vector is a conversation with the Python reference, recorded as data: its
//! steps, and what each answered. Each one runs in a process of its own, with
//! an empty directory as its working directory; most of the time is spent in
//! waits, so many run at once. What differs has to be in `differences.toml`, step
//! by step, and in `docs/differences.md`, with the reason.
//!
//! - `vectors.rs`, `differences.rs`: what is read; `compare.rs`: how it is compared
//! - `judge.rs`: runs vectors, and says what became of them
//! - `execute.rs`: the process that runs one vector
//! - `value.rs`, `decode.rs`, `encode.rs`: the values of steps and answers
//! - `category.rs`: the one table from our errors to the recorded categories
//! - `operations/`: what the steps do, one file per area

mod category;
mod compare;
mod decode;
mod differences;
mod encode;
mod error;
mod execute;
mod failure;
mod judge;
mod operations;
mod value;
mod vectors;
mod world;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;

use crate::differences::Differences;
use crate::error::ConformanceError;
use crate::judge::Verdict;
use crate::vectors::Vector;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask conformance",
    about = "Run recorded vectors of the reference's behaviour, and compare"
)]
struct Arguments {
    /// Folder or file of vectors
    #[arg(default_value_os_t = here().to_owned())]
    path: PathBuf,
    /// What standin answers where it differs on purpose
    #[arg(long, default_value_os_t = here().join("differences.toml"))]
    differences: PathBuf,
    /// The page that gives the reasons
    #[arg(long, default_value_os_t = here().join("../docs/differences.md"))]
    page: PathBuf,
    /// Only vectors whose id contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Print every step with its answer
    #[arg(long)]
    show: bool,
    /// Run the vector on standard input, and print its answers
    #[arg(long, hide = true)]
    execute: bool,
}

/// The folder of this package, and of the vectors.
fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn main() -> miette::Result<()> {
    let arguments = Arguments::parse();
    if arguments.execute {
        return Ok(execute::from_standard_input()?);
    }
    Ok(run(&arguments)?)
}

fn run(arguments: &Arguments) -> Result<(), ConformanceError> {
    let begun = Instant::now();
    let differences = Differences::load(&arguments.differences)?;
    differences.check_page(&arguments.page)?;
    let mut areas = Vec::new();
    let mut chosen = Vec::new();
    for file in vectors::load(&arguments.path)? {
        for vector in file.vectors {
            if vector.id.contains(&arguments.only) {
                areas.push(file.area.clone());
                chosen.push(vector);
            }
        }
    }
    if arguments.path == here() && arguments.only.is_empty() {
        differences.check_vectors(&chosen)?;
    }
    let verdicts = judge::all(&chosen, &differences, arguments.show)?;
    let (mut summary, failed) = summarise(&areas, &chosen, &verdicts);
    summary += &format!("{:.0} s\n", begun.elapsed().as_secs_f64());
    print(&summary)?;
    match failed {
        0 => Ok(()),
        failed => Err(ConformanceError::Failed {
            failed,
            count: chosen.len(),
        }),
    }
}

/// Writes to standard output. The command ends where nobody reads that any longer.
fn print(text: &str) -> Result<(), ConformanceError> {
    match io::stdout().write_all(text.as_bytes()) {
        // The exit code that shells give to a program that a closed pipe has ended.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(128 + 13),
        written => written.map_err(|source| ConformanceError::Output { source }),
    }
}

/// What became of the vectors, and how many failed.
fn summarise(areas: &[String], vectors: &[Vector], verdicts: &[Verdict]) -> (String, usize) {
    #[derive(Default)]
    struct Counts {
        passed: usize,
        deliberate: usize,
        failed: usize,
        python: usize,
    }
    let mut by_area: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut python: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut summary = String::new();
    for ((area, vector), verdict) in areas.iter().zip(vectors).zip(verdicts) {
        let counts = by_area.entry(area).or_default();
        match verdict {
            Verdict::Passed => counts.passed += 1,
            Verdict::Deliberate => counts.deliberate += 1,
            Verdict::PythonOnly(names) => {
                counts.python += 1;
                for name in names {
                    python.entry(name).or_default().push(&vector.id);
                }
            }
            Verdict::Failed(lines) => {
                counts.failed += 1;
                summary += &format!("FAILED {}: {}\n", vector.id, vector.title);
                for line in lines {
                    summary += &format!("  {line}\n");
                }
            }
        }
    }
    summary += &format!(
        "{:<14} {:>7} {:>11} {:>7} {:>12}\n",
        "area", "passed", "deliberate", "failed", "unsupported"
    );
    let mut failed = 0;
    for (area, counts) in by_area {
        failed += counts.failed;
        summary += &format!(
            "{area:<14} {:>7} {:>11} {:>7} {:>12}\n",
            counts.passed, counts.deliberate, counts.failed, counts.python
        );
    }
    for (name, ids) in python {
        summary += &format!(
            "unsupported: {name}, which only makes sense inside Python ({})\n",
            ids.join(", ")
        );
    }
    (summary, failed)
}
