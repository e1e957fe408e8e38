//! A start that is looked at, that has a limit, and that gives the environment back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod support;

use std::thread;
use std::time::Duration;

use standin_driver::Lifecycle;
use standin_entity::{Report, Status};
use standin_environment::{DriverTypes, Environment, EnvironmentError, FailedStart};
use support::{LONG, Probe, Trace, discard};

fn probe(name: &str, trace: &Trace) -> Probe {
    Probe::builder(name, trace).build().unwrap()
}

fn history(report: &Report) -> Vec<String> {
    let events = report.history();
    events
        .map(|(who, event)| format!("{} {event}", who.name))
        .collect()
}

#[test]
fn an_environment_can_be_looked_at_while_it_starts() {
    let trace = Trace::default();
    let mut env = Environment::new("observed");
    env.add(probe("first", &trace)).unwrap();
    let second = Probe::builder("second", &trace).blocks_in("starting");
    env.add(second.build().unwrap()).unwrap();
    env.add(probe("third", &trace)).unwrap();
    let view = env.view();
    let env = thread::scope(|scope| {
        let start = scope.spawn(|| env.start().unwrap());
        trace.wait_for("second starting");
        let statuses = view.statuses().into_iter().map(|(_, status)| status);
        let now: Vec<Status> = statuses.collect();
        assert_eq!(now, [Status::Started, Status::Starting, Status::None]);
        assert_eq!(view.names(), ["first", "second", "third"]);
        assert_eq!(view.driver("first").unwrap().name(), "first");
        assert!(view.get::<Probe>("second").is_ok() && view.runpath().is_some());
        trace.release();
        start.join().unwrap()
    });
    drop(env);
    assert!(
        view.drivers()
            .iter()
            .all(|driver| driver.status() == Status::Stopped)
    );
    let order = [
        "first STARTING",
        "first STARTED",
        "second STARTING",
        "second STARTED",
        "third STARTING",
        "third STARTED",
        "third STOPPING",
        "third STOPPED",
        "second STOPPING",
        "second STOPPED",
        "first STOPPING",
        "first STOPPED",
    ];
    assert_eq!(history(&view.report()), order);
}

#[test]
fn a_start_that_fails_gives_the_environment_back() {
    let trace = Trace::default();
    let mut env = Environment::new("mended");
    env.add(probe("a", &trace)).unwrap();
    let broken = Probe::builder("b", &trace).fails_in("starting");
    env.add(broken.build().unwrap()).unwrap();
    let FailedStart {
        mut environment,
        error,
        ..
    } = env.try_start().unwrap_err();
    assert!(matches!(error, EnvironmentError::Start(_)), "{error}");
    assert_eq!(environment.names(), ["a", "b"]);
    assert_eq!(environment.driver("a").unwrap().status(), Status::Stopped);

    environment.remove("b").unwrap();
    environment.add(probe("b", &trace)).unwrap();
    let env = environment.start().unwrap();
    assert!(
        env.statuses()
            .iter()
            .all(|(_, status)| *status == Status::Started)
    );
    let seen = history(&env.report());
    assert!(
        !seen.iter().any(|event| event.contains("failed")),
        "that driver has left: {seen:?}"
    );
    env.stop().unwrap();
}

#[test]
fn what_is_wrong_before_anything_starts_gives_the_environment_back_too() {
    let mut env = Environment::new("a/b");
    assert!(env.set_context("stage", "test").is_ok());
    let FailedStart {
        environment, error, ..
    } = env.try_start().unwrap_err();
    assert!(matches!(error, EnvironmentError::Name(_)), "{error}");
    assert!(environment.is_empty());
}

#[test]
fn the_whole_start_has_a_limit() {
    for concurrent in [false, true] {
        let trace = Trace::default();
        let mut env = Environment::builder("late")
            .start_limit(Duration::from_secs(1))
            .timeout(LONG)
            .concurrent(concurrent)
            .build()
            .unwrap();
        env.add(probe("up", &trace)).unwrap();
        let stuck = Probe::builder("stuck", &trace).never_ready_in("started_check");
        env.add(stuck.build().unwrap()).unwrap();
        let FailedStart {
            mut environment,
            error,
            ..
        } = env.try_start().unwrap_err();
        let shown = format!("{error:?}");
        assert!(
            shown.starts_with(
                "environment \"late\" did not start within 1s: driver \"stuck\" was stopped while it started"
            ),
            "{shown}"
        );
        assert!(
            shown.contains("`start_limit` of the environment (now 1s)"),
            "{shown}"
        );
        let EnvironmentError::Start(failed) = error else {
            panic!("{shown}");
        };
        assert_eq!(failed.limit, Some(Duration::from_secs(1)));
        let statuses = environment.statuses();
        assert!(
            statuses
                .iter()
                .all(|(_, status)| *status == Status::Stopped),
            "{statuses:?}"
        );
        // Nothing of the limit is left: without the one that is stuck it starts.
        environment.remove("stuck").unwrap();
        let options = environment.options();
        options.set_local("start_limit", "1m").unwrap();
        environment.start().unwrap().stop().unwrap();
    }
}

#[test]
fn a_replacement_is_not_tried_when_the_time_is_over() {
    let trace = Trace::default();
    let mut env = Environment::builder("late")
        .start_limit(Duration::from_millis(100))
        .build()
        .unwrap();
    let stuck = Probe::builder("stuck", &trace).never_ready_in("started_check");
    env.add(stuck.build().unwrap()).unwrap();
    let of_replacement = Trace::default();
    let its_trace = of_replacement.clone();
    env.register_failover("stuck", move || Ok(probe("stuck", &its_trace)))
        .unwrap();
    let error = env.start().unwrap_err();
    assert!(error.to_string().contains("within 100ms"), "{error}");
    assert!(of_replacement.take().is_empty());
    let EnvironmentError::Start(failed) = error else {
        panic!("drivers failed");
    };
    failed.runpath.iter().for_each(|runpath| discard(runpath));
}

#[test]
fn the_limit_can_be_in_a_file() {
    let text = "name = 'limited'\nstart_limit = '1m'\n";
    let env = DriverTypes::standard()
        .parse("environment.toml", text)
        .unwrap();
    let config: standin_environment::EnvironmentConfig = env.options().resolve().unwrap();
    assert_eq!(config.start_limit, Some(Duration::from_secs(60)));
    env.start().unwrap().stop().unwrap();
}
