//! Text that arrives as the network cuts it: in lines, up to delimiters, and in whole characters.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use standin_driver::Lifecycle;
use standin_socket::framing::{Endian, LengthPrefix, Width};
use standin_tcp::{Encoding, TcpClient, TcpConnection, TcpError, TcpServer};

const SOON: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);

/// A driver's connection with a plain socket at its other end.
fn pair(encoding: &str) -> (TcpConnection, TcpStream, TcpServer) {
    let server = TcpServer::builder("server").build().unwrap();
    server.start().unwrap();
    let peer = TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    peer.set_nodelay(true).unwrap();
    let connection = server.accept_connection(SOON).unwrap();
    let connection = connection.with_encoding(encoding).unwrap();
    (connection.with_timeout(SOON), peer, server)
}

fn bytes_of(text: &str, encoding: &str) -> Vec<u8> {
    let encoding: Encoding = encoding.parse().unwrap();
    encoding.encode(text).unwrap().into_owned()
}

/// Everything up to the end of the stream, in pieces of what comes first.
fn in_pieces(connection: &TcpConnection, limit: usize) -> String {
    let mut all = String::new();
    loop {
        let piece = match connection.receive_some_text(limit) {
            Ok(piece) => piece,
            Err(error) => {
                assert!(error.is_peer_closed(), "{error}");
                return all;
            }
        };
        assert!(piece.len() <= 4 * limit, "{piece:?}");
        all.push_str(&piece);
    }
}

#[test]
fn a_character_that_does_not_fit_comes_with_the_next_receive() {
    let (connection, mut peer, server) = pair("utf-8");
    peer.write_all("aé".as_bytes()).unwrap();
    assert_eq!(connection.receive_some_text(2).unwrap(), "a");
    assert_eq!(connection.receive_some_text(2).unwrap(), "é");
    // Also with the driver's own receive, whose limit nobody chose.
    let long = format!("{}€uro", "x".repeat(1023));
    peer.write_all(long.as_bytes()).unwrap();
    assert_eq!(server.receive_some_text(1024).unwrap(), "x".repeat(1023));
    assert_eq!(server.receive_some_text(1024).unwrap(), "€uro");
}

#[test]
fn a_character_that_was_cut_on_its_way_is_waited_for() {
    let (connection, mut peer, _server) = pair("utf-8");
    peer.write_all(b"b\xe2\x82").unwrap();
    assert_eq!(connection.receive_exactly(1).unwrap(), b"b");
    let soon = connection.with_timeout(SHORT);
    // Nothing but its beginning: the time is over, and it is kept.
    let error = soon.receive_some_text(10).unwrap_err();
    assert!(
        matches!(&error, TcpError::Receive(error) if error.is_timeout()),
        "{error}"
    );
    let waiting = thread::spawn({
        let connection = connection.clone();
        move || connection.receive_some_text(10)
    });
    thread::sleep(SHORT);
    peer.write_all(b"\xac!").unwrap();
    let mut text = waiting.join().unwrap().unwrap();
    if text == "€" {
        text.push_str(&connection.receive_some_text(10).unwrap());
    }
    assert_eq!(text, "€!");
}

#[test]
fn a_wait_for_the_rest_of_a_character_counts_as_one_receive() {
    let (connection, mut peer, _server) = pair("utf-8");
    let limit = Duration::from_millis(400);
    let connection = connection.with_timeout(limit);
    let sending = thread::spawn(move || {
        thread::sleep(limit / 2);
        peer.write_all(b"\xe2").unwrap();
        peer
    });
    let started = Instant::now();
    let error = connection.receive_some_text(10).unwrap_err();
    assert!(
        matches!(&error, TcpError::Receive(error) if error.is_timeout()),
        "{error}"
    );
    assert!(started.elapsed() < SOON);
    sending.join().unwrap();
}

#[test]
fn every_encoding_can_be_cut_anywhere() {
    for (encoding, text) in [
        ("utf-8", "aé€𝄞z"),
        ("utf-16", "aé€𝄞z"),
        ("utf-16be", "aé€𝄞z"),
        ("shift_jis", "表日本語z"),
        ("iso-2022-jp", "a日本b語z"),
        ("iso-2022-jp", "日本"),
        ("euc-kr", "한국어"),
        ("gb18030", "中€𝄞"),
        ("big5", "中文"),
        ("latin-1", "aéÿ"),
    ] {
        let bytes = bytes_of(text, encoding);
        for cut in 0..=bytes.len() {
            let (connection, mut peer, server) = pair(encoding);
            peer.write_all(&bytes[..cut]).unwrap();
            // All that is whole comes at once; the escape or mark before it may not be text.
            let mut all = String::new();
            let soon = connection.with_timeout(SHORT);
            if let Ok(first) = soon.receive_some_text(1024) {
                all.push_str(&first);
            }
            peer.write_all(&bytes[cut..]).unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            // On another handle: what was switched to belongs to the connection.
            let again = server.connection(0).unwrap();
            let again = again.with_encoding(encoding).unwrap();
            all.push_str(&in_pieces(&again, 1024));
            assert_eq!(all, text, "{encoding} cut at {cut}");
        }
    }
}

#[test]
fn a_limit_of_a_few_bytes_gives_the_same_text() {
    let text = "日本語 and €, é: 表\\".repeat(20);
    let (connection, mut peer, _server) = pair("utf-8");
    peer.write_all(text.as_bytes()).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(in_pieces(&connection, 4), text);
}

#[test]
fn bytes_that_are_not_text_are_an_error_and_stay() {
    let (connection, mut peer, _server) = pair("utf-8");
    peer.write_all(b"a\xffb").unwrap();
    for _ in 0..2 {
        let error = connection.receive_some_text(10).unwrap_err();
        assert!(
            matches!(error, TcpError::Decode { position: 1, .. }),
            "{error}"
        );
    }
    assert_eq!(connection.receive_exactly(3).unwrap(), b"a\xffb");

    // A character that the limit cannot hold.
    peer.write_all("€".as_bytes()).unwrap();
    let error = connection.receive_some_text(2).unwrap_err();
    assert!(
        matches!(error, TcpError::Decode { position: 0, .. }),
        "{error}"
    );
    assert_eq!(connection.receive_some_text(3).unwrap(), "€");

    // Or that the stream does not finish.
    peer.write_all(b"\xe2\x82").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    for _ in 0..2 {
        let error = connection.receive_some_text(10).unwrap_err();
        assert!(
            matches!(error, TcpError::Decode { position: 0, .. }),
            "{error}"
        );
    }
    assert_eq!(connection.receive_to_end().unwrap(), b"\xe2\x82");
    let error = connection.receive_some_text(10).unwrap_err();
    assert!(error.is_peer_closed(), "{error}");
}

#[test]
fn exact_receives_go_on_in_what_the_stream_was_switched_to() {
    let (connection, mut peer, _server) = pair("utf-16");
    peer.write_all(&[0xfe, 0xff, 0, b'a', 0, b'b']).unwrap();
    assert_eq!(connection.receive_exactly_text(4).unwrap(), "a");
    assert_eq!(connection.receive_exactly_text(2).unwrap(), "b");
    // Each message may bring a mark of its own.
    peer.write_all(&bytes_of("c", "utf-16")).unwrap();
    assert_eq!(connection.receive_exactly_text(4).unwrap(), "c");
}

#[test]
fn lines_are_text_without_their_ends() {
    for encoding in [
        "utf-8",
        "latin-1",
        "utf-16",
        "utf-16be",
        "utf-16le",
        "shift_jis",
        "gb18030",
    ] {
        let (connection, mut peer, _server) = pair(encoding);
        // The bytes of a line end within characters do not count.
        let odd = if encoding.starts_with("utf-16") {
            "\u{a00}\u{d0a}\u{a0d}"
        } else {
            ""
        };
        let text = format!("one\r\ntwo {odd}\n\nrest");
        peer.write_all(&bytes_of(&text, encoding)).unwrap();
        assert_eq!(connection.receive_line_text().unwrap(), "one", "{encoding}");
        assert_eq!(
            connection.receive_line_text().unwrap(),
            format!("two {odd}"),
            "{encoding}"
        );
        assert_eq!(connection.receive_line_text().unwrap(), "", "{encoding}");
        peer.shutdown(Shutdown::Write).unwrap();
        connection.receive_line_text().unwrap_err();
        assert_eq!(
            connection.receive_to_end_text().unwrap(),
            "rest",
            "{encoding}"
        );
    }
}

#[test]
fn a_delimiter_is_found_among_characters_not_among_their_bytes() {
    // The second byte of the first character is that of a backslash.
    let text = "表\\日\\";
    for encoding in ["shift_jis", "utf-8", "iso-2022-jp", "utf-16"] {
        let (connection, mut peer, _server) = pair(encoding);
        let sending = thread::spawn({
            let bytes = bytes_of(text, encoding);
            move || {
                for byte in bytes {
                    peer.write_all(&[byte]).unwrap();
                }
                peer
            }
        });
        assert_eq!(
            connection.receive_until_text("\\").unwrap(),
            "表\\",
            "{encoding}"
        );
        assert_eq!(
            connection.receive_until_text("日\\").unwrap(),
            "日\\",
            "{encoding}"
        );
        connection.receive_until_text("").unwrap_err();
        sending.join().unwrap();
    }
}

#[test]
fn drivers_talk_as_their_connections_do() {
    let server = TcpServer::builder("server").build().unwrap();
    server.start().unwrap();
    let client = TcpClient::builder("client")
        .host("localhost")
        .port(server.port().unwrap())
        .build()
        .unwrap();
    client.start().unwrap();
    server.accept_connection(SOON).unwrap();

    client.send_text("HELO x\r\nDATA\n.one;two").unwrap();
    assert_eq!(server.receive_line().unwrap(), b"HELO x");
    assert_eq!(server.receive_line_text().unwrap(), "DATA");
    server.expect(b".").unwrap();
    server.expect_text("one").unwrap();
    assert_eq!(server.receive_until(b";").unwrap(), b";");
    assert_eq!(server.receive_exactly(1).unwrap(), b"t");
    assert_eq!(server.receive_exactly_text(2).unwrap(), "wo");

    let mut framing = LengthPrefix::new(Width::U16, Endian::Big);
    assert_eq!(server.send_frame(&mut framing, b"payload").unwrap(), 9);
    assert_eq!(client.receive_frame(&mut framing).unwrap(), b"payload");
    server.send_text("é and the rest").unwrap();
    assert_eq!(client.receive_some_text(3).unwrap(), "é ");
    assert_eq!(client.receive_until_text("the").unwrap(), "and the");
    server.close_connection(0).unwrap();
    assert_eq!(client.receive_to_end_text().unwrap(), " rest");
    assert!(client.receive_some(1).unwrap_err().is_peer_closed());
    assert!(server.receive_line().is_err());
}
