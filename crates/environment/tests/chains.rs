//! Chains of ten thousand drivers, in a thread with the stack that tests have: nothing
//! recurses along them, and nothing takes a time that grows with their square.

#![allow(clippy::unwrap_used, reason = "what cannot be in a test fails it")]

mod support;

use standin_config::context;
use standin_environment::{DriverTypes, Environment, EnvironmentError, NotStarted};
use standin_tcp::{TcpClient, TcpServer};
use support::{Probe, Trace};

const LENGTH: usize = 10_000;

/// As the threads of tests.
const STACK: usize = 2 << 20;

fn in_a_thread_of_a_test(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK);
    thread.spawn(work).unwrap().join().unwrap();
}

fn name(place: usize) -> String {
    format!("p{place}")
}

fn chain(folder: &tempfile::TempDir, trace: &Trace) -> Environment {
    let mut env = Environment::builder("chain")
        .runpath(folder.path())
        .path_cleanup(false)
        .concurrent(true)
        .build()
        .unwrap();
    for place in 0..LENGTH {
        // All in one folder: making ten thousand takes more time than all else.
        let probe = Probe::builder(&name(place), trace).runpath(folder.path().join("all"));
        env.add(probe.build().unwrap()).unwrap();
    }
    env
}

#[test]
fn start_and_stop_one_after_the_other() {
    in_a_thread_of_a_test(|| {
        let trace = Trace::default();
        let folder = tempfile::tempdir().unwrap();
        let mut env = chain(&folder, &trace);
        for place in 1..LENGTH {
            env.add_dependency(name(place - 1), name(place)).unwrap();
        }
        // Against the order in which they were added, too.
        let error = env.add_dependency(name(LENGTH - 1), name(0)).unwrap_err();
        assert!(error.to_string().contains(" -> p0 -> p1"), "{error}");
        let env = env.start().unwrap();
        let started: Vec<String> = (0..LENGTH).map(name).collect();
        assert_eq!(trace.take_step("starting"), started);
        env.stop().unwrap();
        let stopped = trace.take_step("stopping");
        assert!(stopped.iter().eq(started.iter().rev()));
    });
}

#[test]
fn whose_first_driver_fails_name_all_that_were_not_started() {
    in_a_thread_of_a_test(|| {
        let trace = Trace::default();
        let folder = tempfile::tempdir().unwrap();
        let mut env = Environment::builder("chain")
            .runpath(folder.path())
            .build()
            .unwrap();
        let broken = Probe::builder("broken", &trace).fails_in("starting");
        env.add(broken.build().unwrap()).unwrap();
        let mut before = "broken".to_owned();
        // Declared from the end on, so that each is before all that is known.
        let names: Vec<String> = (0..LENGTH).map(name).collect();
        for name in &names {
            env.add(Probe::builder(name, &trace).build().unwrap())
                .unwrap();
        }
        for place in (1..LENGTH).rev() {
            env.add_dependency(name(place - 1), name(place)).unwrap();
        }
        env.add_dependency(std::mem::take(&mut before), name(0))
            .unwrap();
        let error = env.start().unwrap_err();
        let shown = format!("{error:?}");
        assert!(shown.contains("the starting of broken fails"));
        let EnvironmentError::Start(NotStarted { not_started, .. }) = error else {
            unreachable!("{error:?}");
        };
        assert_eq!(not_started, names);
    });
}

#[test]
fn of_context_values_are_ordered_by_them() {
    in_a_thread_of_a_test(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut env = Environment::builder("chain")
            .runpath(folder.path())
            .concurrent(true)
            .build()
            .unwrap();
        // A circle of clients, each of which reads the next one: found, and spelled out.
        for place in 0..LENGTH {
            let next = name((place + 1) % LENGTH);
            let client = TcpClient::builder(name(place))
                .host("localhost")
                .port(context(next, "{{ port }}"));
            env.add(client.build().unwrap()).unwrap();
        }
        env.add(TcpServer::builder("aside").build().unwrap())
            .unwrap();
        let error = env.start().unwrap_err().to_string();
        assert!(error.starts_with("drivers wait for each other: p0 -> p9999 -> p9998"));
    });
}

#[test]
fn in_a_file_may_be_written_in_either_direction() {
    in_a_thread_of_a_test(|| {
        for backwards in [false, true] {
            let mut text = "name = \"chain\"\n".to_owned();
            for place in 0..3_000 {
                let before = if backwards {
                    place + 1
                } else {
                    place.max(1) - 1
                };
                text += &format!("[[driver]]\ntype = \"tcp-server\"\nname = \"p{place}\"\n");
                if place != before && before < 3_000 {
                    text += &format!("after = [\"p{before}\"]\n");
                }
            }
            let env = DriverTypes::standard().parse("chain.toml", &text).unwrap();
            assert_eq!(env.len(), 3_000);
        }
    });
}
