//! Each record has the line of the test that asked for it, whichever method that is.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use standin_driver::Lifecycle;
use standin_record::{By, Event, Place};
use standin_reply::{Replies, hold};
use standin_socket::framing::Lines;
use standin_tcp::testplan::{ClientNames, ServerNames};
use standin_tcp::{TcpClient, TcpConnection, TcpError, TcpHeld, TcpServer};

const SOON: Duration = Duration::from_secs(60);
const BRIEF: Duration = Duration::from_millis(5);

struct Ends {
    server: TcpServer,
    client: TcpClient,
    far: TcpConnection,
    near: TcpConnection,
}

fn client_of(server: &TcpServer) -> TcpClient {
    let client = TcpClient::builder("client").host("localhost");
    client.port(server.port().unwrap()).build().unwrap()
}

fn ends() -> Ends {
    let server = TcpServer::builder("server").build().unwrap();
    server.start().unwrap();
    let client = client_of(&server);
    client.start().unwrap();
    Ends {
        far: server.accept_connection(SOON).unwrap(),
        near: client.connection().unwrap(),
        server,
        client,
    }
}

/// Where the records of that kind are, at one driver.
fn places(driver: &impl Lifecycle, is_meant: impl Fn(&Event) -> bool) -> Vec<Option<Place>> {
    let conversations = driver.transcript().conversations;
    let records = conversations.iter().flat_map(|one| &one.records);
    let meant = records.filter(|record| is_meant(&record.event));
    meant.map(|record| record.place).collect()
}

/// The line of a place, which must be in this file.
#[track_caller]
fn line(what: &str, place: Option<Place>) -> u32 {
    let file = place.map(|place| place.file());
    assert_eq!(file, Some(file!()), "{what}: {place:?}");
    place.unwrap().line()
}

#[track_caller]
fn done<T>(result: Result<T, TcpError>) {
    result.unwrap();
}

/// A method, called on a line of its own.
type Row<'a, E> = (&'a str, &'a dyn Fn(&E));

/// The same of a conversation that the test has.
type OnHeld<'a> = &'a dyn Fn(&mut TcpHeld);

/// Each line of the table is that of its own method: between `begin` and the end, one behind the
/// other.
#[track_caller]
fn check_order(lines: &[(&str, u32)], begin: u32, end: u32) {
    let mut before = begin;
    for (what, line) in lines {
        assert!(before < *line && *line < end, "{what} in {lines:?}");
        before = *line;
    }
}

fn is_sent(event: &Event) -> bool {
    matches!(event, Event::Sent(_))
}

fn is_received(event: &Event) -> bool {
    matches!(event, Event::Received(_))
}

fn is_end(event: &Event) -> bool {
    matches!(
        event,
        Event::Closed(By::Us) | Event::Reset(By::Us) | Event::HalfClosed(By::Us)
    )
}

#[test]
fn every_receive_has_its_line() {
    let begin = line!();
    let rows: &[Row<'_, Ends>] = &[
        ("receive_exactly", &|e| done(e.far.receive_exactly(6))),
        ("receive_exactly_text", &|e| {
            done(e.far.receive_exactly_text(6))
        }),
        ("receive_some", &|e| done(e.far.receive_some(9))),
        ("receive_some_text", &|e| done(e.far.receive_some_text(9))),
        ("receive_into", &|e| done(e.far.receive_into(&mut [0; 9]))),
        ("receive_until", &|e| done(e.far.receive_until("\n"))),
        ("receive_until_text", &|e| {
            done(e.far.receive_until_text("\n"))
        }),
        ("receive_line", &|e| done(e.far.receive_line())),
        ("receive_line_text", &|e| done(e.far.receive_line_text())),
        ("receive_matching", &|e| {
            done(e.far.receive_matching(|b| Some(b.len())))
        }),
        ("receive_until_silence", &|e| {
            done(e.far.receive_until_silence(BRIEF))
        }),
        ("receive_buffered", &|e| {
            while e.far.receive_buffered().unwrap().is_empty() {}
        }),
        ("peek", &|e| done(e.far.peek(9))),
        ("receive_frame", &|e| {
            done(e.far.receive_frame(&mut Lines::new()))
        }),
        ("receive_to_end", &|e| done(e.far.receive_to_end())),
        ("receive_to_end_text", &|e| {
            done(e.far.receive_to_end_text())
        }),
        ("expect", &|e| e.far.expect("hello\n").unwrap()),
        ("expect_text", &|e| e.far.expect_text("hello\n").unwrap()),
        ("reset_after_receiving", &|e| {
            done(e.far.reset_after_receiving(6))
        }),
        ("server.receive_line_text", &|e| {
            done(e.server.receive_line_text())
        }),
        ("server.expect", &|e| e.server.expect("hello\n").unwrap()),
        ("server.receive", &|e| done(e.server.receive(6))),
        ("server.receive, some", &|e| done(e.server.receive(None))),
        ("server.receive_text", &|e| done(e.server.receive_text(6))),
    ];
    let end = line!();
    let lines: Vec<_> = rows
        .iter()
        .map(|(what, receive)| {
            let ends = ends();
            ends.client.send("hello\n").unwrap();
            ends.near.shutdown_write().unwrap();
            receive(&ends);
            (*what, line(what, places(&ends.server, is_received)[0]))
        })
        .collect();
    check_order(&lines, begin, end);
}

#[test]
fn every_send_has_its_line() {
    let begin = line!();
    let rows: &[Row<'_, Ends>] = &[
        ("send", &|e| done(e.near.send("hello"))),
        ("send_text", &|e| done(e.near.send_text("hello"))),
        ("send_frame", &|e| {
            done(e.near.send_frame(&mut Lines::new(), "hello"))
        }),
        ("send_in_pieces", &|e| {
            done(e.near.send_in_pieces("hello", 9, BRIEF))
        }),
        ("send_delayed", &|e| {
            done(e.near.send_delayed("hello", BRIEF))
        }),
        ("reset_after_sending", &|e| {
            done(e.near.reset_after_sending("hello", 5))
        }),
        ("client.send", &|e| done(e.client.send("hello"))),
        ("client.send_text", &|e| done(e.client.send_text("hello"))),
        ("client.send_tsp", &|e| done(e.client.send_tsp("hello"))),
    ];
    let end = line!();
    let lines: Vec<_> = rows
        .iter()
        .map(|(what, send)| {
            let ends = ends();
            send(&ends);
            (*what, line(what, places(&ends.client, is_sent)[0]))
        })
        .collect();
    check_order(&lines, begin, end);
}

#[test]
fn every_end_has_its_line() {
    let begin = line!();
    let rows: &[Row<'_, Ends>] = &[
        ("close", &|e| e.near.close()),
        ("abort", &|e| e.near.abort()),
        ("shutdown_write", &|e| e.near.shutdown_write().unwrap()),
        ("reset", &|e| e.near.reset().unwrap()),
        ("reset_after_sending", &|e| {
            done(e.near.reset_after_sending("hello", 5))
        }),
        ("client.close", &|e| e.client.close()),
        ("client.connect", &|e| done(e.client.connect())),
        ("client.reconnect", &|e| done(e.client.reconnect())),
        ("server.close_connection", &|e| {
            e.server.close_connection(0).unwrap()
        }),
        ("server.go_away", &|e| e.server.go_away().unwrap()),
    ];
    let end = line!();
    let lines: Vec<_> = rows
        .iter()
        .map(|(what, act)| {
            let ends = ends();
            act(&ends);
            let at_client = places(&ends.client, is_end);
            let place = at_client
                .into_iter()
                .chain(places(&ends.server, is_end))
                .next();
            (*what, line(what, place.unwrap()))
        })
        .collect();
    check_order(&lines, begin, end);
}

#[test]
fn an_accept_and_a_connect_have_their_lines() {
    let server = TcpServer::builder("server").build().unwrap();
    server.start().unwrap();
    let port = server.port().unwrap();
    let client = TcpClient::builder("client").host("localhost").port(port);
    let client = client.connect_at_start(false).build().unwrap();
    client.start().unwrap();
    let begin = line!();
    client.connect().unwrap();
    server.accept_connection(SOON).unwrap();
    let end = line!();
    let connect = line(
        "connect",
        places(&client, |event| *event == Event::Connected)[0],
    );
    let accept = line(
        "accept",
        places(&server, |event| *event == Event::Accepted)[0],
    );
    check_order(&[("connect", connect), ("accept", accept)], begin, end);
}

#[test]
fn what_a_driver_does_by_itself_has_no_line() {
    let replies = Replies::framed(Lines::new()).on("PING", "PONG\n");
    let server = TcpServer::builder("server")
        .replies(replies)
        .build()
        .unwrap();
    server.start().unwrap();
    let client = client_of(&server);
    client.start().unwrap();
    client.send("PING\n").unwrap();
    client.expect("PONG\n").unwrap();
    client.stop().unwrap();
    server.stop().unwrap();
    let conversation = &server.transcript().conversations[0];
    assert_eq!(conversation.received().0, b"PING\n");
    assert_eq!(conversation.sent().0, b"PONG\n");
    let places = places(&server, |_| true);
    assert!(places.iter().all(Option::is_none), "{places:?}");
    let conversation = &client.transcript().conversations[0];
    assert_eq!(
        conversation.records.first().unwrap().place,
        None,
        "its start has connected it"
    );
    assert_eq!(
        conversation.records.last().unwrap().place,
        None,
        "its stop has closed it"
    );
}

#[test]
fn what_a_test_does_with_a_held_conversation_has_its_line() {
    let begin = line!();
    let rows: &[(&str, OnHeld<'_>)] = &[
        ("send", &|held| done(held.send("hello"))),
        ("send_text", &|held| done(held.send_text("hello"))),
        ("send_frame", &|held| done(held.send_frame("hello"))),
        ("receive_frame", &|held| done(held.receive_frame())),
        ("receive_line", &|held| done(held.receive_line())),
        ("receive_exactly", &|held| done(held.receive_exactly(6))),
        ("receive_exactly_text", &|held| {
            done(held.receive_exactly_text(6))
        }),
        ("receive_some", &|held| done(held.receive_some(9))),
        ("receive_until", &|held| done(held.receive_until("\n"))),
        ("receive_line_text", &|held| done(held.receive_line_text())),
        ("receive_to_end", &|held| done(held.receive_to_end())),
        ("expect", &|held| held.expect("after\n").unwrap()),
        ("expect_text", &|held| held.expect_text("after\n").unwrap()),
        ("shutdown_write", &|held| held.shutdown_write().unwrap()),
    ];
    let end = line!();
    let lines: Vec<_> = rows
        .iter()
        .map(|(what, act)| {
            let replies = Replies::framed(Lines::new()).on("PAY", hold("pay"));
            let server = TcpServer::builder("server")
                .replies(replies)
                .build()
                .unwrap();
            server.start().unwrap();
            let client = client_of(&server);
            client.start().unwrap();
            client.send("PAY\n").unwrap();
            let mut held = server.held("pay", SOON).unwrap();
            client.send("after\n").unwrap();
            client.connection().unwrap().shutdown_write().unwrap();
            act(&mut held);
            let all = places(&server, |event| {
                is_sent(event) || is_received(event) || is_end(event)
            });
            // The first is the frame that the driver has received by itself.
            (*what, line(what, all[1]))
        })
        .collect();
    check_order(&lines, begin, end);
}
