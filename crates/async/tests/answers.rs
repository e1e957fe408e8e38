//! Drivers that answer by themselves, and logs, with tasks that wait for them.
#![cfg(all(feature = "tokio", feature = "smol"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{io::Write, time::Duration};

use common::{SECONDS, both, zip3};
use futures_lite::future::{poll_once, zip};
use standin_async::{AnswersAsync, HeldAsync, LogAsync, TalkAsync};
use standin_driver::{Driver, Lifecycle, LogMatcher};
use standin_reply::{Replies, Seen, equals, hold, reply};
use standin_socket::framing::Lines;
use standin_tcp::{TcpClient, TcpServer};

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
fn what_a_peer_does_by_itself_is_waited_for() {
    both(|| async {
        let (bank, client) = bank();
        let (seen, held, ()) = zip3(
            bank.wait_until_async(Seen::rule("ping"), SECONDS),
            bank.held_async("pay", SECONDS),
            async {
                client.send_text_async("PING\nPAY\n").await.unwrap();
                client.expect_text_async("PONG\n").await.unwrap();
            },
        )
        .await;
        seen.unwrap();
        let mut held = held.unwrap();
        held.send_text_async("paid\n").await.unwrap();
        client.expect_text_async("paid\n").await.unwrap();
        client.send_text_async("more\n").await.unwrap();
        assert_eq!(held.receive_line_text_async().await.unwrap(), "more");
        held.hand_back();
        let mut taken = bank.take_over_async(0, SECONDS).await.unwrap();
        client.send_text_async("raw").await.unwrap();
        taken.expect_async(b"raw").await.unwrap();
        let never = bank.held_async("pay", Duration::from_millis(20)).await;
        assert!(never.unwrap_err().is_timeout());
    });
}

#[test]
fn a_take_over_that_is_dropped_takes_nothing() {
    both(|| async {
        let (bank, client) = bank();
        {
            let mut first = Box::pin(bank.take_over_async(1, SECONDS));
            assert!(poll_once(first.as_mut()).await.is_none());
            let mut present = Box::pin(bank.take_over_async(0, SECONDS));
            let _ = poll_once(present.as_mut()).await;
        }
        client.send_text_async("PING\n").await.unwrap();
        client.expect_text_async("PONG\n").await.unwrap();
        {
            let mut present = Box::pin(bank.take_over_async(0, SECONDS));
            if poll_once(present.as_mut()).await.is_none() {
                // The side that answers has put it down by then.
                bank.verify().unwrap();
            }
        }
        client.send_text_async("PING\n").await.unwrap();
        client.expect_text_async("PONG\n").await.unwrap();
        bank.take_over_async(0, SECONDS).await.unwrap();
    });
}

#[test]
fn a_log_is_searched_while_it_is_written() {
    both(|| async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let mut file = std::fs::File::create(&path).unwrap();
        let log = LogMatcher::new(&path);
        let (found, ()) = zip(log.match_line_async(r"order (?<id>\d+)", SECONDS), async {
            futures_lite::future::yield_now().await;
            file.write_all(b"start\norder 17\n").unwrap();
        })
        .await;
        assert_eq!(found.unwrap().group("id").as_deref(), Some("17"));
        let brief = Duration::from_millis(20);
        log.not_match_async("error", brief).await.unwrap();
        assert!(log.match_line_async("never", brief).await.is_err());
        file.write_all(b"order 1\norder 2\n").unwrap();
        let all = log.match_all_async("order", brief).await.unwrap();
        assert_eq!(all.len(), 2);
    });
}
