//! Failures of a stop.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use standin_entity::{Error, RestartError, Status, Step, StopError};

use crate::script::{Script, check_down_and_startable};

#[test]
fn a_stop_runs_every_step_and_reports_every_failure() {
    let script = Script::new()
        .failing("pre_stop")
        .failing("hook pre_stop")
        .failing("stopping")
        .failing("post_stop");
    script.start().unwrap();
    script.take_trace();
    let StopError::Step { step, further, .. } = script.stop().unwrap_err() else {
        unreachable!("steps failed");
    };
    assert_eq!(step, Step::PreStop);
    assert_eq!(further.len(), 3);
    let trace = script.take_trace();
    assert!(trace.contains(&"hook post_stop".to_owned()));
    // There is no point in waiting for what was not told to end.
    assert!(!trace.contains(&"stopped_check".to_owned()));
    check_down_and_startable(&script);
}

#[test]
fn a_stop_timeout_ends_in_stopped() {
    let mut script = Script::new();
    script.settings.stop_timeout = Duration::from_millis(20);
    script.start().unwrap();
    let script = script.never_down();
    script.take_trace();
    let StopError::Timeout { overdue, .. } = script.stop().unwrap_err() else {
        unreachable!("it is never down");
    };
    assert_eq!(overdue.checks, 2);
    assert!(script.take_trace().contains(&"hook post_stop".to_owned()));
    check_down_and_startable(&script);
}

#[test]
fn a_stop_without_settings_stops_all_the_same() {
    let fail = Arc::new(AtomicU32::new(0));
    let failing = Arc::clone(&fail);
    let script = Script::new().on("settings", move |_| match failing.load(SeqCst) {
        0 => Ok(()),
        _ => Err(Error::msg("no settings")),
    });
    script.start().unwrap();
    fail.store(1, SeqCst);
    assert!(matches!(script.stop(), Err(StopError::Step { step, .. }) if step == Step::Settings));
    check_down_and_startable(&script);
}

#[test]
fn a_restart_that_does_not_stop_well_does_not_start() {
    let script = Script::new().failing("stopping");
    script.start().unwrap();
    assert!(matches!(
        script.resource.restart(&script),
        Err(RestartError::Stop(_))
    ));
    assert_eq!(script.status(), Status::Stopped);
}
