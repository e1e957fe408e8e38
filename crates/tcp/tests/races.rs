//! Drivers that several threads use at once, and code of a receive that uses
//! its own driver.

#![expect(
    clippy::unwrap_used,
    reason = "a test program: what goes wrong in it fails the test"
)]

use std::sync::{Arc, Barrier, Mutex, OnceLock, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use standin_config::context;
use standin_driver::{Attributes, ContextSource, Driver, Lifecycle, provide_context};
use standin_entity::{AnnouncedStop, Error};
use standin_socket::ReceiveError;
use standin_tcp::{TcpClient, TcpConnection, TcpError, TcpServer};
use test_port::TestPort;

/// Longer than anything takes; a test that needs it has failed.
const LIMIT: Duration = Duration::from_secs(120);

fn server() -> TcpServer {
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .build()
        .unwrap();
    server.start().unwrap();
    server
}

fn client(server: &TcpServer) -> TcpClient {
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(server.port().unwrap())
        .build()
        .unwrap();
    client.start().unwrap();
    client
}

/// Fails when `f` takes nearly as long as a hang would.
#[track_caller]
fn promptly<R>(f: impl FnOnce() -> R) -> R {
    let began = Instant::now();
    let result = f();
    assert!(began.elapsed() < LIMIT / 4, "it took {:?}", began.elapsed());
    result
}

#[test]
fn after_reconnects_of_many_threads_the_client_has_a_connection_that_works() {
    let server = server();
    let client = client(&server);
    for _ in 0..100 {
        let start = Barrier::new(8);
        let made: Vec<TcpConnection> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        client.connect().unwrap()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let current = client.connection().unwrap();
        let newest = made.iter().map(TcpConnection::index).max().unwrap();
        assert_eq!(current.index(), newest);
        assert!(current.is_open());
        assert_eq!(client.local_port(), current.local_address().port());
        current.send("x").unwrap();
        while let Ok(far) = server.accept_connection(Duration::ZERO) {
            if far.peer_address() == current.local_address() {
                assert_eq!(far.receive_exactly(1).unwrap(), b"x");
            }
            far.close();
        }
    }
}

#[test]
fn what_waits_for_a_client_that_is_aborted_hears_of_the_abort() {
    let server = server();
    let client = client(&server);
    let connection = client.connection().unwrap();
    let waiting = {
        let connection = connection.clone();
        thread::spawn(move || connection.with_timeout(None).receive_some(1).unwrap_err())
    };
    thread::sleep(Duration::from_millis(30));
    promptly(|| client.abort()).unwrap();
    let error = waiting.join().unwrap();
    assert!(
        matches!(error, TcpError::Receive(ReceiveError::Aborted(_))),
        "{error}"
    );
    let error = connection.with_timeout(None).receive_some(1).unwrap_err();
    assert!(
        matches!(error, TcpError::Receive(ReceiveError::Aborted(_))),
        "{error}"
    );
}

#[test]
fn a_matcher_may_ask_its_driver_while_that_stops() {
    let endings: [fn(&TcpServer, &TcpClient); 5] = [
        |server, _| server.stop().unwrap(),
        |server, _| server.abort().unwrap(),
        |_, client| client.stop().unwrap(),
        |_, client| client.abort().unwrap(),
        |_, client| client.close(),
    ];
    for (nth, end) in endings.into_iter().enumerate() {
        let server = server();
        let client = client(&server);
        let far = server.accept_connection(LIMIT).unwrap();
        let near = client.connection().unwrap();
        // The end whose driver is to end.
        let (receiving, sending) = if nth < 2 {
            (&far, &near)
        } else {
            (&near, &far)
        };
        sending.send("x").unwrap();
        let (entered, has_entered) = mpsc::channel();
        let (end_began, has_begun) = mpsc::channel::<()>();
        let (server, client) = (&server, &client);
        thread::scope(|scope| {
            let matching = scope.spawn(move || {
                receiving.socket().receive_matching(
                    |_| {
                        entered.send(()).unwrap();
                        has_begun.recv().unwrap();
                        // While the other thread is about to end the driver, and after that.
                        for _ in 0..100 {
                            let _ = format!("{server:?} {client:?}");
                            let _ = (server.port(), client.local_port(), server.connection(0));
                            let _ = client.connection();
                            thread::sleep(Duration::from_millis(1));
                        }
                        None
                    },
                    LIMIT,
                )
            });
            has_entered.recv_timeout(LIMIT).unwrap();
            end_began.send(()).unwrap();
            promptly(|| end(server, client));
            let error = promptly(|| matching.join().unwrap()).unwrap_err();
            assert!(
                matches!(error, ReceiveError::Closed(_) | ReceiveError::Aborted(_)),
                "{error}"
            );
        });
    }
}

#[test]
fn a_matcher_may_stop_its_own_driver() {
    let server = server();
    let client = client(&server);
    let far = server.accept_connection(LIMIT).unwrap();
    client.send("x").unwrap();
    let error = promptly(|| {
        far.socket().receive_matching(
            |_| {
                server.stop().unwrap();
                client.close();
                None
            },
            LIMIT,
        )
    })
    .unwrap_err();
    assert!(matches!(error, ReceiveError::Closed(_)), "{error}");
    assert!(client.connection().is_err());
}

#[test]
fn a_close_ends_a_connect_of_another_thread_and_the_next_one_works() {
    let server = server();
    let client = client(&server);
    let full = server.socket().unwrap().fill_queue().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.connect());
        // A close ends only a connect that has begun, which nobody can see.
        promptly(|| {
            while !waiting.is_finished() {
                client.close();
                thread::yield_now();
            }
        });
        assert!(waiting.join().unwrap().is_err());
    });
    drop(full);
    assert!(client.connect().is_ok());
    assert!(client.connection().is_ok());
}

/// Gives up the start of a client while that looks up its host, which is before it waits.
struct GivesUp {
    client: OnceLock<Weak<TcpClient>>,
    announced: Mutex<Option<AnnouncedStop>>,
}

impl ContextSource for GivesUp {
    fn attributes(&self, name: &str) -> Option<Attributes> {
        let client = self.client.get()?.upgrade()?;
        let announced = client.base().resource().announce_stop();
        *self.announced.lock().unwrap() = Some(announced);
        client.interrupt();
        (name == "peer").then(|| Attributes::new().with("host", "127.0.0.1"))
    }

    fn names(&self) -> Vec<String> {
        vec!["peer".to_owned()]
    }
}

#[test]
fn a_start_that_is_given_up_before_it_waits_ends_at_once() {
    let port = TestPort::claim();
    let gives_up = Arc::new(GivesUp {
        client: OnceLock::new(),
        announced: Mutex::default(),
    });
    let client = TcpClient::builder("client")
        .host(context("peer", "{{ host }}"))
        .port(port.number())
        .retry_connect(true)
        .timeout(2 * LIMIT)
        .build()
        .unwrap();
    let client = Arc::new(client);
    gives_up.client.set(Arc::downgrade(&client)).unwrap();
    let source: Arc<dyn ContextSource> = gives_up.clone();
    provide_context(client.base().entity(), Arc::downgrade(&source));
    let error = promptly(|| client.start()).unwrap_err();
    let shown = format!("{:?}", Error::from(error));
    assert!(shown.contains("a start was given up"), "{shown}");
}
