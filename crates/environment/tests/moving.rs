//! A driver belongs to one environment at a time, and everything follows it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use standin_driver::{Driver, DriverBase, DriverBuilder, Lifecycle};
use standin_entity::{Entity, EntityConfig, Report, Status};
use standin_environment::{AddError, Environment};
use support::{Probe, Trace, within_time};

/// Everything that a driver has from its environment.
#[derive(Debug, PartialEq)]
struct Seen {
    parent: Option<String>,
    timeout: Duration,
    path_cleanup: bool,
    origin: String,
    /// What it reads of others, or why it cannot.
    context: Result<String, String>,
    runpath: Option<PathBuf>,
    /// Whose recorder has what happens to it.
    recorder: String,
}

fn seen(driver: &Probe) -> Seen {
    let entity = driver.base().entity();
    let config: EntityConfig = driver.base().config().unwrap();
    let context = driver.render_template("{{ context.stage }} {{ context.neighbour.word }}");
    Seen {
        parent: entity.parent().map(|parent| parent.name().to_owned()),
        timeout: config.timeout,
        path_cleanup: config.path_cleanup,
        origin: entity.options().origin("timeout").unwrap().to_string(),
        context: context.map_err(|error| error.to_string()),
        runpath: entity.runpath(),
        recorder: driver.base().recorder().transcript().name,
    }
}

fn environment(name: &str, folder: &tempfile::TempDir, seconds: u64) -> Environment {
    let mut env = Environment::builder(name)
        .timeout(Duration::from_secs(seconds))
        .path_cleanup(seconds == 1)
        .runpath(folder.path().join(name))
        .build()
        .unwrap();
    env.set_context("stage", format!("stage {seconds}"))
        .unwrap();
    let neighbour = Probe::builder("neighbour", &Trace::default()).word(name);
    env.add(neighbour.build().unwrap()).unwrap();
    env
}

fn names(report: &Report) -> Vec<&str> {
    report
        .children
        .iter()
        .map(|child| child.name.as_str())
        .collect()
}

#[test]
fn a_driver_that_moves_inherits_reads_reports_and_keeps_files_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = environment("first", &folder, 1);
    let mut second = environment("second", &folder, 2);
    let driver = Probe::builder("driver", &Trace::default()).build().unwrap();
    let alone = seen(&driver);
    assert_eq!(alone.recorder, "driver", "its own");
    let driver = first.add(driver).unwrap();
    let report = first.entity().clone();
    for (env, seconds) in [(&mut first, 1), (&mut second, 2)] {
        let name = env.name().to_owned();
        if seconds == 2 {
            env.add(driver.clone()).unwrap();
        }
        let now = seen(&driver);
        assert_eq!(now.parent.as_deref(), Some(&*name));
        assert_eq!(now.timeout, Duration::from_secs(seconds));
        assert_eq!(now.path_cleanup, seconds == 1);
        assert!(now.origin.contains(&name), "{}", now.origin);
        assert_eq!(now.recorder, name);
        assert_eq!(now.context, Ok(format!("stage {seconds} {name}")));
        assert_eq!(now.runpath, None, "it has not been started here");
        env.entity()
            .define_runpath(Some(folder.path().join(&name)))
            .unwrap();
        driver.start().unwrap();
        driver.stop().unwrap();
        let runpath = folder.path().join(&name).join("driver");
        assert_eq!(seen(&driver).runpath, Some(runpath));
        assert_eq!(names(&env.entity().report()), ["neighbour", "driver"]);
        env.remove("driver").unwrap();
        assert_eq!(seen(&driver), alone);
        assert_eq!(names(&env.entity().report()), ["neighbour"]);
    }
    // Its environment starts it in its new place.
    second.add(driver.clone()).unwrap();
    let second = second.start().unwrap();
    assert_eq!(
        seen(&driver).runpath,
        Some(second.runpath().unwrap().join("driver"))
    );
    assert_eq!(names(&report.report()), ["neighbour"]);
    assert_eq!(names(&second.report()), ["neighbour", "driver"]);
    second.stop().unwrap();
}

/// An environment, what it knows and what its drivers have.
type Everything = (Vec<String>, Report, Vec<Seen>);

fn everything(env: &Environment) -> Everything {
    let drivers = env
        .names()
        .into_iter()
        .map(|name| env.get::<Probe>(&name).unwrap());
    let seen = drivers.map(|driver| seen(&driver)).collect();
    (env.names(), env.entity().report(), seen)
}

#[test]
fn a_driver_that_cannot_be_added_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = environment("first", &folder, 1);
    let mut second = environment("second", &folder, 2);
    let there = first.add(Probe::builder("driver", &Trace::default()).build().unwrap());
    let there = there.unwrap();
    let new = Arc::new(
        Probe::builder("neighbour", &Trace::default())
            .build()
            .unwrap(),
    );
    let before = (
        everything(&first),
        everything(&second),
        seen(&there),
        seen(&new),
    );

    let error = second.add(there.clone()).unwrap_err();
    assert!(
        matches!(error, AddError::InAnotherEnvironment { .. }),
        "{error}"
    );
    let error = second.add(new.clone()).unwrap_err();
    assert!(matches!(error, AddError::DuplicateName { .. }), "{error}");
    let error = second.add_as("stage", new.clone()).unwrap_err();
    assert!(matches!(error, AddError::DuplicateName { .. }), "{error}");
    let error = second.set_context("neighbour", 1).unwrap_err();
    assert!(matches!(error, AddError::DuplicateName { .. }), "{error}");

    let runpath = folder.path().join("second").join("shared");
    let sharing = |name| Probe::builder(name, &Trace::default()).runpath(runpath.clone());
    second.add(sharing("one").build().unwrap()).unwrap();
    let two = Arc::new(sharing("two").path_cleanup(true).build().unwrap());
    let before_two = (everything(&second), seen(&two));
    let error = second.add(two.clone()).unwrap_err();
    let shown = error.to_string();
    assert!(
        shown.starts_with(
            "driver \"two\" of environment \"second\" has the runpath of driver \"one\""
        ),
        "{shown}"
    );
    assert_eq!((everything(&second), seen(&two)), before_two);
    let three = sharing("three").build().unwrap(); // it empties nothing
    second.add(three).unwrap();
    for name in ["one", "three"] {
        second.remove(name).unwrap();
    }

    let after = (
        everything(&first),
        everything(&second),
        seen(&there),
        seen(&new),
    );
    assert_eq!(after, before);
    second.add_as("other", new).unwrap();
}

#[test]
fn an_environment_that_cannot_have_a_parent_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let outer = environment("outer", &folder, 1);
    let mut inner = environment("inner", &folder, 2);
    let mut other = environment("other", &folder, 3);
    inner.set_parent(&outer).unwrap();
    let all = |envs: [&Environment; 3]| envs.map(everything);
    let before = all([&outer, &inner, &other]);
    let error = inner.set_parent(&other).unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment[other] cannot be the parent of environment[inner]: it belongs to environment[outer]"
    );
    let mut outer = outer;
    let error = outer.set_parent(&inner).unwrap_err();
    assert!(
        error.to_string().ends_with("one of its descendants"),
        "{error}"
    );
    assert!(other.set_parent(&Environment::new("gone")).is_ok());
    assert_eq!(all([&outer, &inner, &other])[..2], before[..2]);
}

#[test]
fn what_belongs_to_an_environment_that_is_gone_does_not_start() {
    let mut inner = Environment::new("inner");
    let outer = Environment::new("outer").start().unwrap();
    inner.set_parent(&outer).unwrap();
    drop(outer);
    let error = inner.start().unwrap_err().to_string();
    assert!(
        error.contains("\"inner\"") && error.contains("\"outer\""),
        "{error}"
    );
}

/// A driver whose kind is what environments call theirs.
struct Namesake(DriverBase);

impl Driver for Namesake {
    fn base(&self) -> &DriverBase {
        &self.0
    }
}

#[test]
fn a_driver_of_the_kind_environment_does_not_count_as_one() {
    within_time("an operation of the environment", || {
        let mut env = Environment::new("own");
        let options = DriverBuilder::new().name("namesake");
        let namesake = Namesake(DriverBase::new("environment", options).unwrap());
        let namesake = env.add(namesake).unwrap();
        let env = env.start().unwrap();
        env.restart().unwrap();
        env.stop().unwrap();
        assert_eq!(namesake.status(), Status::Stopped);
        env.abort();
        assert!(namesake.base().resource().is_aborted());
    });
}

#[test]
fn what_belongs_to_an_entity_of_the_kind_environment_starts() {
    let around = Entity::with_kind("environment", "around").unwrap();
    let mut env = Environment::new("own");
    env.entity().join(&around).unwrap();
    let driver = Probe::builder("driver", &Trace::default());
    env.add(driver.build().unwrap()).unwrap();
    env.start().unwrap().stop().unwrap();
}
