//! The order of start and stop, and what happens when one of them fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod support;

use std::sync::Barrier;
use std::time::Duration;

use standin_driver::{Driver, Lifecycle};
use standin_entity::{Error, Status};
use standin_environment::{
    Environment, EnvironmentError, NotStarted, NotStopped, RunningEnvironment,
};
use support::{Probe, Trace, discard};

fn abc(trace: &Trace) -> Environment {
    let mut env = Environment::new("abc");
    for name in ["a", "b", "c"] {
        env.add(Probe::builder(name, trace).build().unwrap())
            .unwrap();
    }
    env
}

#[test]
fn handles_are_send_and_sync() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    check::<Environment>();
    check::<RunningEnvironment>();
    check::<standin_environment::AbortHandle>();
    check::<EnvironmentError>();
}

#[test]
fn starts_in_declared_order_and_stops_in_reverse() {
    let trace = Trace::default();
    let env = abc(&trace).start().unwrap();
    assert_eq!(
        trace.take(),
        [
            "a starting",
            "a started_check",
            "a post_start",
            "b starting",
            "b started_check",
            "b post_start",
            "c starting",
            "c started_check",
            "c post_start"
        ]
    );
    env.stop().unwrap();
    assert_eq!(trace.take_step("stopping"), ["c", "b", "a"]);
    env.stop().unwrap();
    assert!(trace.take().is_empty(), "a second stop has nothing to do");
}

#[test]
fn a_drop_stops() {
    let trace = Trace::default();
    drop(abc(&trace).start().unwrap());
    assert_eq!(trace.take_step("stopping"), ["c", "b", "a"]);
}

#[test]
fn a_panic_of_the_test_stops() {
    let trace = Trace::default();
    let env = abc(&trace).start().unwrap();
    let runpath = env.runpath().unwrap();
    std::fs::write(runpath.join("a/log"), "the price is wrong").unwrap();
    let test = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _env = env;
        panic!("an assertion failed");
    }));
    assert!(test.is_err());
    assert_eq!(trace.take_step("stopping"), ["c", "b", "a"]);
    assert!(runpath.join("a/log").exists(), "the evidence stays");
    assert!(!runpath.join("b").exists(), "what is empty does not");
    discard(&runpath);
}

#[test]
fn drivers_with_async_start_are_waited_for_at_the_end() {
    let trace = Trace::default();
    let mut env = Environment::new("async");
    env.add(
        Probe::builder("a", &trace)
            .async_start(true)
            .build()
            .unwrap(),
    )
    .unwrap();
    env.add(Probe::builder("b", &trace).build().unwrap())
        .unwrap();
    let env = env.start().unwrap();
    assert_eq!(
        trace.take(),
        [
            "a starting",
            "b starting",
            "b started_check",
            "b post_start",
            "a started_check",
            "a post_start"
        ]
    );
    assert_eq!(
        env.statuses(),
        [
            ("a".to_owned(), Status::Started),
            ("b".to_owned(), Status::Started)
        ]
    );
}

#[test]
fn drivers_without_auto_start_are_left_alone() {
    let trace = Trace::default();
    let mut env = Environment::new("by hand");
    let a = env
        .add(
            Probe::builder("a", &trace)
                .auto_start(false)
                .build()
                .unwrap(),
        )
        .unwrap();
    let env = env.start().unwrap();
    assert_eq!(a.status(), Status::None);
    a.start().unwrap();
    env.stop().unwrap();
    assert_eq!(trace.take_step("stopping"), ["a"]);
}

#[test]
fn a_failure_stops_what_is_up_and_is_told_with_everything_else() {
    for (failing, panics) in [
        ("starting", false),
        ("started_check", false),
        ("post_start", false),
        ("starting", true),
    ] {
        let trace = Trace::default();
        let mut env = Environment::new("failing");
        // An empty file is one, too, when something failed.
        let a = Probe::builder("a", &trace).file_logger("a.log");
        env.add(a.build().unwrap()).unwrap();
        let b = Probe::builder("b", &trace);
        let b = if panics {
            b.panics_in(failing.to_owned())
        } else {
            b.fails_in(failing.to_owned())
        };
        let b = env.add(b.build().unwrap()).unwrap();
        let c = env
            .add(Probe::builder("c", &trace).build().unwrap())
            .unwrap();
        let a = env.get::<Probe>("a").unwrap();
        let error = env.start().unwrap_err();
        let EnvironmentError::Start(NotStarted {
            failures,
            not_started,
            runpath,
            ..
        }) = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!(failures.len(), 1);
        assert_eq!(not_started, &["c"]);
        assert_eq!(
            (a.status(), b.status(), c.status()),
            (Status::Stopped, Status::Stopped, Status::None)
        );
        assert!(!trace.take().contains(&"c starting".to_owned()));
        let runpath = runpath.clone().unwrap();
        assert!(
            runpath.join("a/a.log").exists() && !runpath.join("b").exists(),
            "the evidence stays, and what is empty goes"
        );
        discard(&runpath);
        let text =
            format!("{:?}", Error::from(error)).replace(&runpath.display().to_string(), "RUNPATH");
        assert!(text.contains("driver \"b\""), "{text}");
        assert!(
            text.contains(&format!(
                "the {failing} of b {}",
                if panics { "panics" } else { "fails" }
            )),
            "{text}"
        );
        assert!(text.contains("waiting for b: c\n"), "{text}");
    }
}

#[test]
fn a_failing_stop_keeps_nobody_up() {
    let trace = Trace::default();
    let mut env = Environment::new("stubborn");
    env.add(Probe::builder("a", &trace).build().unwrap())
        .unwrap();
    env.add(
        Probe::builder("b", &trace)
            .fails_in("stopping".to_owned())
            .build()
            .unwrap(),
    )
    .unwrap();
    env.add(Probe::builder("c", &trace).build().unwrap())
        .unwrap();
    let env = env.start().unwrap();
    std::fs::write(env.runpath().unwrap().join("a/log"), "").unwrap();
    trace.take();
    let error = env.stop().unwrap_err();
    assert_eq!(trace.take_step("stopping"), ["c", "b", "a"]);
    assert!(
        env.statuses()
            .iter()
            .all(|(_, status)| *status == Status::Stopped)
    );
    let EnvironmentError::Stop(NotStopped {
        failures, runpath, ..
    }) = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(failures.len(), 1);
    discard(&runpath.unwrap());
}

#[test]
fn restarts() {
    let trace = Trace::default();
    let env = abc(&trace).start().unwrap();
    trace.take();
    env.restart().unwrap();
    let steps = trace.take();
    assert_eq!(
        steps
            .iter()
            .filter(|step| step.ends_with(" stopping"))
            .count(),
        3
    );
    assert_eq!(steps.last().unwrap(), "c post_start");
    env.start().unwrap();
    assert!(trace.take().is_empty(), "all are up");
}

#[test]
fn dependencies_decide_the_order() {
    let trace = Trace::default();
    let mut env = abc(&trace);
    env.add_dependency("c", ("a", "b")).unwrap();
    env.add_dependency("b", "a").unwrap();
    let env = env.start().unwrap();
    assert_eq!(trace.take_step("starting"), ["c", "b", "a"]);
    env.stop().unwrap();
    assert_eq!(trace.take_step("stopping"), ["a", "b", "c"]);
}

#[test]
fn independent_drivers_start_and_stop_at_once() {
    let trace = Trace::default();
    let mut env = Environment::builder("together")
        .concurrent(true)
        .build()
        .unwrap();
    // Hangs unless all hooks run at the same time.
    static STARTING: Barrier = Barrier::new(5);
    static STOPPING: Barrier = Barrier::new(5);
    for name in ["a", "b", "c", "d", "e"] {
        let probe = Probe::builder(name, &trace)
            .pre_start(|_| {
                STARTING.wait();
                Ok(())
            })
            .pre_stop(|_| {
                STOPPING.wait();
                Ok(())
            });
        env.add(probe.build().unwrap()).unwrap();
    }
    env.start().unwrap().stop().unwrap();
}

#[test]
fn a_failure_keeps_dependents_down() {
    let trace = Trace::default();
    let mut env = Environment::new("dependents");
    let a = env
        .add(
            Probe::builder("a", &trace)
                .fails_in("starting".to_owned())
                .build()
                .unwrap(),
        )
        .unwrap();
    let b = env
        .add(Probe::builder("b", &trace).build().unwrap())
        .unwrap();
    env.add_dependency(&a, &b).unwrap();
    let error = env.start().unwrap_err();
    let EnvironmentError::Start(NotStarted {
        not_started,
        waiting,
        runpath,
        ..
    }) = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(not_started, &["b"]);
    assert_eq!(waiting[0].driver, "a");
    assert_eq!(waiting[0].dependents, ["b"]);
    assert_eq!(b.status(), Status::None);
    assert_eq!(*runpath, None, "nobody has made a file");
    let text = format!("{:?}", Error::from(error));
    assert!(text.contains("waiting for a: b\n"), "{text}");
}

#[test]
fn a_driver_with_two_names_is_started_and_stopped_once_and_in_its_place() {
    for concurrent in [false, true] {
        let trace = Trace::default();
        let mut env = Environment::builder("twice")
            .concurrent(concurrent)
            .build()
            .unwrap();
        let a = env
            .add(Probe::builder("a", &trace).build().unwrap())
            .unwrap();
        env.add(Probe::builder("b", &trace).build().unwrap())
            .unwrap();
        env.add_as("also a", a).unwrap();
        if concurrent {
            env.add_dependency("also a", "b").unwrap();
        }
        let env = env.start().unwrap();
        assert_eq!(trace.take_step("starting"), ["a", "b"]);
        env.stop().unwrap();
        assert_eq!(trace.take_step("stopping"), ["b", "a"]);
    }
}

#[test]
fn stopping_a_parent_stops_what_belongs_to_it_first() {
    let trace = Trace::default();
    let mut outer = Environment::new("outer");
    outer
        .add(Probe::builder("a", &trace).build().unwrap())
        .unwrap();
    let outer = outer.start().unwrap();
    let mut inner = Environment::new("inner");
    inner.set_parent(&outer).unwrap();
    inner
        .add(Probe::builder("b", &trace).build().unwrap())
        .unwrap();
    let inner = inner.start().unwrap();
    assert!(
        inner
            .runpath()
            .unwrap()
            .starts_with(outer.runpath().unwrap())
    );
    trace.take();
    outer.stop().unwrap();
    assert_eq!(trace.take_step("stopping"), ["b", "a"]);
    outer.restart().unwrap();
    inner.restart().unwrap();
    assert_eq!(trace.take_step("starting"), ["a", "b"]);
}

#[test]
fn a_driver_that_was_removed_may_come_back() {
    let trace = Trace::default();
    let mut env = abc(&trace);
    let b = env.get::<Probe>("b").unwrap();
    env.add_dependency("c", "b").unwrap();
    env.remove("b").unwrap();
    assert_eq!(env.entity().report().children.len(), 2);
    env.add_as("b", b).unwrap();
    drop(env.start().unwrap());
    assert_eq!(trace.take_step("starting"), ["a", "c", "b"]);
}

#[test]
fn an_abort_ends_a_start() {
    let trace = Trace::default();
    let mut env = Environment::new("aborted");
    let (entered, wait) = std::sync::mpsc::channel();
    let a = Probe::builder("a", &trace)
        .async_start(true)
        .post_start(move |_| {
            entered.send(()).map_err(Error::other)?;
            Ok(())
        })
        .build()
        .unwrap();
    env.add(a).unwrap();
    let handle = env.abort_handle();
    let env = env.start().unwrap();
    wait.recv_timeout(Duration::from_secs(10)).unwrap();
    handle.abort();
    assert!(handle.is_aborted());
    assert!(
        env.start().is_err(),
        "an aborted environment does not start again"
    );
}

#[test]
fn leaves_no_files_after_a_clean_stop() {
    let trace = Trace::default();
    let env = abc(&trace).start().unwrap();
    let runpath = env.runpath().unwrap();
    assert!(runpath.join("a").is_dir());
    env.stop().unwrap();
    assert!(!runpath.exists());
}

#[test]
fn keeps_files_where_it_was_told_to_put_them() {
    let folder = tempfile::tempdir().unwrap();
    let trace = Trace::default();
    let mut env = Environment::builder("kept")
        .runpath(folder.path().join("run"))
        .build()
        .unwrap();
    let a = env
        .add(Probe::builder("a", &trace).build().unwrap())
        .unwrap();
    let env = env.start().unwrap();
    env.stop().unwrap();
    assert_eq!(
        a.context().text("runpath").unwrap(),
        folder.path().join("run/a").display().to_string()
    );
    assert!(folder.path().join("run/a").is_dir());
}

#[test]
fn reports_what_happened() {
    let trace = Trace::default();
    let env = abc(&trace).start().unwrap();
    env.stop().unwrap();
    let report = env.report();
    let names: Vec<&str> = report
        .children
        .iter()
        .map(|child| child.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn a_replacement_takes_the_place_of_what_does_not_start() {
    for concurrent in [false, true] {
        let trace = Trace::default();
        let mut env = Environment::builder("replaced")
            .concurrent(concurrent)
            .build()
            .unwrap();
        let broken = Probe::builder("server", &trace).fails_in("starting".to_owned());
        env.add(broken.build().unwrap()).unwrap();
        let ill = trace.clone();
        env.register_failover("server", move || {
            Ok(Probe::builder("ill", &ill)
                .fails_in("post_start".to_owned())
                .build()?)
        })
        .unwrap();
        let well = trace.clone();
        env.register_failover("server", move || {
            Ok(Probe::builder("well", &well)
                .word("of the spare".to_owned())
                .build()?)
        })
        .unwrap();
        let reader = Probe::builder("reader", &trace);
        env.add(reader.build().unwrap()).unwrap();
        let env = env.start().unwrap();
        let server = env.get::<Probe>("server").unwrap();
        assert_eq!(server.name(), "well");
        assert_eq!(server.base().entity().known_as(), "server");
        assert_eq!(server.status(), Status::Started);
        assert_eq!(server.context().text("word").unwrap(), "of the spare");
        trace.take();
        env.stop().unwrap();
        assert!(trace.take_step("stopping").contains(&"well".to_owned()));
    }
}

#[test]
fn tells_when_no_replacement_starts_either() {
    let trace = Trace::default();
    let folder = tempfile::tempdir().unwrap();
    let mut env = Environment::builder("lost")
        .runpath(folder.path().join("run"))
        .build()
        .unwrap();
    let broken = Probe::builder("a", &trace).fails_in("starting".to_owned());
    env.add(broken.build().unwrap()).unwrap();
    env.register_failover("a", move || {
        Ok(Probe::builder("spare", &trace)
            .fails_in("starting".to_owned())
            .build()?)
    })
    .unwrap();
    assert!(
        env.register_failover("b", || Err::<Probe, _>(Error::msg("no")))
            .is_err()
    );
    let text = format!("{:?}", Error::from(env.start().unwrap_err()));
    assert!(text.contains("the starting of spare fails"), "{text}");
    assert!(text.contains("none of its replacements started"), "{text}");
}
