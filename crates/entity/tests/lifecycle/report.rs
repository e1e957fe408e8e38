//! Forcing a status, and what the report shows.

use std::thread;

use standin_entity::StartError;

use crate::script::{Script, check_down_and_startable};

#[test]
fn forcing_ends_what_is_under_way() {
    let script = Script::new().never_ready();
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("started_check");
        script.resource.force_stop();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Stopped { .. })
        ));
    });
    check_down_and_startable(&script);
}

#[test]
fn the_report_tells_what_failed_and_serialises() {
    let environment = standin_entity::Entity::with_kind("environment", "greeting").unwrap();
    let script = Script::new().failing("starting");
    script.resource.entity().join(&environment).unwrap();
    script.start().unwrap_err();
    let report = environment.report();
    assert!(!report.passed());
    assert_eq!(
        report
            .walk()
            .map(|report| report.name.as_str())
            .collect::<Vec<_>>(),
        ["greeting", "peer"]
    );
    let json = serde_json::to_value(&report).unwrap();
    let peer = &json["children"][0];
    assert_eq!(
        (&peer["kind"], &peer["status"]),
        (&"resource".into(), &"STOPPED".into())
    );
    assert_eq!(peer["failures"][0]["during"], "start");
    assert!(
        peer["failures"][0]["message"]
            .as_str()
            .unwrap()
            .contains("starting is broken"),
        "{json:#}"
    );
    assert!(peer["timer"]["setup"][0]["seconds"].is_number(), "{json:#}");
    assert!(
        peer["timer"]["lifespan"][0]["started_at"].is_string(),
        "{json:#}"
    );
}
