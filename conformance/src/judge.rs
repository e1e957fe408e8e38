//! Runs vectors, and says what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value as Json;
use standin_sync::Unpoisoned;

use crate::compare;
use crate::differences::Differences;
use crate::error::ConformanceError;
use crate::operations;
use crate::print;
use crate::vectors::Vector;

/// How many vectors run at once, for each processor: most of them wait.
const AT_ONCE: usize = 6;

/// How often a vector that failed runs again, with nothing beside it: a busy
/// machine does not count as a difference.
const RETRIES: usize = 5;

/// When more vectors failed, it was not the machine. One that stands still for a moment may fail
/// all those that run at once.
const TOO_MANY: usize = 50;

/// What became of one vector.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    Deliberate,
    /// Needs an operation that only makes sense inside Python.
    PythonOnly(BTreeSet<String>),
    Failed(Vec<String>),
}

/// Runs the vectors, many at once, and once more those that failed.
pub(crate) fn all(
    vectors: &[Vector],
    differences: &Differences,
    show: bool,
) -> Result<Vec<Verdict>, ConformanceError> {
    let mut verdicts = at_once(vectors, differences, show)?;
    let failed = |verdict: &Verdict| matches!(verdict, Verdict::Failed(_));
    let retries = match verdicts.iter().filter(|verdict| failed(verdict)).count() {
        0..=TOO_MANY => RETRIES,
        _ => 0,
    };
    for (vector, verdict) in vectors.iter().zip(&mut verdicts) {
        for _ in 0..retries {
            if failed(verdict) {
                *verdict = judge(vector, differences, false)?;
            }
        }
    }
    Ok(verdicts)
}

fn at_once(
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
                    let next = queue.lock().unpoisoned().next();
                    let Some((index, vector)) = next else { return };
                    let verdict = judge(vector, differences, show);
                    let mut verdicts = verdicts.lock().unpoisoned();
                    verdicts.insert(index, verdict);
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unpoisoned();
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
        print(&text)?;
    }
    Ok(verdict(vector, &answers, differences))
}

/// The vector, with a short bound for steps that are listed as blocking.
fn bounded(vector: &Vector, differences: &Differences) -> Vector {
    const SHORT: f64 = 1.5;
    let mut vector = vector.clone();
    for (step, answer) in differences.of(&vector.id) {
        if let Some(step) = vector.steps.get_mut(step)
            && answer.allows(Some(compare::BLOCKS))
        {
            step.bound.get_or_insert(SHORT);
        }
    }
    vector
}

fn verdict(vector: &Vector, answers: &[Json], differences: &Differences) -> Verdict {
    let listed = differences.of(&vector.id);
    let mut lines = Vec::new();
    let mut entry = String::new();
    for (index, step) in vector.steps.iter().enumerate() {
        let place = format!("step {index} ({})", step.op);
        let Some(answer) = answers.get(index) else {
            lines.push(format!("{place} was not run"));
            break;
        };
        let found = compare::difference(step, answer);
        if let Some(found) = &found {
            entry += &format!("\n    {index} = {}", toml::Value::from(found.as_str()));
        }
        match (found, listed.get(&index)) {
            (None, None) => {}
            (found, Some(listed)) if listed.allows(found.as_deref()) => {}
            (Some(_), None) => lines.push(format!(
                "{place}\n    wanted {}\n    got    {answer}",
                step.wanted()
            )),
            (Some(found), Some(listed)) => {
                lines.push(format!("{place}\n    listed {listed}\n    got    {found}"))
            }
            (None, Some(_)) => lines.push(format!("{place}: the listed difference is not there")),
        }
    }
    let last = listed.last_key_value().map(|(step, _)| *step);
    if let Some(step) = last.filter(|step| *step >= vector.steps.len()) {
        lines.push(format!(
            "there is no step {step}, for which a difference is listed"
        ));
    }
    if !lines.is_empty() && !entry.is_empty() {
        lines.push(format!(
            "as an entry of differences.toml:\n    [{}]{entry}",
            vector.id
        ));
    }
    match (lines.is_empty(), listed.is_empty()) {
        (true, true) => Verdict::Passed,
        (true, false) => Verdict::Deliberate,
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
        .arg("--execute")
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
