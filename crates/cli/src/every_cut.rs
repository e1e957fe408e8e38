//! `standin every-cut`.

use standin_session::{CutRuns, Outcome};

use crate::arguments::EveryCut;
use crate::output::Output;
use crate::print;
use crate::run::sweeper;

pub(crate) fn run(arguments: &EveryCut) -> u8 {
    let output = Output::new(&arguments.output);
    let mut every_cut = standin::EveryCut::new()
        .kinds(arguments.faults.iter().copied())
        .inside_frames(arguments.inside)
        .every_bytes(arguments.bytes)
        .time_limit(arguments.time)
        .max_runs(arguments.max_runs);
    if let Some(failures) = arguments.max_failures {
        every_cut = every_cut.most_failures(failures);
    }
    if let Some(workers) = arguments.workers {
        every_cut = every_cut.workers(workers);
    }
    if let Some(seed) = arguments.seed {
        every_cut = every_cut.seed(seed);
    }
    let runs = CutRuns {
        file: arguments.environment.file.clone(),
        settings: arguments.environment.set.clone(),
        command: arguments.command.clone(),
        limit: arguments.limit,
        every_cut,
        only: arguments.cut.clone(),
    };
    let outcome = sweeper(&[]).and_then(|_sweeper| runs.run());
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            output.error(&error);
            return Outcome::FAILED;
        }
    };
    let written = print(&outcome.report.to_string());
    match outcome.ended_by {
        Some(signal) => Outcome::code_of_signal(signal),
        None if outcome.report.failures().next().is_some() => 1,
        None => written,
    }
}
