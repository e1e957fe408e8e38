//! Failures of a stop.

use std::time::Duration;

use standin_config::{ConfigDescription, Kind, Layer, OptionDescription};
use standin_entity::{Entity, RestartError, StartError, Status, Step, StopError};

use crate::script::{LONG, Script, check_down_and_startable};

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
    let (mut limit, mut script) = (Duration::from_millis(20), Script::new().never_down());
    let overdue = loop {
        script = script.within(limit);
        script.start().unwrap();
        script.take_trace();
        let StopError::Timeout { overdue, .. } = script.stop().unwrap_err() else {
            unreachable!("it is never down");
        };
        // As in a start.
        if overdue.checks > 1 || limit > LONG {
            break overdue;
        }
        limit *= 10;
    };
    assert_eq!(overdue.checks, 2);
    assert!(script.take_trace().contains(&"hook post_stop".to_owned()));
    check_down_and_startable(&script);
}

#[test]
fn the_grace_of_a_stop_is_told_apart_from_its_limit() {
    let grace = Duration::from_millis(30);
    let script = Script::new()
        .within(Duration::from_millis(10))
        .with_grace(grace);
    script.start().unwrap();
    let error = script.never_down().stop().unwrap_err();
    let shown = format!("{error:?}");
    let help = "raise its `timeout` (now 10ms, to which a grace of 30ms is added)";
    assert!(shown.contains(help), "{shown}");
    assert!(matches!(&error, StopError::Timeout { overdue, .. } if overdue.limit == 4 * grace / 3));
}

#[test]
fn a_stop_without_options_stops_all_the_same() {
    let parent = Entity::new("parent").unwrap();
    let description = ConfigDescription::builder("Peer")
        .option(OptionDescription::required("name", Kind::String))
        .option(OptionDescription::inherited("timeout", Kind::Duration))
        .build();
    let mut options = Layer::new(&description);
    options.set("name", "peer").unwrap();
    let entity = Entity::with_options("resource", "resource", options).unwrap();
    entity.join(&parent).unwrap();
    let script = Script::of(entity);
    script.start().unwrap();
    script.resource.entity().leave();
    let error = script.stop().unwrap_err();
    assert!(
        matches!(
            error,
            StopError::Step {
                step: Step::Options,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("its options cannot be read"),
        "{error}"
    );
    check_down_and_startable(&script);
    assert!(matches!(
        script.start(),
        Err(StartError::Step {
            step: Step::Options,
            panicked: false,
            ..
        })
    ));
    assert_eq!(script.status(), Status::Stopped);
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
