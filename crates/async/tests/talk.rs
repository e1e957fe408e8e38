//! Conversations in runtimes of both kinds, with a service in the same runtime.
#![cfg(all(feature = "tokio", feature = "smol"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{SECONDS, both, server, shout};
use futures_lite::future::poll_once;
use standin_async::{ClientAsync, ConnectionAsync, ServerAsync, TalkAsync};
use standin_driver::Lifecycle;
use standin_tcp::{TcpClient, TcpError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_service_in_the_same_thread_is_talked_with() {
    let server = server();
    let service = tokio::spawn(shout(server.port().unwrap()));
    let connection = server.accept_connection_async(SECONDS).await.unwrap();
    server.send_text_async("hello\n").await.unwrap();
    assert_eq!(connection.receive_line_text_async().await.unwrap(), "HELLO");
    server.expect_async(b"").await.unwrap();
    connection.close();
    service.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_future_moves_between_threads() {
    let server = std::sync::Arc::new(server());
    let service = tokio::spawn(shout(server.port().unwrap()));
    let talks = std::sync::Arc::clone(&server);
    let talk = tokio::spawn(async move {
        let connection = talks.accept_connection_async(SECONDS).await?;
        for _ in 0..100 {
            connection.send_async(b"hello\n").await?;
            tokio::task::yield_now().await;
            assert_eq!(connection.receive_line_async().await?, b"HELLO");
        }
        connection.close();
        Ok::<_, TcpError>(())
    });
    talk.await.unwrap().unwrap();
    service.await.unwrap();
}

#[test]
fn smol_and_threads_talk_with_each_other() {
    let server = server();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(server.port().unwrap())
        .connect_at_start(false)
        .build()
        .unwrap();
    client.start().unwrap();
    async_io::block_on(async {
        let (accepted, connected) = futures_lite::future::zip(
            server.accept_connection_async(SECONDS),
            client.connect_async(),
        )
        .await;
        let (near, far) = (accepted.unwrap(), connected.unwrap());
        let (received, sent) =
            futures_lite::future::zip(near.receive_exactly_async(5), far.send_async(b"hello"))
                .await;
        assert_eq!(received.unwrap(), b"hello");
        assert_eq!(sent.unwrap(), 5);
    });
    // The same connection, and the thread waits.
    let far = client.connection().unwrap();
    let thread = std::thread::spawn(move || far.receive_line().unwrap());
    server.send_text("line\n").unwrap();
    assert_eq!(thread.join().unwrap(), b"line");
}

#[test]
fn every_receive_brings_what_the_blocking_one_does() {
    both(|| async {
        let (server, client, _drivers) = common::pair().await;
        client
            .send_async(b"one\ntwo|thr\xc3\xa9\nabc\n")
            .await
            .unwrap();
        assert_eq!(server.peek_async(3).await.unwrap(), b"one");
        assert_eq!(server.receive_line_text_async().await.unwrap(), "one");
        assert_eq!(server.receive_until_async(b"|").await.unwrap(), b"two|");
        assert_eq!(
            server.receive_until_text_async("\n").await.unwrap(),
            "thr\u{e9}\n"
        );
        let mut target = [0; 2];
        assert_eq!(server.receive_into_async(&mut target).await.unwrap(), 2);
        assert_eq!(&target, b"ab");
        server.expect_async(b"c\n").await.unwrap();
        client.send_async(b"\xc3").await.unwrap();
        let (text, _) = futures_lite::future::zip(server.receive_some_text_async(10), async {
            client.send_async(b"\xa9").await.unwrap();
        })
        .await;
        assert_eq!(text.unwrap(), "\u{e9}");
        client.send_async(b"last").await.unwrap();
        let silence = Duration::from_millis(30);
        assert_eq!(
            server.receive_until_silence_async(silence).await.unwrap(),
            b"last"
        );
        client.send_async(b"rest").await.unwrap();
        client.shutdown_write().unwrap();
        assert_eq!(server.receive_to_end_async().await.unwrap(), b"rest");
        let end = server.receive_some_async(1).await.unwrap_err();
        assert!(end.is_peer_closed(), "{end}");
        assert_eq!(
            server.reset_after_sending_async(b"bye", 2).await.unwrap(),
            2
        );
    });
}

#[test]
fn a_send_waits_for_room_and_loses_nothing() {
    both(|| async {
        let (server, client, _drivers) = common::pair().await;
        let much = vec![7; 16 << 20];
        let (sent, received) = futures_lite::future::zip(
            server.send_async(&much),
            client.receive_exactly_async(much.len()),
        )
        .await;
        assert_eq!(sent.unwrap(), much.len());
        assert!(received.unwrap() == much);
    });
}

#[test]
fn a_limit_ends_by_the_real_clock() {
    both(|| async {
        let (server, _client, _drivers) = common::pair().await;
        let began = Instant::now();
        let limit = Duration::from_millis(50);
        let error = server
            .with_timeout(limit)
            .receive_line_async()
            .await
            .unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert!(began.elapsed() >= limit);
        let at_once = server.with_timeout(Duration::ZERO);
        assert!(
            at_once
                .receive_some_async(1)
                .await
                .unwrap_err()
                .is_timeout()
        );
    });
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_paused_changes_no_limit() {
    let (server, client, _drivers) = common::pair().await;
    let began = Instant::now();
    let limit = Duration::from_millis(50);
    let hurried = server.with_timeout(limit);
    let error = hurried.receive_line_async().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(began.elapsed() >= limit);
    // Time flies for tokio's own timers only.
    let later = tokio::time::sleep(Duration::from_secs(3600));
    let (line, ()) = futures_lite::future::zip(server.receive_line_async(), async {
        later.await;
        client.send_async(b"now\n").await.unwrap();
    })
    .await;
    assert_eq!(line.unwrap(), b"now");
}

#[test]
fn closing_ends_every_wait() {
    both(|| async {
        let (server, _client, _drivers) = common::pair().await;
        let other = server.clone();
        let (ended, ()) = futures_lite::future::zip(server.receive_line_async(), async {
            futures_lite::future::yield_now().await;
            other.close();
        })
        .await;
        let error = ended.unwrap_err().to_string();
        assert!(error.contains("closed on this side"), "{error}");
        let tcp = common::server();
        let (refused, ()) = futures_lite::future::zip(tcp.accept_connection_async(None), async {
            futures_lite::future::yield_now().await;
            tcp.stop().unwrap();
        })
        .await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("closed"), "{error}");
    });
}

#[test]
fn those_who_receive_on_one_connection_take_turns() {
    both(|| async {
        let (server, client, _drivers) = common::pair().await;
        let (first, second, ()) = common::zip3(
            server.receive_exactly_async(6),
            server.receive_exactly_async(6),
            async {
                for piece in [b"abc", b"def", b"ghi", b"jkl"] {
                    client.send_async(piece).await.unwrap();
                    futures_lite::future::yield_now().await;
                }
            },
        )
        .await;
        assert_eq!(first.unwrap(), b"abcdef");
        assert_eq!(second.unwrap(), b"ghijkl");
    });
}

#[test]
fn a_thread_waits_for_the_turn_that_a_task_has() {
    let server = server();
    let mut peer = std::net::TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    let connection = server.accept_connection(SECONDS).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_io()
        .build()
        .unwrap();
    let task = connection.clone();
    let (says, has_turn) = std::sync::mpsc::channel();
    let task = runtime.spawn(async move {
        let mut receive = std::pin::pin!(task.receive_exactly_async(4));
        assert!(poll_once(receive.as_mut()).await.is_none(), "nothing came");
        says.send(()).unwrap();
        receive.await
    });
    has_turn.recv_timeout(SECONDS).unwrap();
    std::io::Write::write_all(&mut peer, b"ab").unwrap();
    let thread = std::thread::spawn({
        let connection = connection.clone();
        move || connection.receive_exactly(2)
    });
    std::io::Write::write_all(&mut peer, b"cdef").unwrap();
    assert_eq!(runtime.block_on(task).unwrap().unwrap(), b"abcd");
    assert_eq!(thread.join().unwrap().unwrap(), b"ef");
}

#[tokio::test]
async fn a_thousand_conversations_run_on_one_thread() {
    let server = server();
    let port = server.port().unwrap();
    let peers = (0..1000_u32).map(|number| async move {
        let mut peer = tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .unwrap();
        peer.write_all(&number.to_be_bytes()).await.unwrap();
        let mut answer = [0; 4];
        peer.read_exact(&mut answer).await.unwrap();
        assert_eq!(u32::from_be_bytes(answer), number + 1);
    });
    let peers: Vec<_> = peers.map(tokio::spawn).collect();
    let mut talks = Vec::new();
    for _ in 0..1000 {
        let connection = server.accept_connection_async(SECONDS).await.unwrap();
        talks.push(tokio::spawn(async move {
            let number = connection.receive_exactly_async(4).await.unwrap();
            let number = u32::from_be_bytes(number.try_into().unwrap());
            connection
                .send_async((number + 1).to_be_bytes())
                .await
                .unwrap();
        }));
    }
    for task in peers.into_iter().chain(talks) {
        task.await.unwrap();
    }
}
