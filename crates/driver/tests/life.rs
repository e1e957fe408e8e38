//! What is on record of the life of a driver.

#![expect(clippy::unwrap_used, reason = "a test program")]
#![allow(clippy::panic, reason = "what cannot be in a test fails it")]

mod support;

use std::path::Path;
use std::time::Duration;

use standin_driver::{Driver, Lifecycle, Readiness};
use standin_entity::{Check, Error};
use standin_record::{Step, Story};
use support::{Stub, StubBuilder};
use test_port::TestPort;

const SOON: Duration = Duration::from_secs(20);

fn stub(folder: &Path) -> StubBuilder {
    let options = StubBuilder::new().name("app").timeout(SOON);
    options.runpath(folder.join("app"))
}

fn built(options: StubBuilder, log: &str) -> Stub {
    let mut stub = options.build().unwrap();
    stub.log = Some("log".into());
    stub.writes = vec![("log".into(), log.into())];
    stub
}

fn story(driver: &dyn Driver) -> Story {
    driver.transcript().drivers.remove(0)
}

/// The steps, each with why it failed; `...` while it is under way.
fn steps(story: &Story) -> Vec<String> {
    let steps = story
        .steps
        .iter()
        .map(|step| match (&step.error, step.took) {
            (Some(error), _) => format!("{}: {error}", step.name),
            (None, None) => format!("{}...", step.name),
            (None, Some(_)) => step.name.clone(),
        });
    steps.collect()
}

#[test]
fn each_step_with_its_time_and_each_hook_that_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let app = stub(folder.path())
        .post_start(|_: &dyn Driver| Ok(()))
        .pre_stop(|_: &dyn Driver| Err(Error::msg("it is stubborn")))
        .build()
        .unwrap();
    app.start().unwrap();
    let _ = app.stop();
    let story = story(&app);
    let expected = [
        "start",
        "pre_start",
        "starting",
        "post_start",
        "post_start hook",
        "pre_stop",
        "pre_stop hook: it is stubborn",
        "verify",
        "stopping",
        "post_stop",
    ];
    assert_eq!(steps(&story), expected);
    let start = story.start().unwrap();
    let end = |step: &Step| step.at + step.took.unwrap();
    let within = story.steps[1..5].iter();
    assert!(
        within
            .clone()
            .all(|step| start.at <= step.at && end(step) <= end(start))
    );
    assert!(within.is_sorted_by_key(|step| step.at));
    assert_eq!(story.kind, "Stub");
    let timeout = story
        .settings
        .iter()
        .find(|setting| setting.name == "timeout");
    let timeout = timeout.unwrap();
    assert_eq!(
        (&*timeout.value, &*timeout.origin),
        ("\"20s\"", "set explicitly")
    );
}

#[test]
fn each_condition_with_its_last_answer_and_the_lines_that_were_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let port = TestPort::claim();
    let start = |timeout| {
        let ready = [
            Readiness::log(r"listening on (?<port>\d+)"),
            Readiness::port(port.number()),
            Readiness::file("never asked"),
        ];
        let options = stub(folder.path()).ready(ready).log_regexps([".*begins"]);
        let options = options.timeout(Duration::from_millis(timeout));
        let app = built(options, "it begins\nlistening on 4242\nmore\n");
        app.start().unwrap_err();
        story(&app)
    };
    // On a busy machine a short time may be enough for one look only.
    let has_looked_again = |story: &Story| story.probes.last().is_some_and(|last| last.count > 1);
    let story = [100, 1_000].into_iter().map(start).find(has_looked_again);
    let story = story.unwrap_or_else(|| start(10_000));
    let expected = [
        "start: it took too long",
        "pre_start",
        "starting",
        "started_check: it took too long",
        "pre_stop",
        "stopping",
        "post_stop",
    ];
    assert_eq!(steps(&story), expected);
    let probes = story.probes.iter();
    let probes: Vec<_> = probes
        .map(|probe| (&*probe.condition, probe.is_met))
        .collect();
    let on_port = format!("port {} of localhost", port.number());
    let expected = [
        ("log_regexps `.*begins` in log", true),
        (r"log `listening on (?<port>\d+)` in log", true),
        (&*on_port, false),
    ];
    assert_eq!(probes, expected);
    let last = &story.probes[2];
    assert_eq!(last.answer, "nothing listens there");
    assert!(last.count > 1 && last.first < last.last, "{last:?}");
    let lines = story.lines.iter().map(|line| (&*line.log, &*line.text));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines, [("log", "it begins"), ("log", "listening on 4242")]);
}

#[test]
fn a_new_start_begins_its_conditions_anew() {
    let folder = tempfile::tempdir().unwrap();
    let ready = Readiness::predicate("is wanted", |driver| {
        match driver.base().extracts().is_empty() {
            true => Check::not_yet("not so soon"),
            false => Check::Ready,
        }
    });
    let app = stub(folder.path()).ready([ready]).timeout(Duration::ZERO);
    let app = app.build().unwrap();
    app.start().unwrap_err();
    app.start().unwrap_err();
    let story = story(&app);
    let [probe] = &story.probes[..] else {
        panic!("{:?}", story.probes);
    };
    assert_eq!(
        (&*probe.condition, &*probe.answer),
        ("is wanted", "not so soon")
    );
    assert!(probe.first >= story.start().unwrap().at);
    let starts = story.steps.iter().filter(|step| step.name == Step::START);
    assert_eq!(starts.count(), 2);
}

#[test]
fn a_step_that_panics_or_is_aborted_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let panics = |_: &dyn Driver| -> standin_entity::Result<()> { panic!("no") };
    let app = stub(folder.path()).pre_start(panics).build().unwrap();
    app.start().unwrap_err();
    let of_first = story(&app);
    assert!(of_first.steps.iter().all(|step| step.took.is_some()));
    assert!(steps(&of_first).contains(&"pre_start hook: it panicked".to_owned()));

    let folder = tempfile::tempdir().unwrap();
    let ready = Readiness::predicate("never", |_| false);
    let app = stub(folder.path()).ready([ready]).build().unwrap();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| app.start());
        while !app.steps.lock().unwrap().contains(&"starting") || story(&app).probes.is_empty() {
            std::thread::yield_now();
        }
        app.abort().unwrap();
        starting.join().unwrap().unwrap_err();
    });
    let steps = steps(&story(&app));
    assert_eq!(steps[0], "start: it was aborted");
    assert!(steps.contains(&"aborting".to_owned()), "{steps:?}");
}

#[test]
fn what_a_test_looks_for_in_a_log_is_there_too() {
    let folder = tempfile::tempdir().unwrap();
    let app = built(stub(folder.path()), "order 17 filled\n");
    app.start().unwrap();
    let log = app.log_matcher().unwrap();
    log.match_line("order", SOON).unwrap();
    log.match_line("cancelled", Duration::ZERO).unwrap_err();
    let story = story(&app);
    assert_eq!(story.lines[0].text, "order 17 filled");
    let probe = &story.probes[0];
    assert_eq!(probe.condition, "a line `cancelled` in log");
    assert!(!probe.is_met);
}
