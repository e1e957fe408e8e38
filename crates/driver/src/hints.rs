//! Guesses why a start never became ready.

use standin_config::Pattern;

use crate::baseline::Baseline;
use crate::driver_log::DriverLog;
use crate::extracts::Extracts;
use crate::log::position::End;
use crate::log::regexps::Regexps;
use crate::{Driver, DriverConfig, Lifecycle, Readiness};

/// A line for each guess.
pub(crate) fn hints(
    driver: &dyn Driver,
    config: &DriverConfig,
    baseline: &Baseline,
) -> Vec<String> {
    let mut hints = Vec::new();
    let mut sought: Vec<(DriverLog, &Pattern)> = Vec::new();
    for log in DriverLog::ALL {
        sought.extend(log.regexps(config).iter().map(|pattern| (log, pattern)));
    }
    for condition in &config.ready {
        collect(condition, &mut sought);
    }
    let mut is_silent = false;
    for (log, pattern) in sought {
        let Some(path) = log.path(driver) else {
            continue;
        };
        if matches(driver, log, pattern, baseline) {
            continue;
        }
        let other = DriverLog::ALL.into_iter().rev().find(|other| {
            other.path(driver).is_some_and(|other| other != path)
                && matches(driver, *other, pattern, baseline)
        });
        if let Some(other) = other {
            hints.push(format!(
                "hint: `{pattern}` matches a line of the {}: `{}` looks there",
                other.name(),
                other.option()
            ));
        }
        let is_empty = std::fs::metadata(&path).is_ok_and(|file| file.len() == 0);
        is_silent |= is_empty && driver.out_path() == Some(path);
    }
    if hints.is_empty() && is_silent && driver.is_alive() {
        hints.push(
            "hint: nothing is in the standard output, although the program runs: many programs \
             hold back what they write to a file; have it written at once (Python: `-u`, or \
             PYTHONUNBUFFERED=1)"
                .to_owned(),
        );
    }
    hints
}

fn collect<'a>(condition: &'a Readiness, sought: &mut Vec<(DriverLog, &'a Pattern)>) {
    match condition {
        Readiness::Log(log) => {
            sought.extend(log.of_driver().map(|pattern| (DriverLog::Log, pattern)))
        }
        Readiness::All(conditions) | Readiness::Any(conditions) => {
            for condition in conditions {
                collect(condition, sought);
            }
        }
        _ => {}
    }
}

/// Whether some line matches that was written since the start. What cannot be read does not.
fn matches(driver: &dyn Driver, log: DriverLog, pattern: &Pattern, baseline: &Baseline) -> bool {
    let Some(path) = log.path(driver) else {
        return false;
    };
    let since: End = baseline.log(&path);
    let patterns = std::slice::from_ref(pattern);
    let Ok(mut regexps) = Regexps::new(log.option(), path, patterns, since) else {
        return false;
    };
    let found = regexps.check(driver.name(), true, &mut Extracts::new());
    found.unwrap_or_default()
}
