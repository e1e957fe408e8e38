//! Any graph of dependencies, and any failures in it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;
use standin_driver::Lifecycle;
use standin_entity::Status;
use standin_environment::{Environment, EnvironmentError, NotStarted, NotStopped};
use support::{Probe, Trace};

const STEPS: [&str; 5] = [
    "starting",
    "started_check",
    "post_start",
    "stopping",
    "post_stop",
];

/// Drivers, who starts before whom, and who fails in which step.
#[derive(Clone, Debug)]
struct Case {
    count: usize,
    edges: BTreeSet<(usize, usize)>,
    failing: Vec<(usize, &'static str)>,
    workers: Option<usize>,
}

fn cases() -> impl Strategy<Value = Case> {
    (1usize..12).prop_flat_map(|count| {
        let place = 0..count;
        (
            Just(count),
            prop::collection::vec((place.clone(), place.clone()), 0..20),
            prop::collection::vec((place, prop::sample::select(&STEPS[..])), 0..3),
            prop::option::of(1usize..4),
        )
            .prop_map(|(count, edges, failing, workers)| Case {
                count,
                edges: edges.into_iter().filter(|(a, b)| a < b).collect(),
                failing,
                workers,
            })
    })
}

fn name(place: usize) -> String {
    format!("p{place}")
}

fn environment(case: &Case, trace: &Trace, folder: &tempfile::TempDir) -> Environment {
    let mut options = Environment::builder("any")
        .runpath(folder.path().join("run"))
        .concurrent(true);
    if let Some(workers) = case.workers {
        options = options.workers(workers);
    }
    let mut env = options.build().unwrap();
    for place in 0..case.count {
        let probe = Probe::builder(&name(place), trace);
        let step = case.failing.iter().find(|(failing, _)| *failing == place);
        let probe = match step {
            Some((_, step)) => probe.fails_in((*step).to_owned()),
            None => probe,
        };
        env.add(probe.build().unwrap()).unwrap();
    }
    for (first, then) in &case.edges {
        env.add_dependency(name(*first), name(*then)).unwrap();
    }
    env
}

/// Where in the trace a driver comes to a step.
fn position(lines: &[String], place: usize, step: &str) -> Option<usize> {
    let line = format!("{} {step}", name(place));
    lines.iter().position(|other| *other == line)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_is_kept_everything_comes_down_and_every_failure_is_told(case in cases()) {
        let folder = tempfile::tempdir().unwrap();
        let trace = Trace::default();
        let env = environment(&case, &trace, &folder);
        let drivers = env.drivers();
        let started = env.start();
        let is_up = started.is_ok();
        let error = match started {
            Ok(env) => {
                let all_up = drivers.iter().all(|driver| driver.status() == Status::Started);
                prop_assert!(all_up);
                env.stop().err()
            }
            Err(error) => Some(error),
        };
        let lines = trace.take();

        // Who starts has all up that it depends on; who stops has all down that depend on it.
        for (first, then) in &case.edges {
            if let Some(start) = position(&lines, *then, "starting") {
                let up = position(&lines, *first, "post_start");
                prop_assert!(up.is_some_and(|up| up < start), "{lines:?}");
                let down = position(&lines, *then, "post_stop");
                let stop = position(&lines, *first, "stopping");
                prop_assert!(down < stop, "{lines:?}");
            }
        }

        // Nothing is up at the end.
        for driver in &drivers {
            let down = matches!(driver.status(), Status::None | Status::Stopped);
            prop_assert!(down, "{}", driver.name());
        }

        // Each failure that happened is told, and nothing else.
        let happened: BTreeSet<usize> = (0..case.count)
            .filter(|place| {
                let step = case.failing.iter().find(|(failing, _)| failing == place);
                step.is_some_and(|(_, step)| position(&lines, *place, step).is_some())
            })
            .collect();
        prop_assert_eq!(error.is_some(), !happened.is_empty());
        let Some(error) = error else { return Ok(()) };
        let (failures, left) = match &error {
            EnvironmentError::Start(NotStarted { failures, not_started, waiting, .. }) => {
                prop_assert!(!is_up);
                for waiting in waiting {
                    prop_assert!(waiting.dependents.iter().all(|name| not_started.contains(name)));
                }
                (failures, not_started.clone())
            }
            EnvironmentError::Stop(NotStopped { failures, .. }) => (failures, Vec::new()),
            other => panic!("{other:?}"),
        };
        let told: Vec<String> = failures.iter().map(ToString::to_string).collect();
        for place in happened {
            let label = format!("driver \"{}\"", name(place));
            prop_assert!(told.iter().any(|text| text.contains(&label)), "{label}: {told:?}");
        }
        for place in 0..case.count {
            let never = position(&lines, place, "starting").is_none();
            prop_assert_eq!(left.contains(&name(place)), never && !is_up);
        }
    }
}
