//! The last lines of everything that a driver writes, for its errors.

use std::path::PathBuf;

use crate::log::tail::tail;
use crate::{Driver, DriverConfig, Lifecycle};

/// A line that is longer is cut.
const LONGEST: usize = 8 << 10;

/// For each log that has something in it a heading, and its last lines,
/// indented. Blank lines are between them.
pub(crate) fn fetch(driver: &dyn Driver, config: &DriverConfig) -> Vec<String> {
    let most = usize::try_from(config.resource.entity.error_logs_max_lines)
        .ok()
        .filter(|lines| *lines > 0);
    let runpath = driver.base().resource().entity().runpath();
    let own = config.file_logger.as_ref().zip(runpath);
    let candidates = [
        driver.err_path(),
        driver.out_path(),
        driver.log_path(),
        own.map(|(name, runpath)| runpath.join(name)),
    ];
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in candidates.into_iter().flatten() {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let mut content = Vec::new();
    for path in paths {
        let lines = match tail(&path, most) {
            Ok(lines) => lines,
            // What cannot be read says so: it must not hide what is being explained.
            Err(error) => vec![format!("(cannot be read: {error})")],
        };
        if lines.is_empty() {
            continue;
        }
        if !content.is_empty() {
            content.push(String::new());
        }
        content.push(format!("Information from log file: {}", path.display()));
        content.extend(lines.into_iter().map(|line| format!("  {}", short(line))));
    }
    tracing::trace!(driver = driver.name(), lines = content.len(), "read logs");
    content
}

fn short(mut line: String) -> String {
    if line.len() > LONGEST {
        let cut = (0..=LONGEST).rev().find(|at| line.is_char_boundary(*at));
        let rest = line.split_off(cut.unwrap_or_default()).len();
        line.push_str(&format!("… ({rest} bytes more)"));
    }
    line
}
