//! Futures that are dropped after each poll, and after each time that they are woken: whatever was
//! on its way to them is there for the next one.
#![cfg(all(feature = "tokio", feature = "smol", feature = "proxy", unix))]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::{
    future::{Future, poll_fn},
    io::Write,
    net::TcpStream,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use common::{SECONDS, both, pair, server};
use futures_lite::future::or;
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

/// How far a future gets before it is dropped.
#[derive(Clone, Copy, Debug)]
struct Point {
    polls: usize,
    /// Whether it is woken once more after the last poll: what it waits for may be on its way.
    is_woken: bool,
}

/// Wakes the task of a test, and remembers that.
#[derive(Default)]
struct Alarm(Mutex<(bool, Option<Waker>)>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let task = state.1.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Alarm {
    async fn rings(&self) {
        let rings = poll_fn(|cx| {
            let mut state = self.0.lock().unwrap();
            if std::mem::take(&mut state.0) {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        });
        let never = async {
            async_io::Timer::after(SECONDS).await;
            panic!("it is never woken");
        };
        or(rings, never).await;
    }
}

impl Point {
    /// Polls a future so far, and drops it unless it is over. `goes_on` is called after each poll
    /// and does what the future waits for, bit by bit.
    async fn reach<T>(
        self,
        future: impl Future<Output = T>,
        mut goes_on: impl FnMut(usize),
    ) -> Option<T> {
        let mut future = pin!(future);
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        for poll in 0..self.polls {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(output);
            }
            goes_on(poll);
            if poll + 1 < self.polls || self.is_woken {
                alarm.rings().await;
            }
        }
        None
    }
}

/// Tries all points of a future, under tokio and without it. `scenario` says whether the future was
/// over.
fn at_every_point(scenario: impl AsyncFn(Point) -> bool) {
    both(async || {
        for polls in 0.. {
            let mut is_over = false;
            for is_woken in [false, true] {
                if polls > 0 || !is_woken {
                    is_over |= scenario(Point { polls, is_woken }).await;
                }
            }
            if is_over {
                assert!(polls > 0);
                return;
            }
            assert!(polls < 1000, "it does not come to an end");
        }
    });
}

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
            let far = far.with_timeout(Duration::ZERO);
            let mut received = Vec::new();
            let goes_on = |_| received.extend(far.receive_buffered().unwrap());
            let sent = point.reach(send(&near, nth, &much), goes_on).await;
            let is_over = sent.is_some();
            // The turn is there for the next one.
            let next = async {
                near.send_async(b"!").await.unwrap();
                near.shutdown_write().unwrap();
            };
            let rest = far.with_timeout(SECONDS);
            let (rest, ()) = futures_lite::future::zip(rest.receive_to_end_async(), next).await;
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
            let mut connect = Box::pin(client.connect_async());
            let mut connected = None;
            let goes_on = |_| {
                let mut cx = Context::from_waker(Waker::noop());
                if connected.is_none()
                    && let Poll::Ready(outcome) = connect.as_mut().poll(&mut cx)
                {
                    connected = Some(outcome);
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
            let is_over = point.reach(given_up, goes_on).await.is_some();
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
            let (connected, ()) = futures_lite::future::zip(connects, accepts).await;
            connected.unwrap().send_async(b"x").await.unwrap();
            assert_eq!(server.receive_exactly_async(1).await.unwrap(), b"x");
            is_over
        });
    }
}

/// A bank, and a client of it.
fn bank() -> (TcpServer, TcpClient) {
    let replies = Replies::framed(Lines::new())
        .on(equals("PING").named("ping").times(0..), reply("PONG\n"))
        .on(equals("PAY").times(0..), hold("pay"));
    let bank = TcpServer::builder("bank")
        .host("127.0.0.1")
        .replies(replies);
    let bank = bank.build().unwrap();
    bank.start().unwrap();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(bank.port().unwrap())
        .build()
        .unwrap();
    client.start().unwrap();
    (bank, client)
}

#[test]
fn a_held_conversation_is_there_whenever_its_wait_was_dropped() {
    at_every_point(async |point| {
        let (bank, client) = bank();
        let goes_on = |poll| {
            if poll == 0 {
                client.send_text("PAY\n").unwrap();
            }
        };
        let held = point.reach(bank.held_async("pay", SECONDS), goes_on).await;
        let is_over = held.is_some();
        let mut held = match held {
            Some(held) => held.unwrap(),
            None => {
                if point.polls == 0 {
                    client.send_text("PAY\n").unwrap();
                }
                bank.held_async("pay", SECONDS).await.unwrap()
            }
        };
        assert_eq!(held.frame(), Some(&b"PAY"[..]));
        held.send_text_async("paid\n").await.unwrap();
        client.expect_text_async("paid\n").await.unwrap();
        is_over
    });
}

#[test]
fn a_conversation_goes_on_whenever_a_take_over_is_dropped() {
    at_every_point(async |point| {
        let (bank, client) = bank();
        client.send_text("PING\n").unwrap();
        client.expect_text_async("PONG\n").await.unwrap();
        let taken = point.reach(bank.take_over_async(0, SECONDS), |_| {}).await;
        let is_over = taken.is_some();
        taken
            .transpose()
            .unwrap()
            .inspect(|taken| assert_eq!(taken.index(), 0));
        // Dropping it has handed it back.
        client.send_text("PING\n").unwrap();
        client.expect_text_async("PONG\n").await.unwrap();
        let mut again = bank.take_over_async(0, SECONDS).await.unwrap();
        client.send_text("raw").unwrap();
        again.expect_async(b"raw").await.unwrap();
        is_over
    });
}

#[test]
fn a_wait_for_what_a_peer_does_may_be_dropped_anywhere() {
    at_every_point(async |point| {
        let (bank, client) = bank();
        let goes_on = |poll| {
            if poll == 0 {
                client.send_text("PING\n").unwrap();
            }
        };
        let seen = Seen::rule("ping");
        let seen = point
            .reach(bank.wait_until_async(seen, SECONDS), goes_on)
            .await;
        if point.polls == 0 {
            client.send_text("PING\n").unwrap();
        }
        bank.wait_until_async(Seen::rule("ping"), SECONDS)
            .await
            .unwrap();
        client.expect_text_async("PONG\n").await.unwrap();
        seen.transpose().unwrap().is_some()
    });
}

#[test]
fn what_is_said_in_a_held_conversation_is_whole_whenever_that_is_dropped() {
    for nth in 0..4 {
        at_every_point(async |point| {
            let (bank, client) = bank();
            let mut held = bank.take_over_async(0, SECONDS).await.unwrap();
            let mut rest = SENT;
            let far = client.connection().unwrap();
            let goes_on = |_| {
                if let Some((first, others)) = rest.split_first() {
                    far.send([*first]).unwrap();
                    rest = others;
                }
            };
            let talks = async {
                Ok::<_, TcpError>(match nth {
                    0 => held.receive_exactly_async(5).await?,
                    1 => [&held.receive_line_async().await?[..], b"\n"].concat(),
                    2 => [&held.receive_frame_async().await?[..], b"\n"].concat(),
                    _ => held.receive_until_async(b"|").await?,
                })
            };
            let received = point.reach(talks, goes_on).await;
            let is_over = received.is_some();
            far.send(rest).unwrap();
            far.shutdown_write().unwrap();
            let mut all = received.transpose().unwrap().unwrap_or_default();
            all.extend(held.receive_to_end_async().await.unwrap());
            assert_eq!(all, SENT, "{nth} {point:?}");
            held.send_text_async("bye").await.unwrap();
            far.expect_async(b"bye").await.unwrap();
            is_over
        });
    }
}

#[test]
fn a_line_is_found_whenever_a_search_was_dropped() {
    for nth in 0..3 {
        at_every_point(async |point| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("log");
            let mut log = std::fs::File::create(&path).unwrap();
            // All lines are found however soon the time is up.
            writeln!(log, "line").unwrap();
            let matcher = LogMatcher::new(&path);
            let goes_on = |poll| writeln!(log, "line {poll}").unwrap();
            let limit = Duration::from_millis(30);
            let search = async {
                match nth {
                    0 => matcher
                        .match_line_async("line 2", SECONDS)
                        .await
                        .map(|_| ()),
                    1 => matcher.not_match_async("line 99", limit).await,
                    _ => matcher.match_all_async("line", limit).await.map(|_| ()),
                }
            };
            let found = point.reach(search, goes_on).await;
            let is_over = found.transpose().unwrap().is_some();
            writeln!(log, "the end").unwrap();
            matcher.match_line_async("the end", SECONDS).await.unwrap();
            if nth == 0 && !is_over {
                matcher.seek_start();
                writeln!(log, "line 2").unwrap();
                matcher.match_line_async("line 2", SECONDS).await.unwrap();
            }
            is_over
        });
    }
}

#[test]
fn a_driver_is_of_use_whenever_something_with_it_was_dropped() {
    for nth in 0..8 {
        at_every_point(async |point| {
            let server = TcpServer::builder("server").host("127.0.0.1").build();
            let server = Arc::new(server.unwrap());
            if nth > 0 {
                server.start().unwrap();
            }
            let happens = async {
                match nth {
                    0 => server.start_async().await.unwrap(),
                    1 => server.stop_async().await.unwrap(),
                    2 => server.restart_async().await.unwrap(),
                    3 => server.wind_down_async().await.unwrap(),
                    4 => drop(server.extract_values_async().await.unwrap()),
                    5 => server.wait_async(Status::Started, None).await.unwrap(),
                    6 => server.wait_async(Status::Started, SECONDS).await.unwrap(),
                    _ => {
                        let soon = Duration::from_millis(1);
                        server.wait_async(Status::Stopped, soon).await.unwrap_err();
                    }
                }
            };
            let is_over = point.reach(happens, |_| {}).await.is_some();
            server.start_async().await.unwrap();
            let _peer = TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
            let accepted = server.accept_connection_async(SECONDS).await;
            accepted.unwrap_or_else(|error| panic!("{nth} {point:?}: {error:?}"));
            server.stop_async().await.unwrap();
            is_over
        });
    }
}

#[test]
fn an_environment_leaves_nothing_whenever_its_start_or_stop_is_dropped() {
    let port = TestPort::claim();
    for nth in 0..3 {
        at_every_point(async |point| {
            let mut env = Environment::new("env");
            let server = TcpServer::builder("server")
                .host("127.0.0.1")
                .port(port.number());
            let server = env.add(server.build().unwrap()).unwrap();
            let is_over = if nth == 0 {
                let env = point.reach(env.start_async(), |_| {}).await;
                env.map(|env| env.unwrap().stop().unwrap()).is_some()
            } else {
                let env = env.start_async().await.unwrap();
                let ends = async {
                    match nth {
                        1 => env.stop_async().await.unwrap(),
                        _ => env.restart_async().await.unwrap(),
                    }
                };
                point.reach(ends, |_| {}).await.is_some()
            };
            assert_ne!(server.status(), Status::Started, "{nth} {point:?}");
            // The next server has the port.
            let next = std::net::TcpListener::bind(("127.0.0.1", port.number()));
            next.unwrap_or_else(|error| panic!("{nth} {point:?}: {error}"));
            is_over
        });
    }
}

#[test]
fn a_program_is_of_use_whenever_a_wait_for_it_was_dropped() {
    let much = vec![b'x'; 1 << 18];
    at_every_point(async |point| {
        let program = Process::builder("program")
            .binary("/bin/sh")
            .args(["-c", "sleep 0.01; exec cat > /dev/null"])
            .build()
            .unwrap();
        program.start().unwrap();
        let written = point.reach(program.write_stdin_async(&much), |_| {}).await;
        let is_over = written.transpose().unwrap().is_some();
        program.write_stdin_async("\nthe end\n").await.unwrap();
        let goes_on = |poll| {
            if poll == 0 {
                program.close_stdin();
            }
        };
        drop(
            point
                .reach(program.wait_for_exit_async(SECONDS), goes_on)
                .await,
        );
        program.close_stdin();
        program.wait_for_exit_async(SECONDS).await.unwrap();
        is_over
    });
}

#[test]
fn a_proxy_is_of_use_whenever_a_wait_for_it_was_dropped() {
    at_every_point(async |point| {
        let target = server();
        let to = format!("127.0.0.1:{}", target.port().unwrap());
        let proxy = TcpProxy::builder("proxy").to(to).build().unwrap();
        proxy.start().unwrap();
        let connect = || TcpStream::connect(("127.0.0.1", proxy.port().unwrap())).unwrap();
        let mut peer = Some(connect());
        let near = target.accept_connection_async(SECONDS).await.unwrap();
        let goes_on = |poll| {
            if poll == 0 {
                drop(peer.take());
                near.close();
            }
        };
        let few = point
            .reach(proxy.wait_until_open_async(0, SECONDS), goes_on)
            .await;
        let is_over = few.transpose().unwrap().is_some();
        drop(peer);
        near.close();
        proxy.wait_until_open_async(0, SECONDS).await.unwrap();
        let _next = connect();
        target.accept_connection_async(SECONDS).await.unwrap();
        is_over
    });
}
