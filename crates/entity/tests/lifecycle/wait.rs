//! Waiting for a status.

use std::thread;
use std::time::Duration;
use std::time::Instant;

use standin_entity::{StartError, Status, StopError, WaitError};

use crate::script::{LONG, Script, check_down_and_startable};

#[test]
fn a_wait_for_what_cannot_be_reached_fails_at_once() {
    let script = Script::new();
    for (status, target) in [
        (Status::None, Status::Started),
        (Status::None, Status::Paused),
        (Status::Stopping, Status::Started),
        (Status::Stopped, Status::Started),
        (Status::Started, Status::Starting),
    ] {
        script.resource.force(status);
        let begun = Instant::now();
        let error = script.wait(target, LONG).unwrap_err();
        assert!(matches!(error, WaitError::Unreachable { .. }), "{error}");
        assert!(begun.elapsed() < LONG / 2);
        let shown = error.to_string();
        assert!(
            shown.contains(status.as_str()) && shown.contains(target.as_str()),
            "{shown}"
        );
    }
}

#[test]
fn a_wait_for_a_start_that_fails_ends_with_its_failure() {
    let script = Script::new().asynchronous().never_ready();
    script.start().unwrap();
    thread::scope(|scope| {
        let driving = scope.spawn(|| script.wait(Status::Started, None));
        script.await_call("started_check");
        let watching = scope.spawn(|| script.wait(Status::Started, None));
        script.stop().unwrap();
        for error in [driving, watching].map(|wait| wait.join().unwrap().unwrap_err()) {
            assert!(
                matches!(error, WaitError::Start(_) | WaitError::Unreachable { .. }),
                "{error}"
            );
        }
    });
}

#[test]
fn a_given_timeout_leaves_the_start_under_way() {
    let script = Script::new().asynchronous().never_ready();
    script.start().unwrap();
    for timeout in [Duration::ZERO, Duration::from_millis(5)] {
        let WaitError::Timeout {
            overdue, status, ..
        } = script.wait(Status::Started, timeout).unwrap_err()
        else {
            unreachable!("it is not ready");
        };
        assert_eq!(status, Status::Starting);
        assert_eq!(
            overdue.last.as_deref(),
            Some("the log does not say `ready`")
        );
    }
    script.become_ready();
    script.wait(Status::Started, Duration::ZERO).unwrap();
    assert_eq!(
        script.take_trace().last().map(String::as_str),
        Some("hook post_start")
    );
}

#[test]
fn without_a_timeout_the_options_limit_an_asynchronous_start_and_stop() {
    let script = Script::new().asynchronous().never_ready();
    let script = script.within(Duration::from_millis(10));
    script.start().unwrap();
    let error = script.wait(Status::Started, None).unwrap_err();
    assert!(
        matches!(error, WaitError::Start(StartError::Timeout { .. })),
        "{error}"
    );
    check_down_and_startable(&script);

    script.become_ready();
    script.start().unwrap();
    script.wait(Status::Started, None).unwrap();
    let script = script.never_down();
    script.stop().unwrap();
    let error = script.wait(Status::Stopped, None).unwrap_err();
    assert!(
        matches!(error, WaitError::Stop(StopError::Timeout { .. })),
        "{error}"
    );
    check_down_and_startable(&script);
}

#[test]
fn an_asynchronous_stop_that_fails_says_so_itself() {
    let script = Script::new().asynchronous().failing("stopping");
    script.start().unwrap();
    assert!(script.stop().is_err());
    check_down_and_startable(&script);
}
