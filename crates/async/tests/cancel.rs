//! Futures that are dropped, at any point: nothing is lost.
#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{future::Future, pin::pin, time::Duration};

use common::{SECONDS, pair, server};
use futures_lite::future::poll_once;
use proptest::{prelude::*, test_runner::TestRunner};
use standin_async::{ConnectionAsync, ServerAsync, TalkAsync};
use standin_driver::Lifecycle;
use standin_socket::framing::{Found, FrameError, Framing};
use standin_tcp::{TcpConnection, TcpError};

/// How many receives a case begins.
const STEPS: usize = 250;

/// How many receives are begun, most of them to be dropped: 100,000 with
/// `STANDIN_CANCELLATIONS=100000`.
fn cancellations() -> usize {
    match std::env::var("STANDIN_CANCELLATIONS") {
        Ok(number) => number.parse().unwrap(),
        Err(_) => 5_000,
    }
}

#[derive(Clone, Debug)]
enum Wish {
    Some(usize),
    SomeText(usize),
    Exactly(usize),
    Into(usize),
    Line,
    LineText,
    Until,
    Matching,
    Frame,
    Expect(usize),
    Peek(usize),
    Silence,
}

/// What is sent first, what is to be received then, how often that is polled, and what comes
/// between two polls.
type Step = (Vec<u8>, Wish, usize, Vec<u8>);

fn step() -> impl Strategy<Value = Step> {
    let bytes = |most| prop::collection::vec(prop::sample::select(b"ab|\n".to_vec()), 0..most);
    let wish = prop_oneof![
        (1..9_usize).prop_map(Wish::Some),
        (1..9_usize).prop_map(Wish::SomeText),
        (1..9_usize).prop_map(Wish::Exactly),
        (1..9_usize).prop_map(Wish::Into),
        Just(Wish::Line),
        Just(Wish::LineText),
        Just(Wish::Until),
        Just(Wish::Matching),
        Just(Wish::Frame),
        (1..9_usize).prop_map(Wish::Expect),
        (1..9_usize).prop_map(Wish::Peek),
        Just(Wish::Silence),
    ];
    (bytes(4), wish, 0..4_usize, bytes(3))
}

/// Frames of three bytes.
struct Threes;

impl Framing for Threes {
    fn find(&mut self, bytes: &[u8], seen: usize) -> Result<Found, FrameError> {
        assert!(seen <= bytes.len());
        Ok(match 3_usize.checked_sub(bytes.len()) {
            None | Some(0) => Found::frame(0..3, 3),
            Some(missing) => Found::Missing(missing),
        })
    }
}

/// A conversation in which one side sends, and the other side gives up most receives.
struct Talk {
    near: TcpConnection,
    far: TcpConnection,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Talk {
    async fn run(steps: &[Step]) -> Result<(), TestCaseError> {
        let (near, far, _drivers) = pair().await;
        let mut talk = Talk {
            near,
            far,
            sent: Vec::new(),
            received: Vec::new(),
        };
        for (before, wish, polls, between) in steps {
            talk.say(before);
            talk.step(wish, *polls, between).await;
        }
        talk.far.shutdown_write().unwrap();
        let rest = talk.near.receive_to_end_async().await.unwrap();
        talk.received.extend(rest);
        prop_assert_eq!(talk.received, talk.sent);
        Ok(())
    }

    fn say(&mut self, bytes: &[u8]) {
        self.far.send(bytes).unwrap();
        self.sent.extend(bytes);
    }

    async fn step(&mut self, wish: &Wish, polls: usize, between: &[u8]) {
        let near = self.near.clone();
        let with_end = |mut line: Vec<u8>, end: u8| {
            line.push(end);
            line
        };
        let kept = self.received.len();
        match *wish {
            Wish::Some(limit) => {
                self.take(near.receive_some_async(limit), polls, between)
                    .await
            }
            Wish::SomeText(limit) => {
                let text = async { Ok(near.receive_some_text_async(limit).await?.into_bytes()) };
                self.take(text, polls, between).await;
            }
            Wish::Exactly(size) => {
                self.take(near.receive_exactly_async(size), polls, between)
                    .await;
            }
            Wish::Into(size) => {
                let mut target = vec![0; size];
                let into = async {
                    let count = near.receive_into_async(&mut target).await?;
                    target.truncate(count);
                    Ok(target)
                };
                self.take(into, polls, between).await;
            }
            Wish::Line => {
                let line = async { Ok(with_end(near.receive_line_async().await?, b'\n')) };
                self.take(line, polls, between).await;
            }
            Wish::LineText => {
                let line = async {
                    let line = near.receive_line_text_async().await?;
                    Ok(with_end(line.into_bytes(), b'\n'))
                };
                self.take(line, polls, between).await;
            }
            Wish::Until => {
                self.take(near.receive_until_async(b"|"), polls, between)
                    .await
            }
            Wish::Matching => {
                let end = |bytes: &[u8]| bytes.windows(2).position(|two| two == b"ab");
                let matching = near.receive_matching_async(move |bytes| Some(end(bytes)? + 2));
                self.take(matching, polls, between).await;
            }
            Wish::Frame => {
                self.take(near.receive_frame_async(&mut Threes), polls, between)
                    .await;
            }
            Wish::Expect(size) => {
                // What comes next, as far as that is known, or something that need not come.
                let mut next = self.sent[kept..].to_vec();
                next.truncate(size);
                let expected = next.clone();
                let met = async { near.expect_async(&expected).await.map(|()| next) };
                self.take(met, polls, between).await;
            }
            Wish::Peek(limit) => {
                let peeked = async { near.peek_async(limit).await.map(|_| Vec::new()) };
                self.take(peeked, polls, between).await;
            }
            Wish::Silence => {
                let silence = near.receive_until_silence_async(Duration::from_millis(1));
                self.take(silence, polls, between).await;
            }
        }
    }

    /// Polls a receive so often at most, and drops it.
    async fn take(
        &mut self,
        receive: impl Future<Output = Result<Vec<u8>, TcpError>>,
        polls: usize,
        between: &[u8],
    ) {
        let mut receive = pin!(receive);
        for _ in 0..polls {
            if let Some(received) = poll_once(receive.as_mut()).await {
                self.received.extend(received.unwrap());
                return;
            }
            self.say(between);
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn no_byte_is_lost_by_dropping_receives() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: u32::try_from(cancellations().div_ceil(STEPS)).unwrap(),
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let steps = prop::collection::vec(step(), STEPS);
    let outcome = runner.run(&steps, |steps| runtime.block_on(Talk::run(&steps)));
    outcome.unwrap();
}

#[tokio::test]
async fn a_receive_that_is_dropped_gives_its_turn_back() {
    let (near, far, _drivers) = pair().await;
    far.send(b"abc").unwrap();
    {
        let mut first = pin!(near.receive_exactly_async(4));
        let mut second = pin!(near.receive_exactly_async(2));
        assert!(poll_once(first.as_mut()).await.is_none());
        assert!(
            poll_once(second.as_mut()).await.is_none(),
            "it stands in line"
        );
    }
    // Also for threads.
    assert_eq!(near.receive_exactly(3).unwrap(), b"abc");
}

#[tokio::test]
async fn who_stands_in_line_is_woken_when_the_turn_is_given_up() {
    let (near, far, _drivers) = pair().await;
    let first = near.clone();
    let first = tokio::spawn(async move { first.receive_exactly_async(4).await });
    tokio::task::yield_now().await;
    let second = near.clone();
    let second = tokio::spawn(async move { second.receive_exactly_async(2).await });
    tokio::task::yield_now().await;
    far.send(b"ab").unwrap();
    tokio::task::yield_now().await;
    first.abort();
    assert_eq!(second.await.unwrap().unwrap(), b"ab");
}

#[tokio::test]
async fn an_accept_that_is_dropped_takes_nobody() {
    let server = server();
    let mut accept = Box::pin(server.accept_connection_async(SECONDS));
    assert!(poll_once(accept.as_mut()).await.is_none());
    let _peer = std::net::TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    drop(accept);
    let accepted = server.accept_connection_async(SECONDS).await.unwrap();
    assert_eq!(accepted.index(), 0);
    server.stop().unwrap();
}

#[tokio::test]
async fn a_send_that_is_dropped_has_sent_a_part_of_it() {
    let (near, far, _drivers) = pair().await;
    let much = vec![1; 32 << 20];
    {
        let mut send = pin!(near.send_async(&much));
        assert!(
            poll_once(send.as_mut()).await.is_none(),
            "there is not that much room"
        );
    }
    near.shutdown_write().unwrap();
    let received = far.receive_to_end_async().await.unwrap();
    assert!(received.len() < much.len() && received.iter().all(|byte| *byte == 1));
}

#[tokio::test]
async fn who_has_the_turn_is_woken_though_others_stand_in_line() {
    let (near, far, _drivers) = pair().await;
    let receive = |size| {
        let near = near.with_timeout(SECONDS);
        tokio::spawn(async move { near.receive_exactly_async(size).await })
    };
    let first = receive(4);
    tokio::task::yield_now().await;
    let second = receive(2);
    tokio::task::yield_now().await;
    far.send(b"abcdef").unwrap();
    assert_eq!(first.await.unwrap().unwrap(), b"abcd");
    assert_eq!(second.await.unwrap().unwrap(), b"ef");
}
