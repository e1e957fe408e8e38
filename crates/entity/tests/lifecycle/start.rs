//! Failures of a start.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use standin_entity::{Error, HookPoint, StartError, Status, Step};

use crate::script::{LONG, STOP_STEPS, Script, check_down_and_startable};

#[test]
fn a_failed_start_runs_the_stop_steps_and_can_be_repeated() {
    for step in ["starting", "started_check", "post_start", "hook post_start"] {
        let failed = AtomicU32::new(0);
        let script = Script::new().on(step, move |_| match failed.fetch_add(1, SeqCst) {
            0 => Err(Error::msg("boom")),
            _ => Ok(()),
        });
        let error = script.start().unwrap_err();
        assert!(matches!(error, StartError::Step { .. }), "{error}");
        assert_eq!(error.entity(), "resource[peer]");
        let trace = script.take_trace();
        assert!(
            trace
                .iter()
                .map(String::as_str)
                .rev()
                .take(6)
                .rev()
                .eq(STOP_STEPS),
            "{step}: {trace:?}"
        );
        check_down_and_startable(&script);
        script.start().unwrap();
        assert_eq!(script.status(), Status::Started);
    }
}

#[test]
fn a_start_that_fails_before_starting_runs_no_stop_step() {
    for step in ["pre_start", "hook pre_start"] {
        let script = Script::new().failing(step);
        let error = script.start().unwrap_err();
        assert!(error.to_string().contains("could not be "), "{error}");
        assert!(
            !script
                .take_trace()
                .iter()
                .any(|called| STOP_STEPS.contains(&called.as_str()))
        );
        check_down_and_startable(&script);
    }
}

#[test]
fn evidence_is_collected_before_anything_is_cleaned_up() {
    let script = Script::new().failing("starting");
    let error = script.start().unwrap_err();
    let trace = script.take_trace();
    let at = |step: &str| trace.iter().position(|called| called == step);
    assert!(at("describe_failure") < at("pre_stop"), "{trace:?}");
    assert!(
        error
            .to_string()
            .ends_with("\n  app.log:\n    out of memory"),
        "{error}"
    );
}

#[test]
fn what_fails_while_cleaning_up_is_told_too() {
    let script = Script::new()
        .failing("starting")
        .failing("stopping")
        .failing("hook post_stop");
    let StartError::Step { step, cleanup, .. } = script.start().unwrap_err() else {
        unreachable!("`starting` failed");
    };
    assert_eq!(step, Step::Starting);
    assert_eq!(
        cleanup
            .iter()
            .map(|failure| failure.step)
            .collect::<Vec<_>>(),
        [Step::Stopping, Step::Hook(HookPoint::PostStop)]
    );
    check_down_and_startable(&script);
}

#[test]
fn a_panic_is_a_failure_with_its_message() {
    for step in [
        "pre_start",
        "hook pre_start",
        "starting",
        "started_check",
        "hook post_start",
    ] {
        let script = Script::new().on(step, |_| panic!("index out of bounds"));
        let StartError::Step {
            panicked, cause, ..
        } = script.start().unwrap_err()
        else {
            unreachable!("{step} panicked");
        };
        assert!(panicked);
        assert_eq!(cause.to_string(), "index out of bounds");
        assert!(matches!(script.status(), Status::Stopped | Status::None));
    }
    let script = Script::new()
        .failing("starting")
        .on("describe_failure", |_| panic!("no log"));
    assert!(
        script
            .start()
            .unwrap_err()
            .to_string()
            .contains("`describe_failure` panicked")
    );
}

#[test]
fn a_start_timeout_tells_what_was_missing() {
    let (mut limit, mut script) = (Duration::from_millis(30), Script::new().never_ready());
    let (overdue, evidence) = loop {
        script = script.within(limit);
        let StartError::Timeout {
            overdue, evidence, ..
        } = script.start().unwrap_err()
        else {
            unreachable!("it is never ready");
        };
        // At once, and at the deadline: the interval is longer. On a busy machine the first may
        // come so late that it is the last.
        if overdue.checks > 1 || limit > LONG {
            break (overdue, evidence);
        }
        limit *= 10;
    };
    assert_eq!(overdue.checks, 2);
    assert_eq!(
        overdue.last.as_deref(),
        Some("the log does not say `ready`")
    );
    assert!(overdue.elapsed >= overdue.limit && overdue.limit == limit);
    assert_eq!(evidence.0, ["app.log:", "  out of memory"]);
    check_down_and_startable(&script);
}

#[test]
fn what_becomes_ready_just_before_the_deadline_is_ready() {
    // On a busy machine the first look may come at the deadline.
    let becomes_ready = |limit| {
        let script = Script::new().within(Duration::from_millis(limit));
        script.not_ready.store(1, SeqCst);
        script.start().is_ok()
    };
    assert!([30, 300, 3_000, 30_000].into_iter().any(becomes_ready));
}

#[test]
fn a_timeout_of_zero_checks_once() {
    let script = Script::new().within(Duration::ZERO);
    script.start().unwrap();
    script.stop().unwrap();
    let script = script.never_ready();
    assert!(
        matches!(script.start(), Err(StartError::Timeout { overdue, .. }) if overdue.checks == 1)
    );
}

#[test]
fn a_start_and_a_stop_may_have_limits_of_their_own() {
    let script = Script::new()
        .within(Duration::from_secs(100))
        .set("start_limit", 0.0)
        .set("stop_limit", 0.0)
        .never_ready();
    let error = script.start().unwrap_err();
    assert!(
        format!("{error:?}").contains("raise its `start_limit` (now 0s)"),
        "{error:?}"
    );
    script.become_ready();
    script.start().unwrap();
    let script = script.never_down();
    let error = script.stop().unwrap_err();
    assert!(
        format!("{error:?}").contains("raise its `stop_limit` (now 0s)"),
        "{error:?}"
    );
}

#[test]
fn a_failing_test_shows_what_to_know() {
    let script = Script::new().never_ready().within(Duration::ZERO);
    let error = script.start().unwrap_err();
    let shown = format!("{error:?}");
    assert_eq!(
        shown,
        "resource \"peer\" was not ready at once: the log does not say `ready`\n  app.log:\n    \
         out of memory\n  help: find out why it is not ready, or raise its `timeout` (now 0s)\n  \
         code: standin::entity::start_timeout"
    );
}
