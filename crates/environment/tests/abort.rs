//! Aborts: in the middle of a start, of a stop and of waits, from threads and
//! from signals.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use standin_driver::{Attributes, Driver, DriverBase, DriverBuilder, Lifecycle};
use standin_entity::{Error, Status, What};
use standin_environment::{AbortHandle, Environment, EnvironmentError};
use standin_process::Process;
use standin_tcp::{TcpClient, TcpServer};
use support::{Probe, Trace};

/// The promise is 100 ms; a busy machine gets more before it counts as a hang.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Runs `work` in a thread, aborts when `begun` says so, and gives its outcome.
#[track_caller]
fn aborted<T: Send + 'static>(
    abort: impl FnOnce(),
    begun: impl FnOnce(),
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (outcome, receive) = mpsc::channel();
    thread::spawn(move || {
        let _ = outcome.send(work());
    });
    begun();
    let began = Instant::now();
    abort();
    let outcome = receive.recv_timeout(AT_ONCE).expect("the abort ends it");
    assert!(began.elapsed() < AT_ONCE);
    outcome
}

fn environment(folder: &tempfile::TempDir, concurrent: bool) -> Environment {
    Environment::builder("aborted")
        .runpath(folder.path().join("run"))
        .concurrent(concurrent)
        .build()
        .unwrap()
}

#[test]
fn ends_a_start_that_waits_for_readiness() {
    for concurrent in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut env = environment(&folder, concurrent);
        let trace = Trace::default();
        let up = env
            .add(Probe::builder("up", &trace).build().unwrap())
            .unwrap();
        let never = Probe::builder("never", &trace).never_ready_in("started_check".to_owned());
        let never = env.add(never.build().unwrap()).unwrap();
        if concurrent {
            env.add_dependency(&up, &never).unwrap();
        }
        let handle = env.abort_handle();
        let error = aborted(
            || handle.abort(),
            || trace.wait_for("never started_check"),
            || env.start().map(drop).unwrap_err(),
        );
        assert!(matches!(error, EnvironmentError::Start(_)), "{error:?}");
        assert_eq!(
            (up.status(), never.status()),
            (Status::Stopped, Status::Stopped)
        );
        assert!(handle.is_aborted());
    }
}

#[test]
fn ends_a_stop() {
    for concurrent in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut env = environment(&folder, concurrent);
        let trace = Trace::default();
        let other = env
            .add(Probe::builder("other", &trace).build().unwrap())
            .unwrap();
        let never = Probe::builder("never", &trace).never_ready_in("stopped_check".to_owned());
        let never = env.add(never.build().unwrap()).unwrap();
        let env = env.start().unwrap();
        let handle = env.abort_handle();
        let error = aborted(
            || handle.abort(),
            || trace.wait_for("never stopped_check"),
            move || env.stop().unwrap_err(),
        );
        assert!(matches!(error, EnvironmentError::Stop(_)), "{error:?}");
        assert_eq!(
            (other.status(), never.status()),
            (Status::Stopped, Status::Stopped)
        );
    }
}

#[test]
fn ends_an_accept_and_a_receive() {
    let port = test_port::TestPort::claim();
    let mut env = Environment::new("waits");
    let server = env
        .add(
            TcpServer::builder("server")
                .port(port.number())
                .build()
                .unwrap(),
        )
        .unwrap();
    let env = env.start().unwrap();
    let handle = env.abort_handle();
    let (waits, begun) = mpsc::channel();
    let accepting = server.clone();
    let error = aborted(
        || handle.abort(),
        move || begun.recv().unwrap(),
        move || {
            waits.send(()).unwrap();
            accepting.accept_connection(None).unwrap_err()
        },
    );
    let text = format!("{:?}", Error::from(error));
    assert!(text.contains("server"), "{text}");
    assert!(env.start().is_err());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port.number())).is_err());
}

#[test]
fn ends_what_would_succeed_only_by_it() {
    type Script = fn(&Process) -> Result<(), Error>;
    let scripts: [Script; 4] = [
        |process| Ok(process.wait_for_exit(None).map(drop)?),
        |process| Ok(process.log_matcher()?.not_match("never", None)?),
        |process| Ok(process.log_matcher()?.match_all("begins", None).map(drop)?),
        |process| loop {
            process.write_stdin([0; 1 << 16])?;
        },
    ];
    for script in scripts {
        let folder = tempfile::tempdir().unwrap();
        let mut env = environment(&folder, false);
        let process = Process::builder("process")
            .binary("sh")
            .args(["-c", "echo begins; exec sleep 1000"])
            .log_regexps(["begins"]);
        let process = env.add(process.build().unwrap()).unwrap();
        let env = env.start().unwrap();
        let handle = env.abort_handle();
        let (waits, begun) = mpsc::channel();
        let waiting = process.clone();
        let error = aborted(
            || handle.abort(),
            move || begun.recv().unwrap(),
            move || {
                waits.send(()).unwrap();
                script(&waiting).unwrap_err()
            },
        );
        assert!(error.to_string().contains("aborted"), "{error:?}");
        // Nor does what begins later.
        let error = script(&process).unwrap_err();
        assert!(error.to_string().contains("aborted"), "{error:?}");
    }
}

#[test]
fn reaches_what_starts_below_meanwhile() {
    for _ in 0..50 {
        let trace = Trace::default();
        let outer = Environment::new("outer").start().unwrap();
        let handle = outer.abort_handle();
        let mut inner = Environment::new("inner");
        inner.set_parent(&outer).unwrap();
        let probe = Probe::builder("probe", &trace).build().unwrap();
        let probe = inner.add(probe).unwrap();
        let start = thread::spawn(move || inner.start().map(drop));
        handle.abort();
        let started = start.join().unwrap();
        let is_up = probe.status() == Status::Started && probe.base().resource().is_active();
        assert!(!is_up, "{started:?}");
    }
}

#[test]
fn ends_a_connect() {
    // A listener whose queue is full answers nobody.
    let full = socket_that_answers_nobody();
    let folder = tempfile::tempdir().unwrap();
    let mut env = environment(&folder, false);
    let (starts, begun) = mpsc::channel();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(full.port)
        .pre_start(move |_: &dyn Driver| starts.send(()).map_err(Error::other));
    let client = env.add(client.build().unwrap()).unwrap();
    let handle = env.abort_handle();
    let error = aborted(
        || handle.abort(),
        || begun.recv().unwrap(),
        || env.start().map(drop).unwrap_err(),
    );
    assert!(matches!(error, EnvironmentError::Start(_)), "{error:?}");
    // The abort may come before the client has begun to connect.
    let status = client.status();
    assert!(matches!(status, Status::None | Status::Stopped), "{status}");
}

/// Publishes where nobody answers; a reader of it has the environment aborted or the test
/// failed in that moment.
struct Trap {
    base: DriverBase,
    port: u16,
    springs: Box<dyn Fn(&Trap) + Send + Sync>,
    is_set: AtomicBool,
}

impl Driver for Trap {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn attributes(&self) -> Attributes {
        if self.is_set.swap(false, Ordering::SeqCst) {
            (self.springs)(self);
        }
        Attributes::new()
            .with("host", "127.0.0.1")
            .with("port", self.port)
    }
}

#[test]
fn ends_a_connect_that_has_not_begun() {
    type Springs = fn(&AbortHandle, &Trap);
    let ways: [Springs; 2] = [
        |handle, _| handle.abort(),
        |_, trap| trap.base.fail("nobody expects this"),
    ];
    for springs in ways {
        let full = socket_that_answers_nobody();
        let folder = tempfile::tempdir().unwrap();
        let mut env = environment(&folder, false);
        let handle = env.abort_handle();
        let trap = env
            .add(Trap {
                base: DriverBase::new("Trap", DriverBuilder::new().name("trap")).unwrap(),
                port: full.port,
                springs: Box::new(move |trap| springs(&handle, trap)),
                is_set: AtomicBool::new(false),
            })
            .unwrap();
        let pre_start = Arc::clone(&trap);
        let client =
            TcpClient::builder("client")
                .connect_to("trap")
                .pre_start(move |_: &dyn Driver| {
                    pre_start.is_set.store(true, Ordering::SeqCst);
                    Ok(())
                });
        env.add(client.build().unwrap()).unwrap();
        let error = aborted(|| (), || (), || env.start().map(drop).unwrap_err());
        assert!(matches!(error, EnvironmentError::Start(_)), "{error:?}");
    }
}

struct Full {
    port: u16,
    _listener: socket2::Socket,
    _queued: Vec<socket2::Socket>,
}

fn socket_that_answers_nobody() -> Full {
    use socket2::{Domain, Socket, Type};
    let any: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let queued = (0..4).map(|_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address);
        socket
    });
    Full {
        port: address.as_socket().unwrap().port(),
        _queued: queued.collect(),
        _listener: listener,
    }
}

#[test]
fn one_that_takes_its_time_keeps_no_other_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let mut env = environment(&folder, false);
    let trace = Trace::default();
    for name in ["quick", "slow"] {
        let probe = Probe::builder(name, &trace);
        let probe = if name == "slow" {
            probe.blocks_in("aborting".to_owned())
        } else {
            probe
        };
        env.add(probe.build().unwrap()).unwrap();
    }
    let env = env.start().unwrap();
    let handle = env.abort_handle();
    let aborting = thread::spawn(move || handle.abort());
    trace.wait_for("quick aborting");
    assert!(!aborting.is_finished());
    trace.release();
    aborting.join().unwrap();
}

#[test]
fn without_a_limit_aborts_every_driver() {
    let folder = tempfile::tempdir().unwrap();
    let mut env = Environment::builder("aborted")
        .runpath(folder.path().join("run"))
        .abort_wait_timeout(Duration::MAX)
        .build()
        .unwrap();
    let trace = Trace::default();
    let drivers = ["first", "second"].map(|name| {
        let driver = Probe::builder(name, &trace).build().unwrap();
        env.add(driver).unwrap()
    });
    let env = env.start().unwrap();
    env.abort();
    env.abort();
    let report = env.report();
    let aborts = report
        .events
        .iter()
        .filter(|event| event.what == What::Aborted);
    assert_eq!(aborts.count(), 1);
    assert_eq!(trace.take_step("aborting"), ["second", "first"]);
    assert!(drivers.iter().all(|driver| driver.base_is_aborted()));
}

#[test]
fn of_a_parent_reaches_what_belongs_to_it() {
    let trace = Trace::default();
    let mut outer = Environment::new("outer");
    outer
        .add(Probe::builder("a", &trace).build().unwrap())
        .unwrap();
    let outer = outer.start().unwrap();
    let mut inner = Environment::new("inner");
    inner.set_parent(&outer).unwrap();
    let b = inner
        .add(Probe::builder("b", &trace).build().unwrap())
        .unwrap();
    let inner = inner.start().unwrap();
    trace.take();
    outer.abort();
    assert!(b.base_is_aborted());
    assert_eq!(trace.take_step("aborting"), ["b", "a"]);
    assert!(matches!(
        inner.start(),
        Err(EnvironmentError::Aborted { .. })
    ));
}

#[cfg(unix)]
#[test]
fn comes_with_a_signal() {
    use standin_process::Signal;
    let folder = tempfile::tempdir().unwrap();
    let mut env = environment(&folder, false);
    let trace = Trace::default();
    let never = Probe::builder("never", &trace).never_ready_in("started_check".to_owned());
    env.add(never.build().unwrap()).unwrap();
    let handle = env.abort_handle();
    assert!(handle.on_signals([Signal::Kill]).is_err());
    let guard = handle.on_signals([Signal::User1]).unwrap();
    let error = aborted(
        || signal_hook::low_level::raise(signal_hook::consts::SIGUSR1).unwrap(),
        || trace.wait_for("never started_check"),
        || env.start().map(drop).unwrap_err(),
    );
    assert!(matches!(error, EnvironmentError::Start(_)), "{error:?}");
    drop(guard);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whenever it comes: everything ends, and nothing stays up.
    #[test]
    fn comes_at_any_time(
        count in 1usize..8,
        edges in prop::collection::vec((0usize..8, 0usize..8), 0..10),
        concurrent: bool,
        never in prop::option::of(0usize..8),
        micros in 0u64..3_000,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut env = environment(&folder, concurrent);
        let trace = Trace::default();
        for number in 0..count {
            let probe = Probe::builder(&format!("p{number}"), &trace);
            let probe = if never == Some(number) {
                probe.never_ready_in("started_check".to_owned())
            } else {
                probe
            };
            env.add(probe.build().unwrap()).unwrap();
        }
        for (a, b) in edges {
            if a < b && b < count {
                env.add_dependency(format!("p{a}"), format!("p{b}")).unwrap();
            }
        }
        let drivers = env.drivers();
        let handle = env.abort_handle();
        let (outcome, receive) = mpsc::channel();
        thread::spawn(move || {
            let result = env.start().map(|env| drop(env.stop()));
            let _ = outcome.send(result.is_ok());
        });
        // No event to wait for: any moment will do.
        let until = Instant::now() + Duration::from_micros(micros);
        while Instant::now() < until {
            thread::yield_now();
        }
        handle.abort();
        let ended = receive.recv_timeout(AT_ONCE);
        prop_assert!(ended.is_ok(), "the abort ends it");
        for driver in drivers {
            prop_assert!(matches!(driver.status(), Status::None | Status::Stopped));
        }
    }
}
