//! What failed in an environment, in the reference's words.

use standin::entity::{StartError, Step, StopError, WaitError};
use standin::environment::Failure as Failed;

use crate::category;
use crate::failure::Failure;
use crate::value::Value;

/// One driver's failure.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// `kind[name]`.
    entity: String,
    doing: &'static str,
    /// Whether it was a check that failed, or did not succeed in time.
    in_check: bool,
    category: String,
    message: String,
    evidence: Vec<String>,
}

impl Row {
    pub(super) fn of(failed: &Failed) -> Self {
        let (entity, doing, evidence) = match failed {
            Failed::Start(error) => (error.entity().to_owned(), "starting", of_start(error)),
            Failed::Stop(error) => (error.entity().to_owned(), "stopping", of_stop(error)),
            Failed::Wait(WaitError::Start(error)) => (
                error.entity().to_owned(),
                "waiting to start",
                of_start(error),
            ),
            Failed::Wait(WaitError::Stop(error)) => {
                (error.entity().to_owned(), "waiting to stop", of_stop(error))
            }
            other => (entity_in(&other.to_string()), "waiting", Vec::new()),
        };
        let (category, message) = match category::of_diagnostic(failed) {
            Failure::Error {
                category, message, ..
            } => (category, message),
            Failure::Broken(message) => ("generic".to_owned(), message),
        };
        Row {
            entity,
            doing,
            in_check: in_check(failed),
            category,
            message: cause(failed).unwrap_or(message),
            evidence,
        }
    }

    /// The recorded form.
    pub(super) fn value(&self, by_dependencies: bool, full: bool) -> Value {
        // There, checks are waited for apart when the start follows dependencies.
        let (what, doing) = match (by_dependencies, self.doing) {
            (true, "starting") if self.in_check => ("driver", "waiting to start"),
            (true, "stopping") if self.in_check => ("driver", "waiting to stop"),
            (true, doing) => ("driver", doing),
            (false, doing) => ("resource", doing),
        };
        let entity = &self.entity;
        let name = entity
            .split_once('[')
            .map_or(entity.as_str(), |(_, name)| name);
        let name = name.strip_suffix(']').unwrap_or(name);
        let doing = match doing {
            "waiting to start" => format!("While waiting for {what} {entity} to start:"),
            "waiting to stop" => format!("While waiting for {what} {entity} to stop:"),
            doing => format!("While {doing} {what} {entity}:"),
        };
        let verb = if self.doing.contains("stop") {
            "stopping"
        } else {
            "starting"
        };
        let line = match self.category.as_str() {
            "timeout" => format!(
                "testplan.common.utils.timing.TimeoutException: Timeout when {verb} {entity}. \
                 Started at <TS>, raised at <TS> after <SECS>s."
            ),
            "runtime_error" => format!("RuntimeError: {}", self.message),
            category => format!("{category}: {}", self.message),
        };
        let mut row = vec![
            ("driver", Value::text(name)),
            ("first_line", Value::text(format!("ERROR: {doing}"))),
            ("exception_line", Value::text(&line)),
        ];
        if full {
            let after: String = self
                .evidence
                .iter()
                .map(|line| format!("\n{line}"))
                .collect();
            row.push(("exception_lines", Value::List(vec![Value::text(line)])));
            row.push(("after_traceback", Value::text(after)));
        }
        let row = row
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Value::Map(row.collect())
    }
}

fn in_check(failed: &Failed) -> bool {
    match failed {
        Failed::Start(StartError::Step { step, .. })
        | Failed::Stop(StopError::Step { step, .. }) => {
            matches!(step, Step::StartedCheck | Step::StoppedCheck)
        }
        Failed::Start(StartError::Timeout { .. }) | Failed::Stop(StopError::Timeout { .. }) => true,
        _ => false,
    }
}

/// The message of the step that failed.
fn cause(failed: &Failed) -> Option<String> {
    let error: &(dyn std::error::Error + 'static) = failed;
    error.source().map(|source| {
        let mut source = source;
        while let Some(deeper) = source.source() {
            source = deeper;
        }
        source.to_string()
    })
}

fn of_start(error: &StartError) -> Vec<String> {
    match error {
        StartError::Step { evidence, .. } | StartError::Timeout { evidence, .. } => {
            evidence.0.clone()
        }
        _ => Vec::new(),
    }
}

fn of_stop(error: &StopError) -> Vec<String> {
    match error {
        StopError::Step { evidence, .. } | StopError::Timeout { evidence, .. } => {
            evidence.0.clone()
        }
        _ => Vec::new(),
    }
}

/// Messages begin with who they are about.
fn entity_in(message: &str) -> String {
    match message.split_once(']') {
        Some((before, _)) => format!("{before}]"),
        None => message.to_owned(),
    }
}
