//! Starts, stops and waits of drivers and environments, with what runs in the same runtime.
#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{Read, Write},
    pin::pin,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use common::{SECONDS, server, shout};
use futures_lite::future::poll_once;
use standin_async::{DriverAsync, EnvironmentAsync, RunningAsync, ServerAsync, TalkAsync};
use standin_driver::Lifecycle;
use standin_entity::Status;
use standin_environment::Environment;
use standin_error::{Error, Result};
use standin_tcp::{TcpClient, TcpServer};
use test_port::TestPort;
use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    runtime::{self, Runtime},
};

/// A client that waits for a server to listen.
fn patient(port: u16) -> TcpClient {
    TcpClient::builder("client")
        .host("127.0.0.1")
        .port(port)
        .retry_connect(true)
        .start_limit(10 * SECONDS)
        .build()
        .unwrap()
}

/// A service in the runtime of the test, of which a hook wants something.
#[tokio::test]
async fn a_hook_waits_for_a_service_in_the_same_thread() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let service = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut peer, _) = listener.accept().await.unwrap();
            peer.write_all(b"ok").await.unwrap();
        }
    });
    let ask = move || {
        let mut answer = Vec::new();
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
        stream.read_to_end(&mut answer)?;
        assert_eq!(answer, b"ok");
        Ok::<_, Error>(())
    };
    let mut env = Environment::new("env");
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .post_start(move |_| ask())
        .pre_stop(move |_| ask());
    let server = env.add(server.build()?)?;
    let env = env.start_async().await?;
    assert_eq!(server.status(), Status::Started);
    env.stop_async().await?;
    assert_eq!(server.status(), Status::Stopped);
    service.await.unwrap();
    Ok(())
}

#[tokio::test]
async fn a_start_that_is_dropped_ends_with_its_thread() {
    let nobody = TestPort::claim();
    let mut env = Environment::new("env");
    let client = env.add(patient(nobody.number())).unwrap();
    let began = Instant::now();
    {
        let mut start = Box::pin(env.start_async());
        assert!(poll_once(start.as_mut()).await.is_none());
        while client.status() != Status::Starting {
            tokio::task::yield_now().await;
        }
    }
    assert!(
        began.elapsed() < 5 * SECONDS,
        "it did not wait for the limit"
    );
    assert_ne!(client.status(), Status::Starting);
}

#[tokio::test]
async fn a_driver_whose_start_was_given_up_starts_again() {
    let port = TestPort::claim();
    let client = Arc::new(patient(port.number()));
    {
        let mut start = Box::pin(client.start_async());
        assert!(poll_once(start.as_mut()).await.is_none());
        while client.status() != Status::Starting {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(client.status(), Status::Stopped);
    let listener = server();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(listener.port().unwrap())
        .build()
        .unwrap();
    let client = Arc::new(client);
    client.start_async().await.unwrap();
    client.restart_async().await.unwrap();
    client.wait_async(Status::Started, SECONDS).await.unwrap();
    let never = client.wait_async(Status::Stopped, Duration::from_millis(80));
    assert!(never.await.is_err());
    client.stop_async().await.unwrap();
    client.wait_async(Status::Stopped, None).await.unwrap();
}

#[test]
fn a_guard_is_dropped_in_runtimes_of_both_kinds() {
    let test = async || {
        let mut env = Environment::new("env");
        let server = TcpServer::builder("server")
            .host("127.0.0.1")
            .build()
            .unwrap();
        let server = env.add(server).unwrap();
        let guard = env.start_async().await.unwrap();
        let service = tokio::spawn(shout(server.port().unwrap()));
        server.accept_connection_async(SECONDS).await.unwrap();
        server.send_text_async("a\n").await.unwrap();
        drop(guard);
        assert_eq!(server.status(), Status::Stopped);
        service.await.unwrap();
    };
    let one = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    one.unwrap().block_on(test());
    let many = tokio::runtime::Builder::new_multi_thread()
        .enable_io()
        .build();
    many.unwrap().block_on(test());
}

#[tokio::test]
async fn the_tests_own_error_comes_first() {
    let mut env = Environment::new("env");
    env.add(
        TcpServer::builder("server")
            .host("127.0.0.1")
            .build()
            .unwrap(),
    )
    .unwrap();
    let env = env.start_async().await.unwrap();
    let outcome: Result<()> = env
        .run_async(async |_| Err(std::io::Error::other("of the test").into()))
        .await;
    assert!(outcome.unwrap_err().to_string().contains("of the test"));
}

#[test]
fn a_runtime_may_go_while_drivers_are_up() {
    let server = server();
    let mut peer = std::net::TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    let connection = server.accept_connection(SECONDS).unwrap();
    for round in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let waits = connection.clone();
        let task = runtime.spawn(async move { waits.receive_line_async().await });
        runtime.block_on(async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        });
        peer.write_all(b"half").unwrap();
        drop(runtime);
        drop(task);
        peer.write_all(format!(" a line {round}\n").as_bytes())
            .unwrap();
        let line = connection.receive_line_text().unwrap();
        assert_eq!(line, format!("half a line {round}"));
    }
}

/// Says when a future waits.
async fn waiting<F: Future>(future: F, says: mpsc::Sender<()>) -> F::Output {
    let mut future = pin!(future);
    match poll_once(future.as_mut()).await {
        Some(output) => output,
        None => {
            says.send(()).unwrap();
            future.await
        }
    }
}

fn many() -> Runtime {
    let mut many = runtime::Builder::new_multi_thread();
    many.worker_threads(2).enable_io().build().unwrap()
}

fn one() -> Runtime {
    let mut one = runtime::Builder::new_current_thread();
    one.enable_io().build().unwrap()
}

#[test]
fn a_runtime_may_be_shut_down_in_any_way_while_drivers_are_up() {
    let ways: [fn(Runtime); 4] = [
        drop,
        Runtime::shutdown_background,
        |runtime| runtime.shutdown_timeout(SECONDS),
        |runtime| {
            one().block_on(async {
                let drops = tokio::task::spawn_blocking(|| drop(runtime));
                drops.await.unwrap();
            });
        },
    ];
    for ends in ways {
        let server = Arc::new(server());
        let connect = || std::net::TcpStream::connect(("127.0.0.1", server.port().unwrap()));
        let mut peer = connect().unwrap();
        let connection = server.accept_connection(SECONDS).unwrap();
        let runtime = many();
        let (says, waits) = mpsc::channel();
        let (receives, says_too) = (connection.clone(), says.clone());
        let (alive, ended) = mpsc::channel::<()>();
        let alive_too = alive.clone();
        runtime.spawn(async move {
            let _alive = alive_too;
            drop(waiting(receives.receive_line_async(), says_too).await);
        });
        let accepts = Arc::clone(&server);
        runtime.spawn(async move {
            let _alive = alive;
            drop(waiting(accepts.accept_connection_async(SECONDS), says).await);
        });
        waits.iter().take(2).for_each(drop);
        ends(runtime);
        // Not every way waits for the tasks to be gone.
        let gone = ended.recv_timeout(SECONDS);
        assert_eq!(gone, Err(mpsc::RecvTimeoutError::Disconnected));
        // Threads, and tasks of other runtimes, go on with the drivers.
        peer.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(connection.receive_line().unwrap(), b"one");
        let line = many().block_on(connection.receive_line_async());
        assert_eq!(line.unwrap(), b"two");
        let _next = connect().unwrap();
        let accepted = one().block_on(server.accept_connection_async(SECONDS));
        assert_eq!(accepted.unwrap().index(), 1);
        server.stop().unwrap();
    }
}

#[test]
fn a_start_ends_with_its_runtime() {
    let nobody = TestPort::claim();
    let mut env = Environment::new("env");
    let client = env.add(patient(nobody.number())).unwrap();
    let began = Instant::now();
    let runtime = many();
    runtime.spawn(async move { drop(env.start_async().await) });
    while client.status() != Status::Starting {
        std::thread::yield_now();
    }
    runtime.shutdown_timeout(SECONDS);
    while client.status() == Status::Starting {
        std::thread::yield_now();
    }
    assert!(
        began.elapsed() < 5 * SECONDS,
        "it did not wait for the limit"
    );
}

#[test]
fn a_future_that_one_runtime_has_begun_ends_in_another() {
    let server = server();
    let mut peer = std::net::TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    let connection = server.accept_connection(SECONDS).unwrap();
    let mut line = Box::pin(connection.receive_line_async());
    for _ in 0..3 {
        let runtime = one();
        assert!(runtime.block_on(poll_once(line.as_mut())).is_none());
    }
    peer.write_all(b"a line\n").unwrap();
    assert_eq!(many().block_on(line).unwrap(), b"a line");
}

#[test]
fn a_guard_is_dropped_in_the_blocking_section_of_a_runtime() {
    many().block_on(async {
        let mut env = Environment::new("env");
        let server = TcpServer::builder("server").host("127.0.0.1");
        let server = env.add(server.build().unwrap()).unwrap();
        let guard = env.start_async().await.unwrap();
        tokio::task::spawn(async move { tokio::task::block_in_place(|| drop(guard)) })
            .await
            .unwrap();
        assert_eq!(server.status(), Status::Stopped);
    });
}

#[tokio::test]
async fn an_error_names_the_line_of_the_test() {
    let server = server();
    let accept = server
        .accept_connection_async(Duration::from_millis(1))
        .await;
    let error: Error = accept.unwrap_err().into();
    let report = format!("{error:?}");
    assert!(report.contains("tests/life.rs"), "{report}");
}
