//! What drivers have besides connections, and what goes over connections slowly.
#![cfg(all(feature = "tokio", feature = "smol", feature = "proxy", unix))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{SECONDS, both, pair, server};
use futures_lite::future::{poll_once, zip};
use standin_async::{
    ConnectionAsync, DriverAsync, EnvironmentAsync, InjectedAsync, ProcessAsync, ProxyAsync,
    RunningAsync, ServerAsync, TalkAsync,
};
use standin_driver::Lifecycle;
use standin_entity::{Check, Status};
use standin_environment::Environment;
use standin_process::{Exit, Process, Stdin};
use standin_proxy::{Fault, TcpProxy};
use standin_tcp::TcpServer;
use test_port::TestPort;

fn shell(script: &str) -> Process {
    let process = Process::builder("program")
        .binary("/bin/sh")
        .args(["-c", script])
        .stdin(Stdin::Pipe)
        .build()
        .unwrap();
    process.start().unwrap();
    process
}

#[test]
fn a_program_is_waited_for() {
    both(async || {
        let process = shell("read line; exit 3");
        let exits = async { process.wait_for_exit_async(SECONDS).await.unwrap() };
        let writes = async { process.write_stdin_async("a line\n").await.unwrap() };
        let (exit, ()) = zip(exits, writes).await;
        assert_eq!(exit, Exit::Code(3));
        let again = process.wait_for_exit_async(None).await.unwrap();
        assert_eq!(again, Exit::Code(3));
    });
}

#[test]
fn a_program_that_does_not_read_keeps_a_task_only() {
    both(async || {
        let process = shell("sleep 60");
        let much = vec![b'x'; 1 << 20];
        let mut write = Box::pin(process.write_stdin_async(&much));
        assert!(poll_once(write.as_mut()).await.is_none(), "nobody reads");
        let limit = Duration::from_millis(20);
        assert!(process.wait_for_exit_async(limit).await.is_err());
        // Closing ends the write, and the program reads the end.
        process.close_stdin();
        let error = write.await.unwrap_err().to_string();
        assert!(error.contains("program"), "{error}");
        process.stop().unwrap();
    });
}

#[test]
fn connections_through_a_proxy_are_waited_for() {
    both(async || {
        let target = server();
        let to = format!("127.0.0.1:{}", target.port().unwrap());
        let proxy = TcpProxy::builder("proxy").to(to).build().unwrap();
        proxy.start().unwrap();
        let peer = std::net::TcpStream::connect(("127.0.0.1", proxy.port().unwrap())).unwrap();
        let near = target.accept_connection_async(SECONDS).await.unwrap();
        let limit = Duration::from_millis(20);
        assert!(proxy.wait_until_open_async(0, limit).await.is_err());
        let fault = proxy.inject(Fault::close().after_bytes(1 << 20)).unwrap();
        assert!(fault.wait_async(limit).await.is_err());
        let fault = proxy.inject(Fault::delay(limit)).unwrap();
        let sends = async { (&peer).write_all(b"late").unwrap() };
        let (happened, ()) = zip(fault.wait_async(SECONDS), sends).await;
        happened.unwrap();
        assert_eq!(near.receive_exactly_async(4).await.unwrap(), b"late");
        let closes = async {
            drop(peer);
            near.receive_to_end_async().await.unwrap();
            near.close();
        };
        let (few, ()) = zip(proxy.wait_until_open_async(0, SECONDS), closes).await;
        few.unwrap();
    });
}

#[test]
fn a_task_sends_slowly() {
    both(async || {
        let (near, far, _drivers) = pair().await;
        let began = Instant::now();
        let pause = Duration::from_millis(20);
        let sends = async {
            let sent = near.send_in_pieces_async(b"abcde", 2, pause).await;
            assert_eq!(sent.unwrap(), 5);
            assert_eq!(near.send_delayed_async(b"late", pause).await.unwrap(), 4);
        };
        let (received, ()) = zip(far.receive_exactly_async(9), sends).await;
        assert_eq!(received.unwrap(), b"abcdelate");
        assert!(began.elapsed() >= 3 * pause);
        let soon = near.with_timeout(pause);
        let error = soon
            .send_delayed_async(b"never", SECONDS)
            .await
            .unwrap_err();
        assert!(error.is_timeout(), "{error}");
        let waits = near.send_in_pieces_async(b"ab", 1, SECONDS);
        let closes = async {
            assert_eq!(far.receive_some_async(9).await.unwrap(), b"a");
            near.close();
        };
        let (sent, ()) = zip(waits, closes).await;
        assert!(sent.unwrap_err().to_string().contains("closed"));
    });
}

#[tokio::test]
async fn the_rest_of_a_life_is_waited_for_too() {
    // Nobody else gets these ports.
    let ports = [TestPort::claim(), TestPort::claim()];
    let [server, alone] = [&ports[0], &ports[1]].map(|port| {
        let server = TcpServer::builder("server").host("127.0.0.1");
        server.port(port.number()).build().unwrap()
    });
    let mut env = Environment::new("env");
    let server = env.add(server).unwrap();
    let env = env.start_async().await.unwrap();
    assert!(matches!(
        server.extract_values_async().await,
        Ok(Check::Ready)
    ));
    server.wind_down_async().await.unwrap();
    assert_eq!(server.status(), Status::Stopped);
    assert!(env.stop_for_artifacts_async().await.unwrap().is_empty());
    env.start_async().await.unwrap();
    let address = ("127.0.0.1", server.port().unwrap());
    env.abort_async().await;
    assert!(std::net::TcpStream::connect(address).is_err());
    let alone = Arc::new(alone);
    alone.start_async().await.unwrap();
    let address = ("127.0.0.1", alone.port().unwrap());
    alone.abort_async().await.unwrap();
    assert!(std::net::TcpStream::connect(address).is_err());
}
