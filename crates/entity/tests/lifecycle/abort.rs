//! Aborting.

use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use standin_entity::{Error, StartError, Status, StopError, WaitError};

use crate::script::{LONG, Script, check_down_and_startable};

#[test]
fn an_abort_ends_every_wait() {
    let script = Script::new().never_ready();
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("started_check");
        let second = scope.spawn(|| script.start());
        let paused = scope.spawn(|| script.wait(Status::Paused, None));
        let started = scope.spawn(|| script.wait(Status::Started, None));
        script.abort().unwrap();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Aborted { .. })
        ));
        assert!(matches!(
            second.join().unwrap(),
            Err(StartError::Aborted { .. })
        ));
        for wait in [paused, started] {
            let error = wait.join().unwrap().unwrap_err();
            // Depending on when they came to it.
            assert!(matches!(
                error,
                WaitError::Aborted { .. }
                    | WaitError::Unreachable { .. }
                    | WaitError::Start(StartError::Aborted { .. })
            ));
        }
    });
    assert!(script.resource.is_aborted() && !script.resource.is_active());
    let trace = script.take_trace();
    let at = |step: &str| trace.iter().position(|called| called == step);
    assert!(
        at("aborting") < at("stopping"),
        "aborting first, then the cleaning up: {trace:?}"
    );
    check_down_and_startable(&script);
}

#[test]
fn an_abort_ends_a_stop_that_waits() {
    let script = Script::new();
    script.start().unwrap();
    let script = script.never_down();
    thread::scope(|scope| {
        let stop = scope.spawn(|| script.stop());
        script.await_call("stopped_check");
        script.abort().unwrap();
        assert!(matches!(
            stop.join().unwrap(),
            Err(StopError::Aborted { .. })
        ));
    });
    check_down_and_startable(&script);
}

#[test]
fn an_abort_ends_a_step_that_blocks() {
    let (end, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let script = Script::new()
        .on("starting", move |_| {
            match blocked.lock().unwrap().recv_timeout(LONG) {
                Ok(()) => Err(Error::msg("the socket was closed")),
                Err(_) => Ok(()),
            }
        })
        .on("aborting", move |_| end.send(()).map_err(Error::other));
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("starting");
        script.abort().unwrap();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Aborted { .. })
        ));
    });
    check_down_and_startable(&script);
}

#[test]
fn what_is_aborted_does_not_start_and_does_stop() {
    let script = Script::new();
    script.start().unwrap();
    script.abort().unwrap();
    script.abort().unwrap();
    assert_eq!(script.status(), Status::Started);
    script.stop().unwrap();
    assert!(matches!(script.start(), Err(StartError::Aborted { .. })));
    assert_eq!(
        script
            .take_trace()
            .iter()
            .filter(|called| *called == "aborting")
            .count(),
        1
    );
    assert!(script.resource.report().aborted);
}

#[test]
fn a_request_to_abort_ends_waits_and_the_abort_follows() {
    let script = Script::new().never_ready();
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("started_check");
        script.resource.request_abort();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Aborted { .. })
        ));
    });
    assert!(!script.resource.is_active() && !script.resource.is_aborted());
    script.abort().unwrap();
    assert!(script.resource.is_aborted());
}

#[test]
fn an_abort_that_fails_is_an_abort() {
    let script = Script::new().on("aborting", |_| panic!("no such process"));
    let error = script.abort().unwrap_err();
    assert_eq!(error.failures[0].cause.to_string(), "no such process");
    assert!(script.resource.is_aborted());
}
