//! Answers, and conversations that are held.

use super::*;

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
