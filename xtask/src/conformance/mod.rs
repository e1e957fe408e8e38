//! `cargo xtask conformance [DIR]`: recorded vectors, through the public API.
//!
//! A vector is a conversation with the Python reference, recorded as data: its
//! steps, and what each answered. Each one runs in a process of its own, with
//! an empty directory as its working directory; most of the time is spent in
//! waits, so many run at once. What differs must be in `docs/differences.md`,
//! step by step, with the reason.
//!
//! - `vectors.rs`, `differences.rs`: what is read; `compare.rs`: how it is compared
//! - `execute.rs`: the process that runs one vector
//! - `value.rs`, `decode.rs`, `encode.rs`: the values of steps and answers
//! - `category.rs`: the one table from our errors to the recorded categories
//! - `operations/`: what the steps do, one file per area

mod category;
mod compare;
mod decode;
mod differences;
mod encode;
mod execute;
mod operations;
mod value;
mod vectors;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use miette::Diagnostic;
use serde_json::Value as Json;

use self::differences::Differences;
use self::vectors::Vector;
use crate::workspace::root;

/// How many vectors run at once, for each processor: most of them wait.
const AT_ONCE: usize = 6;

/// How often a vector that failed runs again, with nothing beside it: a busy
/// machine is no difference.
const RETRIES: usize = 2;

/// When more vectors failed, it was not the machine.
const TOO_MANY: usize = 12;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder or file of vectors
    #[arg(default_value_os_t = root().join("conformance"))]
    path: PathBuf,
    /// List of the deliberate differences
    #[arg(long, default_value_os_t = root().join("docs/differences.md"))]
    differences: PathBuf,
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

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum ConformanceError {
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(xtask::conformance::unreadable))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} has no vectors", path.display())]
    #[diagnostic(
        code(xtask::conformance::no_vectors),
        help("name a folder with `.json` files of vectors")
    )]
    NoVectors { path: PathBuf },
    #[error("{} is no file of vectors", path.display())]
    #[diagnostic(code(xtask::conformance::no_vector))]
    NoVector {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{}:{line}: {what}", path.display())]
    #[diagnostic(
        code(xtask::conformance::bad_row),
        help("a row reads | id | `step: answer`, ... | reason |")
    )]
    BadRow {
        path: PathBuf,
        line: usize,
        what: String,
    },
    #[error("cannot run a vector")]
    #[diagnostic(code(xtask::conformance::cannot_run))]
    CannotRun {
        #[source]
        source: std::io::Error,
    },
    #[error("{failed} of {count} vectors failed")]
    #[diagnostic(
        code(xtask::conformance::failed),
        help(
            "if a difference is meant, list it with its reason in docs/differences.md; `--only ID --show` shows each step"
        )
    )]
    Failed { failed: usize, count: usize },
}

/// What became of one vector.
#[derive(Debug)]
enum Verdict {
    Passed,
    Deliberate,
    /// Needs an operation that only makes sense inside Python.
    PythonOnly(BTreeSet<String>),
    Failed(Vec<String>),
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), ConformanceError> {
    if arguments.execute {
        return execute::from_standard_input();
    }
    let begun = Instant::now();
    let differences = Differences::load(&arguments.differences)?;
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
    let mut verdicts = judge_all(&chosen, &differences, arguments.show)?;
    let failed = |verdict: &Verdict| matches!(verdict, Verdict::Failed(_));
    let retries = match verdicts.iter().filter(|verdict| failed(verdict)).count() {
        0..=TOO_MANY => RETRIES,
        _ => 0,
    };
    for (vector, verdict) in chosen.iter().zip(&mut verdicts) {
        for _ in 0..retries {
            if failed(verdict) {
                *verdict = judge(vector, &differences, false)?;
            }
        }
    }
    let failed = summarise(&areas, &chosen, &verdicts);
    println!("{:.0} s", begun.elapsed().as_secs_f64());
    match failed {
        0 => Ok(()),
        failed => Err(ConformanceError::Failed {
            failed,
            count: chosen.len(),
        }),
    }
}

/// Runs the vectors, many at once.
fn judge_all(
    vectors: &[Vector],
    differences: &Differences,
    show: bool,
) -> Result<Vec<Verdict>, ConformanceError> {
    let processors = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    let queue = Mutex::new(vectors.iter().enumerate());
    let verdicts = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..processors * AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, vector)) = next else { return };
                    let verdict = judge(vector, differences, show);
                    let mut verdicts = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
                    verdicts.insert(index, verdict);
                }
            });
        }
    });
    let verdicts = verdicts
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    verdicts.into_values().collect()
}

/// Runs one vector in a process of its own, and compares.
fn judge(
    vector: &Vector,
    differences: &Differences,
    show: bool,
) -> Result<Verdict, ConformanceError> {
    let unknown: BTreeSet<&str> = vector
        .steps
        .iter()
        .map(|step| step.op.as_str())
        .filter(|op| !operations::is_known(op))
        .collect();
    if !unknown.is_empty() {
        if unknown.iter().all(|op| operations::is_python_only(op)) {
            return Ok(Verdict::PythonOnly(
                unknown.into_iter().map(str::to_owned).collect(),
            ));
        }
        let lines = unknown
            .iter()
            .map(|op| format!("unsupported operation {op}"));
        return Ok(Verdict::Failed(lines.collect()));
    }
    let answers = match execute_apart(&bounded(vector, differences))? {
        Ok(answers) => answers,
        Err(trouble) => return Ok(Verdict::Failed(vec![trouble])),
    };
    if show {
        let mut text = format!("{} {}\n", vector.id, vector.title);
        for (index, (step, answer)) in vector.steps.iter().zip(&answers).enumerate() {
            text += &format!("  {index} {}: {answer}\n", step.op);
        }
        print!("{text}");
    }
    Ok(verdict(vector, &answers, differences))
}

/// The vector, with a short bound for steps that are listed as blocking.
fn bounded(vector: &Vector, differences: &Differences) -> Vector {
    const SHORT: f64 = 1.5;
    let mut vector = vector.clone();
    let listed = differences.of(&vector.id).into_iter();
    for (step, answer) in listed.flat_map(|listed| &listed.answers) {
        if let Some(step) = vector.steps.get_mut(*step)
            && differences::allows(answer, Some(compare::BLOCKS))
        {
            step.bound.get_or_insert(SHORT);
        }
    }
    vector
}

fn verdict(vector: &Vector, answers: &[Json], differences: &Differences) -> Verdict {
    let listed = differences.of(&vector.id);
    let mut lines = Vec::new();
    let mut row = Vec::new();
    for (index, step) in vector.steps.iter().enumerate() {
        let place = format!("step {index} ({})", step.op);
        let Some(answer) = answers.get(index) else {
            lines.push(format!("{place} was not run"));
            break;
        };
        let found = compare::difference(step, answer);
        row.extend(
            found
                .iter()
                .map(|found| format!("`{index}: {}`", found.replace('|', "\\|"))),
        );
        let listed = listed.and_then(|listed| listed.answers.get(&index));
        match (found, listed) {
            (None, None) => {}
            (found, Some(listed)) if differences::allows(listed, found.as_deref()) => {}
            (Some(_), None) => lines.push(format!(
                "{place}\n    wanted {}\n    got    {answer}",
                step.wanted()
            )),
            (Some(found), Some(listed)) => {
                lines.push(format!("{place}\n    listed {listed}\n    got    {found}"))
            }
            (None, Some(_)) => lines.push(format!("{place}: the listed difference is none")),
        }
    }
    let beyond = listed
        .and_then(|listed| listed.answers.keys().next_back())
        .filter(|&&step| step >= vector.steps.len());
    if let Some(step) = beyond {
        lines.push(format!(
            "there is no step {step}, for which a difference is listed"
        ));
    }
    if !lines.is_empty() && !row.is_empty() {
        lines.push(format!(
            "as a row: | {} | {} | reason |",
            vector.id,
            row.join(", ")
        ));
    }
    match (lines.is_empty(), listed) {
        (true, None) => Verdict::Passed,
        (true, Some(_)) => Verdict::Deliberate,
        (false, _) => Verdict::Failed(lines),
    }
}

/// The answers of a vector, or what kept them from coming.
fn execute_apart(vector: &Vector) -> Result<Result<Vec<Json>, String>, ConformanceError> {
    let cannot = |source| ConformanceError::CannotRun { source };
    let directory = tempfile::Builder::new()
        .prefix("conformance-")
        .tempdir()
        .map_err(cannot)?;
    let program = std::env::current_exe().map_err(cannot)?;
    let mut child = Command::new(program)
        .args(["conformance", "--execute"])
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    if let Some(mut input) = child.stdin.take() {
        let text = serde_json::to_vec(vector).map_err(|error| cannot(error.into()))?;
        // A child that did not read it says so by what it answers.
        let _ = input.write_all(&text);
    }
    let output = child.wait_with_output().map_err(cannot)?;
    Ok(serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!(
            "the vector's process ended with {}: {}",
            output.status,
            said.trim()
        )
    }))
}

/// Prints what became of the vectors, and says how many failed.
fn summarise(areas: &[String], vectors: &[Vector], verdicts: &[Verdict]) -> usize {
    #[derive(Default)]
    struct Counts {
        passed: usize,
        deliberate: usize,
        failed: usize,
        python: usize,
    }
    let mut by_area: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut python: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut failures = String::new();
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
                failures += &format!("FAILED {}: {}\n", vector.id, vector.title);
                for line in lines {
                    failures += &format!("  {line}\n");
                }
            }
        }
    }
    print!("{failures}");
    println!(
        "{:<14} {:>7} {:>11} {:>7} {:>12}",
        "area", "passed", "deliberate", "failed", "unsupported"
    );
    let mut failed = 0;
    for (area, counts) in by_area {
        failed += counts.failed;
        println!(
            "{area:<14} {:>7} {:>11} {:>7} {:>12}",
            counts.passed, counts.deliberate, counts.failed, counts.python
        );
    }
    for (name, ids) in python {
        println!(
            "unsupported: {name}, which only makes sense inside Python ({})",
            ids.join(", ")
        );
    }
    failed
}
