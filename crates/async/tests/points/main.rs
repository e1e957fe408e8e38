//! Futures that are dropped after each poll, and after each time that they are woken: whatever was
//! on its way to them is there for the next one.
#![cfg(all(feature = "tokio", feature = "smol", feature = "proxy", unix))]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod conversations;
mod drivers;
mod point;

use std::{
    future::{Future, pending},
    io::Write,
    net::TcpStream,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use common::{SECONDS, pair, server};
use futures_lite::future::{or, zip};
use point::at_every_point;
use standin_async::{
    AnswersAsync, ClientAsync, ConnectionAsync, DriverAsync, EnvironmentAsync, HeldAsync, LogAsync,
    ProcessAsync, ProxyAsync, RunningAsync, ServerAsync, TalkAsync,
};
use standin_driver::{Lifecycle, LogMatcher};
use standin_entity::Status;
use standin_environment::Environment;
use standin_process::Process;
use standin_proxy::TcpProxy;
use standin_reply::{Replies, Seen, equals, hold, reply};
use standin_socket::framing::Lines;
use standin_tcp::{TcpClient, TcpConnection, TcpError, TcpServer, Tls};
use test_port::TestPort;

const SENT: &[u8] = b"ab|cd\nabefgh|i\n";

/// The receives, by number; each with the bytes that it has taken.
async fn receive(near: &TcpConnection, nth: usize) -> Option<Result<Vec<u8>, TcpError>> {
    let with_end = |line: Result<Vec<u8>, TcpError>| line.map(|line| [&line[..], b"\n"].concat());
    let bytes = |text: Result<String, TcpError>| text.map(String::into_bytes);
    Some(match nth {
        0 => near.receive_some_async(3).await,
        1 => near.receive_exactly_async(5).await,
        2 => near.receive_until_async(b"|").await,
        3 => with_end(near.receive_line_async().await),
        4 => with_end(bytes(near.receive_line_text_async().await)),
        5 => {
            let end = |bytes: &[u8]| bytes.windows(2).position(|two| two == b"be");
            near.receive_matching_async(|bytes| Some(end(bytes)? + 2))
                .await
        }
        6 => with_end(near.receive_frame_async(&mut Lines::new()).await),
        7 => near.expect_async(b"ab|c").await.map(|()| b"ab|c".to_vec()),
        8 => near.peek_async(3).await.map(|_| Vec::new()),
        9 => {
            near.receive_until_silence_async(Duration::from_millis(1))
                .await
        }
        10 => bytes(near.receive_some_text_async(3).await),
        11 => bytes(near.receive_exactly_text_async(5).await),
        12 => bytes(near.receive_until_text_async("|").await),
        13 => near
            .expect_text_async("ab|c")
            .await
            .map(|()| b"ab|c".to_vec()),
        14 => {
            let mut target = [0; 3];
            let received = near.receive_into_async(&mut target).await;
            received.map(|count| target[..count].to_vec())
        }
        _ => return None,
    })
}

#[test]
fn no_byte_is_lost_whenever_a_receive_is_dropped() {
    for nth in 0..15 {
        at_every_point(async |point| {
            let (near, far, _drivers) = pair().await;
            let mut rest = SENT;
            let goes_on = |_| {
                if let Some((first, others)) = rest.split_first() {
                    far.send([*first]).unwrap();
                    rest = others;
                }
            };
            let received = point.reach(receive(&near, nth), goes_on).await;
            far.send(rest).unwrap();
            far.shutdown_write().unwrap();
            let is_over = received.is_some();
            let mut all = received.flatten().transpose().unwrap().unwrap_or_default();
            all.extend(near.receive_to_end_async().await.unwrap());
            assert_eq!(all, SENT, "{nth} {point:?}");
            is_over
        });
    }
}

#[test]
fn who_stands_in_line_goes_on_whenever_the_one_before_is_dropped() {
    at_every_point(async |point| {
        let (near, far, _drivers) = pair().await;
        let mut next = Box::pin(near.receive_exactly_async(2));
        let goes_on = |poll| {
            if poll == 0 {
                let waker = Waker::noop();
                assert!(
                    next.as_mut()
                        .poll(&mut Context::from_waker(waker))
                        .is_pending()
                );
            }
            far.send(b"x").unwrap();
        };
        let first = point.reach(near.receive_exactly_async(3), goes_on).await;
        far.send(b"xx").unwrap();
        let received = next.await.unwrap();
        assert_eq!(received, b"xx");
        first.is_some()
    });
}

/// The sends, by number. Each says what it sends.
async fn send(near: &TcpConnection, nth: usize, much: &[u8]) -> Result<usize, TcpError> {
    let pause = Duration::from_millis(1);
    match nth {
        0 => near.send_async(much).await,
        1 => near.send_text_async(str::from_utf8(much).unwrap()).await,
        2 => near.send_frame_async(&mut Lines::new(), much).await,
        3 => near.send_in_pieces_async(much, much.len() / 5, pause).await,
        _ => near.send_delayed_async(much, pause).await,
    }
}

#[test]
fn what_was_sent_is_a_beginning_whenever_a_send_is_dropped() {
    let much: Vec<u8> = (0..4_000_000).map(|at| b'a' + (at % 23) as u8).collect();
    for nth in 0..5 {
        at_every_point(async |point| {
            let (near, far, _drivers) = pair().await;
            let far = far.with_timeout(SECONDS);
            let mut received = Vec::new();
            // What is sent is taken as it comes, so that there is room again.
            let takes = async {
                loop {
                    let some = far.receive_some_async(much.len()).await.unwrap();
                    received.extend(some);
                }
            };
            let reaches = point.reach(send(&near, nth, &much), |_| {});
            let sent = or(reaches, takes).await;
            let is_over = sent.is_some();
            // The turn is there for the next one.
            let next = async {
                near.send_async(b"!").await.unwrap();
                near.shutdown_write().unwrap();
            };
            let (rest, ()) = zip(far.receive_to_end_async(), next).await;
            received.extend(rest.unwrap());
            assert_eq!(received.pop(), Some(b'!'));
            if is_over && nth == 2 {
                assert_eq!(received.pop(), Some(b'\n'));
            }
            assert!(much.starts_with(&received) || nth == 2, "{nth} {point:?}");
            assert!(!is_over || received == much, "{nth} {point:?}");
            is_over
        });
    }
}

#[test]
fn nobody_is_lost_whenever_an_accept_is_dropped() {
    at_every_point(async |point| {
        let server = server();
        let connect = || TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
        let mut peer = None;
        let mut next = Box::pin(server.accept_connection_async(SECONDS));
        let goes_on = |poll| {
            if poll == 0 {
                let waker = Waker::noop();
                assert!(
                    next.as_mut()
                        .poll(&mut Context::from_waker(waker))
                        .is_pending()
                );
                peer = Some(connect());
            }
        };
        let accepted = point
            .reach(server.accept_connection_async(SECONDS), goes_on)
            .await;
        let mut peer = peer.unwrap_or_else(connect);
        let is_over = accepted.is_some();
        let accepted = match accepted {
            Some(accepted) => accepted.unwrap(),
            None => next.await.unwrap(),
        };
        assert_eq!(accepted.index(), 0);
        peer.write_all(b"x").unwrap();
        assert_eq!(accepted.receive_exactly_async(1).await.unwrap(), b"x");
        is_over
    });
}

#[test]
fn a_client_connects_whenever_a_connect_was_dropped() {
    at_every_point(async |point| {
        let port = TestPort::claim();
        let client = TcpClient::builder("client")
            .host("127.0.0.1")
            .port(port.number())
            .connect_at_start(false)
            .retry_connect(true)
            .build()
            .unwrap();
        client.start().unwrap();
        let server = TcpServer::builder("server")
            .host("127.0.0.1")
            .port(port.number())
            .build()
            .unwrap();
        let goes_on = |poll| {
            if poll == 2 {
                server.start().unwrap();
            }
        };
        let connected = point.reach(client.connect_async(), goes_on).await;
        let is_over = connected.is_some();
        server.start().unwrap();
        let connected = match connected {
            Some(connected) => connected.unwrap(),
            None => client.connect_async().await.unwrap(),
        };
        connected.send_async(b"x").await.unwrap();
        // Before it there may be one that was given up.
        while let Ok(accepted) = server.accept_connection_async(SECONDS).await {
            match accepted.receive_exactly_async(1).await {
                Ok(received) => {
                    assert_eq!(received, b"x");
                    return is_over;
                }
                Err(error) => assert!(error.is_peer_closed(), "{error}"),
            }
        }
        panic!("the connection did not come");
    });
}

#[test]
fn both_sides_shake_hands_whenever_an_accept_or_a_connect_was_dropped() {
    for is_client in [false, true] {
        at_every_point(async |point| {
            let server = TcpServer::builder("server")
                .host("127.0.0.1")
                .tls(Tls::new())
                .build()
                .unwrap();
            server.start().unwrap();
            let client = TcpClient::builder("client")
                .host("127.0.0.1")
                .port(server.port().unwrap())
                .tls(Tls::new().verify(false))
                .connect_at_start(false)
                .build()
                .unwrap();
            client.start().unwrap();
            let given_up = async {
                match is_client {
                    true => drop(client.connect_async().await.unwrap()),
                    false => drop(server.accept_connection_async(SECONDS).await.unwrap()),
                }
            };
            if is_client {
                let is_over = point.reach(given_up, |_| {}).await.is_some();
                client.connect_async().await.unwrap();
                client.send_async(b"x").await.unwrap();
                // Before it there may be one that was given up.
                loop {
                    let accepted = server.accept_connection_async(SECONDS).await;
                    if let Ok(accepted) = accepted
                        && let Ok(received) = accepted.receive_exactly_async(1).await
                    {
                        assert_eq!(received, b"x");
                        return is_over;
                    }
                }
            }
            let mut connect = Box::pin(client.connect_async());
            let mut connected = None;
            let connects = async {
                connected = Some(connect.as_mut().await);
                pending().await
            };
            let is_over = or(point.reach(given_up, |_| {}), connects).await.is_some();
            let accepts = async {
                if !is_over {
                    server.accept_connection_async(SECONDS).await.unwrap();
                }
            };
            let connects = async {
                match connected {
                    Some(connected) => connected,
                    None => connect.await,
                }
            };
            let (connected, ()) = zip(connects, accepts).await;
            connected.unwrap().send_async(b"x").await.unwrap();
            assert_eq!(server.receive_exactly_async(1).await.unwrap(), b"x");
            is_over
        });
    }
}
