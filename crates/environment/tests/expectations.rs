//! What drivers were expected to meet, and what they were not: at a stop, in a test that returns
//! an error, when the guard is dropped, and in the midst of everything.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use standin_driver::{BuildError, Driver, DriverBase, DriverBuilder, Lifecycle};
use standin_entity::{Error, Result, StartError, Status, WaitError};
use standin_environment::{Environment, EnvironmentError, Failure};
use standin_process::Process;
use standin_tcp::{TcpClient, TcpServer};
use support::{Probe, Trace, within_time};

/// Longer than anything here takes: reached only by a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// A driver that has an opinion of the test.
struct Judge {
    base: DriverBase,
    unmet: Mutex<Option<&'static str>>,
}

impl Judge {
    fn new(name: &str) -> Result<Self, BuildError> {
        Ok(Judge {
            base: DriverBase::new("Judge", DriverBuilder::new().name(name))?,
            unmet: Mutex::new(None),
        })
    }

    fn wants(&self, what: &'static str) {
        *self.unmet.lock().unwrap() = Some(what);
    }
}

impl Driver for Judge {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn verify(&self) -> Result<()> {
        match *self.unmet.lock().unwrap() {
            Some(what) => Err(Error::msg(format!("{what} did not come"))),
            None => Ok(()),
        }
    }
}

fn environment() -> (Environment, Arc<Judge>) {
    let mut env = Environment::new("court");
    let judge = env.add(Judge::new("judge").unwrap()).unwrap();
    (env, judge)
}

/// The same with a server and its client.
fn with_a_pair() -> (Environment, Arc<Judge>, Arc<TcpServer>, Arc<TcpClient>) {
    let (mut env, judge) = environment();
    let server = env
        .add(TcpServer::builder("server").build().unwrap())
        .unwrap();
    let client = TcpClient::builder("client")
        .connect_to("server")
        .io_timeout(LIMIT);
    let client = env.add(client.build().unwrap()).unwrap();
    (env, judge, server, client)
}

/// What the panic of a drop says; `None` if there is none.
fn panic_of(drops: impl FnOnce()) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(drops)).err()?;
    Some(
        payload
            .downcast::<String>()
            .map_or_else(|_| String::new(), |text| *text),
    )
}

#[test]
fn a_stop_reports_what_did_not_come_and_stops_all_the_same() {
    let (env, judge) = environment();
    judge.wants("QUIT");
    let env = env.start().unwrap();
    let error = env.stop().unwrap_err();
    assert!(error.is_unmet());
    let report = format!("{error:?}");
    assert!(
        report.contains("driver \"judge\" was not used as the test expects")
            && report.contains("QUIT did not come"),
        "{report}"
    );
    assert_eq!(judge.status(), Status::Stopped);
    // It has been said.
    assert_eq!(panic_of(|| drop(env)), None);
}

#[test]
fn a_test_that_drops_its_environment_fails_once() {
    let (env, judge) = environment();
    judge.wants("QUIT");
    let env = env.start().unwrap();
    let said = panic_of(|| drop(env)).unwrap();
    assert!(said.contains("QUIT did not come"), "{said}");

    // A test that has failed by an error of ours is not failed again.
    let (mut env, judge) = environment();
    judge.wants("QUIT");
    let server = env
        .add(TcpServer::builder("server").build().unwrap())
        .unwrap();
    let env = env.start().unwrap();
    server.accept_connection(Duration::ZERO).unwrap_err();
    assert_eq!(panic_of(|| drop(env)), None);

    // Nor is one on its way out with an error of its own.
    let (env, judge) = environment();
    judge.wants("QUIT");
    let env = env.start().unwrap();
    let fails = move || -> Result<()> {
        let _env = env;
        std::fs::read("/this/is/not/there")?;
        Ok(())
    };
    assert_eq!(panic_of(|| drop(fails())), None);

    // Nor is one that panics: a second panic would abort it.
    let (env, judge) = environment();
    judge.wants("QUIT");
    let env = env.start().unwrap();
    let said = panic_of(|| {
        let _env = env;
        std::panic::panic_any("the test's own".to_owned());
    });
    assert_eq!(said.as_deref(), Some("the test's own"));
}

#[test]
fn run_has_the_error_of_the_test_first() {
    let run = |unmet: Option<&'static str>, outcome: Result<u8, &'static str>| {
        let (env, judge) = environment();
        *judge.unmet.lock().unwrap() = unmet;
        env.start().unwrap().run(|_| outcome.map_err(Error::msg))
    };
    assert_eq!(run(None, Ok(7)).unwrap(), 7);
    assert_eq!(run(None, Err("mine")).unwrap_err().to_string(), "mine");
    let unmet = run(Some("QUIT"), Ok(7)).unwrap_err();
    assert!(unmet.find::<EnvironmentError>().unwrap().is_unmet());
    let both = format!("{:?}", run(Some("QUIT"), Err("mine")).unwrap_err());
    let (mine, quit) = (both.find("mine"), both.find("QUIT did not come"));
    assert!(mine.unwrap() < quit.unwrap(), "{both}");
}

#[test]
fn a_start_that_fails_verifies_nothing() {
    let (mut env, judge) = environment();
    judge.wants("QUIT");
    let bad = Probe::builder("bad", &Trace::default()).fails_in("starting".to_owned());
    env.add(bad.build().unwrap()).unwrap();
    let error = env.start().map(drop).unwrap_err();
    assert!(matches!(&error, EnvironmentError::Start(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("QUIT"), "{error:?}");
}

/// Ends `wait` by a judge's failure; gives the report of its error.
#[track_caller]
fn broken<T: Send, E: std::fmt::Debug + Send>(
    judge: &Judge,
    wait: impl FnOnce() -> Result<T, E> + Send,
) -> String {
    thread::scope(|scope| {
        let waits = scope.spawn(wait);
        // Whether it waits by then or not: it ends.
        thread::yield_now();
        judge.base.fail("somebody said FOO");
        let outcome = waits.join().unwrap();
        format!("{:?}", outcome.err().expect("nothing comes"))
    })
}

#[test]
fn a_driver_that_fails_the_test_ends_every_wait_with_its_reason() {
    type Script = fn(&TcpServer, &TcpClient, &Process) -> Result<()>;
    let scripts: [Script; 10] = [
        |server, _, _| Ok(server.accept_connection(LIMIT).map(drop)?),
        |_, client, _| Ok(client.receive_exactly(1).map(drop)?),
        |_, client, _| loop {
            client.send([0; 1 << 16])?;
        },
        |_, _, process| Ok(process.wait_for_exit(LIMIT).map(drop)?),
        |_, _, process| {
            Ok(process
                .log_matcher()?
                .match_line("never", LIMIT)
                .map(drop)?)
        },
        |_, _, process| Ok(process.log_matcher()?.not_match("never", LIMIT)?),
        |_, _, process| {
            Ok(process
                .log_matcher()?
                .match_all("begins", LIMIT)
                .map(drop)?)
        },
        |_, _, process| loop {
            process.write_stdin([0; 1 << 16])?;
        },
        |_, _, process| Ok(process.wait(Status::Paused, LIMIT)?),
        |_, _, process| Ok(process.wait(Status::Stopped, None)?),
    ];
    for script in scripts {
        let (mut env, judge, server, client) = with_a_pair();
        let process = Process::builder("process")
            .binary("sh")
            .args(["-c", "echo begins; exec sleep 1000"])
            .timeout(LIMIT)
            .log_regexps(["begins"]);
        let process = env.add(process.build().unwrap()).unwrap();
        let env = env.start().unwrap();
        server.accept_connection(LIMIT).unwrap();
        let report = broken(&judge, || script(&server, &client, &process));
        assert!(
            report.contains("driver \"judge\" failed the test: somebody said FOO")
                && !report.contains("abort"),
            "{report}"
        );
        // All are up until they are stopped.
        assert!(process.exit().is_none());
        env.stop().unwrap();
    }
}

#[test]
fn whatever_a_test_does_at_that_moment_fails_with_the_reason() {
    type Script = fn(&TcpServer, &TcpClient) -> Result<()>;
    // Each succeeds until then.
    let scripts: [(&str, Script); 6] = [
        ("sends", |_, client| Ok(client.send([0; 16]).map(drop)?)),
        ("asks the client", |_, client| {
            Ok(client.connection().map(drop)?)
        }),
        ("asks the server", |server, _| {
            server.connection(0)?;
            Ok(server.latest_connection().map(drop)?)
        }),
        ("connects", |server, client| {
            let made = client.connect()?;
            server.accept_connection(LIMIT)?;
            made.close();
            Ok(())
        }),
        ("answers", |server, client| {
            client.send_text("ping")?;
            server.expect("ping")?;
            server.send_text("pong")?;
            Ok(client.expect("pong")?)
        }),
        ("refuses", |server, _| {
            server.refuse()?;
            Ok(server.come_back()?)
        }),
    ];
    for (what, script) in scripts {
        for round in 0..30_u32 {
            let (env, judge, server, client) = with_a_pair();
            let env = env.start().unwrap();
            server.accept_connection(LIMIT).unwrap();
            let done = AtomicU32::new(0);
            let report = thread::scope(|scope| {
                let fails = scope.spawn(|| {
                    loop {
                        if let Err(error) = script(&server, &client) {
                            return format!("{error:?}");
                        }
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
                // At another moment of it in each round.
                while done.load(Ordering::Relaxed) < round && !fails.is_finished() {
                    thread::yield_now();
                }
                judge.base.fail("somebody said FOO");
                fails.join().unwrap()
            });
            assert!(
                report.contains("driver \"judge\" failed the test: somebody said FOO"),
                "{what}: {report}"
            );
            env.stop().unwrap();
        }
    }
}

#[test]
fn a_driver_that_fails_the_test_ends_a_start() {
    for (concurrent, async_start) in [(false, false), (true, false), (false, true)] {
        let mut env = Environment::builder("court")
            .concurrent(concurrent)
            .build()
            .unwrap();
        let judge = env.add(Judge::new("judge").unwrap()).unwrap();
        let trace = Trace::default();
        let never = Probe::builder("never", &trace).never_ready_in("started_check".to_owned());
        let never = if async_start {
            never.async_start(true)
        } else {
            never
        };
        env.add(never.build().unwrap()).unwrap();
        env.add(Probe::builder("last", &trace).build().unwrap())
            .unwrap();
        let error = thread::scope(|scope| {
            let start = scope.spawn(|| env.start().map(drop));
            trace.wait_for("never started_check");
            judge.base.fail("somebody said FOO");
            start.join().unwrap().unwrap_err()
        });
        let EnvironmentError::Start(not_started) = &error else {
            panic!("{error:?}");
        };
        assert!(
            matches!(&not_started.failures[..], [Failure::Test(_)]),
            "{error:?}"
        );
        assert!(error.to_string().contains("somebody said FOO"), "{error}");
    }
}

#[test]
fn a_driver_that_fails_the_test_ends_a_start_by_hand_with_its_reason() {
    let (mut env, judge) = environment();
    let trace = Trace::default();
    let never = Probe::builder("never", &trace).never_ready_in("started_check".to_owned());
    let never = env
        .add(never.auto_start(false).timeout(LIMIT).build().unwrap())
        .unwrap();
    let env = env.start().unwrap();
    let error = thread::scope(|scope| {
        let start = scope.spawn(|| never.start());
        trace.wait_for("never started_check");
        judge.base.fail("somebody said FOO");
        start.join().unwrap().unwrap_err()
    });
    // The one that ends by it, and one that only begins.
    for error in [error, never.start().unwrap_err()] {
        assert!(matches!(error, StartError::Interrupted { .. }), "{error:?}");
        assert!(
            error
                .to_string()
                .contains("driver \"judge\" failed the test: somebody said FOO"),
            "{error}"
        );
    }
    env.stop().unwrap();
}

#[test]
fn a_stop_that_is_under_way_is_awaited_although_the_test_has_failed() {
    for step in ["stopping", "post_stop"] {
        let (mut env, judge) = environment();
        let trace = Trace::default();
        let slow = Probe::builder("slow", &trace).blocks_in(step.to_owned());
        let slow = env.add(slow.build().unwrap()).unwrap();
        let env = env.start().unwrap();
        thread::scope(|scope| {
            let stops = scope.spawn(|| slow.stop());
            trace.wait_for(&format!("slow {step}"));
            let waits = scope.spawn(|| slow.wait(Status::Stopped, LIMIT));
            judge.base.fail("somebody said FOO");
            let early = slow.wait(Status::Stopped, Duration::ZERO).unwrap_err();
            assert!(matches!(early, WaitError::Timeout { .. }), "{early:?}");
            trace.release();
            stops.join().unwrap().unwrap();
            waits.join().unwrap().unwrap();
        });
        env.stop().unwrap();
    }
}

#[test]
fn what_begins_after_a_driver_has_failed_the_test_ends_with_its_reason() {
    // A replacement.
    let (mut env, judge) = environment();
    let trace = Trace::default();
    let fails = move |_: &dyn Driver| {
        judge.base.fail("somebody said FOO");
        Err(Error::msg("it does not start"))
    };
    let first = Probe::builder("first", &trace).pre_start(fails);
    env.add(first.build().unwrap()).unwrap();
    let its_trace = trace.clone();
    let make = move || {
        let never = Probe::builder("second", &its_trace);
        let never = never.never_ready_in("started_check".to_owned());
        Ok(never.build()?)
    };
    env.register_failover("first", make).unwrap();
    within_time("a start", move || {
        let error = env.start().map(drop).unwrap_err();
        assert!(error.to_string().contains("somebody said FOO"), "{error}");
    });
    assert!(!trace.take().contains(&"second starting".to_owned()));

    // An environment below.
    let (env, judge) = environment();
    let env = env.start().unwrap();
    judge.base.fail("somebody said FOO");
    let mut below = Environment::new("below");
    below.set_parent(&env).unwrap();
    below
        .add(TcpServer::builder("server").build().unwrap())
        .unwrap();
    let error = below.start().map(drop).unwrap_err();
    assert!(error.to_string().contains("somebody said FOO"), "{error}");

    // A wait for the log of a driver that has not come far enough to end such waits.
    let (mut env, judge) = environment();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("process");
    let runpath_of = move |_: &dyn Driver| {
        judge.base.fail("somebody said FOO");
        path.clone()
    };
    let process = Process::builder("process")
        .binary("true")
        .runpath_of(runpath_of);
    let process = env.add(process.build().unwrap()).unwrap();
    env.start().map(drop).unwrap_err();
    within_time("a wait for a line", move || {
        let log = process.log_matcher().unwrap();
        let error = log.match_line("never", None).unwrap_err().to_string();
        assert!(error.contains("the test has failed"), "{error}");
    });
}

#[test]
fn what_has_failed_is_forgotten_at_the_next_start() {
    let (mut env, judge) = environment();
    let server = env
        .add(TcpServer::builder("server").build().unwrap())
        .unwrap();
    let env = env.start().unwrap();
    judge.base.fail("somebody said FOO");
    judge.base.fail("and BAR");
    let report = format!("{:?}", server.accept_connection(LIMIT).unwrap_err());
    assert!(
        report.contains("FOO") && !report.contains("BAR"),
        "{report}"
    );
    env.restart().unwrap();
    let peer = std::net::TcpStream::connect(("localhost", server.port().unwrap())).unwrap();
    server.accept_connection(LIMIT).unwrap();
    drop(peer);
    env.stop().unwrap();
}
