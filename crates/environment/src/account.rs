//! What an environment knows when something fails in it: drivers that are not up, and their last
//! log lines.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use standin_driver::{Driver, Lifecycle};
use standin_entity::Status;

use crate::members::Members;

/// How many drivers that are not as they should be an error mentions.
const IN_ERRORS: usize = 5;
/// How many drivers a summary goes into, and how many it only names.
const IN_SUMMARIES: usize = 20;
/// How many lines of the logs of one driver are shown.
const LINES: usize = 12;

/// Returns possible causes of a failed operation of the driver `asking`: drivers that came down by
/// themselves, with their last log lines, and the location of the files. `None` if there are no
/// such drivers and no files.
pub(crate) fn explanation(members: &Members, asking: &str) -> Option<String> {
    let around: Vec<Arc<Members>> =
        std::iter::successors(members.parent(), |members| members.parent()).collect();
    let mut lines = Vec::new();
    lines.extend(members.broken().map(|broken| broken.to_string()));
    let mut more = 0;
    let mut has_files = false;
    for members in std::iter::once(members).chain(around.iter().map(|around| &**around)) {
        // While drivers start and stop, most of them are in some other state.
        let is_settled = !members.turn.is_busy();
        for (name, driver) in members.snapshot() {
            has_files |= has_logs(&*driver);
            let status = driver.status();
            let sentence = match trouble(&*driver, status) {
                Some(trouble) => Some((format!("{} {trouble}", title(&name, &*driver)), true)),
                None if is_settled && status != Status::Started && name != asking => {
                    Some((format!("{} is {status}", title(&name, &*driver)), false))
                }
                None => None,
            };
            let Some((sentence, has_last_words)) = sentence else {
                continue;
            };
            if lines.len() > IN_ERRORS {
                more += 1;
                continue;
            }
            let mut text = format!("meanwhile: {sentence}");
            if has_last_words {
                write_log(&mut text, &*driver, "  ");
            }
            lines.push(text);
        }
    }
    if more > 0 {
        lines.push(format!(
            "meanwhile: {more} more drivers are in an unexpected state"
        ));
    }
    if (has_files || !lines.is_empty())
        && let Some(runpath) = members.entity.runpath().filter(|path| has_entries(path))
    {
        lines.push(format!("files: {}", runpath.display()));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Every driver with its status, and the last lines of what it wrote.
pub(crate) fn summary(members: &Members) -> String {
    let mut text = String::new();
    let mut plain = Vec::new();
    let mut shown = 0;
    let mut more = 0;
    for (name, driver) in members.snapshot() {
        let status = driver.status();
        let trouble = trouble(&*driver, status);
        if status == Status::Started && trouble.is_none() && !has_logs(&*driver) {
            plain.push(name);
            continue;
        }
        shown += 1;
        if shown > IN_SUMMARIES {
            more += 1;
            continue;
        }
        let _ = write!(text, "\n  {}: {status}", title(&name, &*driver));
        if let Some(trouble) = trouble {
            let _ = write!(text, ", {trouble}");
        }
        write_log(&mut text, &*driver, "    ");
    }
    if more > 0 {
        let _ = write!(text, "\n  and {more} more drivers");
    }
    if !plain.is_empty() {
        let names: Vec<String> = plain
            .iter()
            .take(IN_SUMMARIES)
            .map(|name| format!("\"{name}\""))
            .collect();
        let _ = write!(text, "\n  {}: {}", Status::Started, names.join(", "));
        if let Some(more) = plain
            .len()
            .checked_sub(IN_SUMMARIES)
            .filter(|more| *more > 0)
        {
            let _ = write!(text, " and {more} more");
        }
    }
    text
}

/// What is wrong with a driver that should be up. It is asked while something has gone wrong
/// already: what it does itself must not hide that.
fn trouble(driver: &dyn Driver, status: Status) -> Option<String> {
    if !matches!(status, Status::Started | Status::Paused) {
        return None;
    }
    asked(|| driver.trouble()).flatten()
}

fn write_log(text: &mut String, driver: &dyn Driver, indent: &str) {
    let Some(Ok(lines)) = asked(|| driver.fetch_error_log()) else {
        return;
    };
    let left = lines.len().saturating_sub(LINES);
    let recorder = driver.base().recorder();
    for line in lines.iter().take(LINES) {
        let _ = write!(text, "\n{indent}{}", recorder.redacted(line));
    }
    if left > 0 {
        let _ = write!(text, "\n{indent}  ({left} more lines)");
    }
}

fn has_logs(driver: &dyn Driver) -> bool {
    let paths = asked(|| [driver.err_path(), driver.out_path(), driver.log_path()]);
    let mut paths = paths.into_iter().flatten().flatten();
    paths.any(|path| path.metadata().is_ok_and(|metadata| metadata.len() > 0))
}

fn has_entries(path: &Path) -> bool {
    path.read_dir()
        .is_ok_and(|mut entries| entries.next().is_some())
}

fn asked<T>(question: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(question)).ok()
}

/// `tcp server "upstream"`.
fn title(name: &str, driver: &dyn Driver) -> String {
    let mut kind = String::new();
    for letter in driver.base().kind().chars() {
        if letter.is_uppercase() && !kind.is_empty() {
            kind.push(' ');
        }
        kind.extend(letter.to_lowercase());
    }
    format!("{kind} \"{name}\"")
}
