//! Mistakes in the conversation.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use expect_test::expect;
use standin::{RunningEnvironment, TcpClient, TcpServer};

use crate::{LONG, SOON, check, environment};

type Pair = (Arc<TcpServer>, Arc<TcpClient>, RunningEnvironment);

fn pair(folder: &Path) -> standin::Result<Pair> {
    let mut env = environment(folder)?;
    let server = env.add(TcpServer::builder("server").build()?)?;
    let client = env.add(TcpClient::builder("client").connect_to("server").build()?)?;
    let env = env.start()?;
    Ok((server, client, env))
}

#[test]
fn nobody_connects() {
    check(
        |folder| {
            let mut env = environment(folder)?;
            let server = env.add(TcpServer::builder("server").build()?)?;
            let _env = env.start()?;
            server.accept_connection(SOON)?;
            Ok(())
        },
        expect![[r#"
            server "server" (at 127.0.0.1:PORT): nobody connected after TIME; 0 accepted so far
              at crates/standin/tests/messages/peers.rs
              help: check that the peer connects to this address, and when; or wait longer; in an async test a wait must not block the thread on which the peer runs: await `accept_connection_async`
              code: standin::socket::accept_timed_out
            --- anyhow ---
            server "server" (at 127.0.0.1:PORT): nobody connected after TIME; 0 accepted so far
        "#]],
    );
}

#[test]
fn less_is_sent_than_is_wanted() {
    check(
        |folder| {
            let (server, client, _env) = pair(folder)?;
            let connection = server.accept_connection(LONG)?.with_timeout(SOON);
            client.send_text("hell")?;
            connection.receive_exactly(5)?;
            Ok(())
        },
        expect![[r#"
            server "server", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): timed out after TIME: wanted exactly 5 bytes, received 4 bytes; the stream is open
              00000000  68 65 6c 6c                                       |hell|
              at crates/standin/tests/messages/peers.rs
              all 3 records of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
                +TIME  accepted client  crates/standin/tests/messages/peers.rs
                +TIME  <- 4 B  "hell"  crates/standin/tests/messages/peers.rs
                +TIME  waited TIME for exactly 5 bytes, 4 bytes came  crates/standin/tests/messages/peers.rs
              help: the bytes that arrived are kept for the next receive; wait longer, or ask for less
              code: standin::socket::receive_timed_out
            --- anyhow ---
            server "server", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): timed out after TIME: wanted exactly 5 bytes, received 4 bytes; the stream is open
              00000000  68 65 6c 6c                                       |hell|

            all 3 records of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
              +TIME  accepted client  crates/standin/tests/messages/peers.rs
              +TIME  <- 4 B  "hell"  crates/standin/tests/messages/peers.rs
              +TIME  waited TIME for exactly 5 bytes, 4 bytes came  crates/standin/tests/messages/peers.rs
        "#]],
    );
}

#[test]
fn one_byte_is_wanted_and_none_is_sent() {
    check(
        |folder| {
            let (server, _client, _env) = pair(folder)?;
            let connection = server.accept_connection(LONG)?.with_timeout(SOON);
            connection.receive_exactly(1)?;
            Ok(())
        },
        expect![[r#"
            server "server", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): timed out after TIME: wanted exactly 1 byte, received nothing; the stream is open
              at crates/standin/tests/messages/peers.rs
              all 2 records of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
                +TIME  accepted client  crates/standin/tests/messages/peers.rs
                +TIME  waited TIME for exactly 1 byte, nothing came  crates/standin/tests/messages/peers.rs
              help: the bytes that arrived are kept for the next receive; wait longer, or ask for less
              code: standin::socket::receive_timed_out
            --- anyhow ---
            server "server", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): timed out after TIME: wanted exactly 1 byte, received nothing; the stream is open

            all 2 records of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
              +TIME  accepted client  crates/standin/tests/messages/peers.rs
              +TIME  waited TIME for exactly 1 byte, nothing came  crates/standin/tests/messages/peers.rs
        "#]],
    );
}

#[test]
fn the_peer_has_closed() {
    check(
        |folder| {
            let (server, client, _env) = pair(folder)?;
            let connection = server.accept_connection(LONG)?;
            client.close();
            connection.receive_exactly(1)?;
            Ok(())
        },
        expect![[r#"
            server "server", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): the peer closed the connection at once (limit 30s): wanted exactly 1 byte, received nothing; the peer has closed the stream
              at crates/standin/tests/messages/peers.rs
              all 2 records of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
                +TIME  accepted client  crates/standin/tests/messages/peers.rs
                +TIME  <- end: the peer sends no more  crates/standin/tests/messages/peers.rs
              help: the bytes before the end are kept: receive_some and receive_to_end return them
              code: standin::socket::receive_peer_closed
            --- anyhow ---
            server "server", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): the peer closed the connection at once (limit 30s): wanted exactly 1 byte, received nothing; the peer has closed the stream

            all 2 records of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
              +TIME  accepted client  crates/standin/tests/messages/peers.rs
              +TIME  <- end: the peer sends no more  crates/standin/tests/messages/peers.rs
        "#]],
    );
}

#[test]
fn the_server_has_accepted_nobody() {
    check(
        |folder| {
            let (server, _client, _env) = pair(folder)?;
            server.send_text("hello")?;
            Ok(())
        },
        expect![[r#"
            server "server" has no open connection: it has accepted none yet
              at crates/standin/tests/messages/peers.rs
              help: call `accept_connection` once a client connects
              code: standin::tcp::no_connection
            --- anyhow ---
            server "server" has no open connection: it has accepted none yet
        "#]],
    );
}

#[test]
fn the_index_of_the_connection_is_wrong() {
    check(
        |folder| {
            let (server, _client, _env) = pair(folder)?;
            server.accept_connection(LONG)?;
            server.connection(1)?;
            Ok(())
        },
        expect![[r#"
            server "server" has no open connection 1
              at crates/standin/tests/messages/peers.rs
              the only record of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
                +TIME  accepted client  crates/standin/tests/messages/peers.rs
              help: open are: 0; an index is never used again, and without one the latest is meant
              code: standin::tcp::unknown_connection
            --- anyhow ---
            server "server" has no open connection 1

            the only record of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
              +TIME  accepted client  crates/standin/tests/messages/peers.rs
        "#]],
    );
}

#[test]
fn the_guard_is_dropped_at_once() {
    check(
        |folder| {
            let (server, _client, env) = pair(folder)?;
            drop(env);
            server.accept_connection(SOON)?;
            Ok(())
        },
        expect![[r#"
            driver "server" is not running: it was stopped
              at crates/standin/tests/messages/peers.rs
              help: use "server" between the start and the stop of its environment; a dropped environment guard stops it, so bind the guard to a name
              code: standin::tcp::not_running
            --- anyhow ---
            driver "server" is not running: it was stopped
        "#]],
    );
}

#[test]
fn the_client_is_used_before_the_start() {
    check(
        |folder| {
            let mut env = environment(folder)?;
            let client = env.add(
                TcpClient::builder("client")
                    .host("localhost")
                    .port(80)
                    .build()?,
            )?;
            client.send_text("hello")?;
            Ok(())
        },
        expect![[r#"
            driver "client" is not running: it was never started
              at crates/standin/tests/messages/peers.rs
              help: use "client" between the start and the stop of its environment; a dropped environment guard stops it, so bind the guard to a name
              code: standin::tcp::not_running
            --- anyhow ---
            driver "client" is not running: it was never started
        "#]],
    );
}

#[test]
fn something_else_is_sent() {
    check(
        |folder| {
            let (server, client, _env) = pair(folder)?;
            let connection = server.accept_connection(LONG)?;
            client.send_text("8=FIX.4.2|55=IBM|")?;
            connection.expect("8=FIX.4.2|55=IBN|")?;
            Ok(())
        },
        expect![[r#"
            server "server", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): unexpected bytes at once (limit 30s): wanted "8=FIX.4.2|55=IBN|", received 17 bytes; the stream is open
              first difference at byte 15; expected 17 bytes (-), 17 came (+)
              - 00000000  38 3d 46 49 58 2e 34 2e  32 7c 35 35 3d 49 42 4e  |8=FIX.4.2|55=IBN|
              + 00000000  38 3d 46 49 58 2e 34 2e  32 7c 35 35 3d 49 42 4d  |8=FIX.4.2|55=IBM|
                                                                        ^^
                00000010  7c                                                |||
              at crates/standin/tests/messages/peers.rs
              all 3 records of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
                +TIME  accepted client  crates/standin/tests/messages/peers.rs
                +TIME  <- 17 B  "8=FIX.4.2|55=IBM|"  crates/standin/tests/messages/peers.rs
                +TIME  not as expected: "8=FIX.4.2|55=IBN|": byte 15 differs  crates/standin/tests/messages/peers.rs
              help: the bytes are kept: receive them to continue
              code: standin::socket::receive_unexpected
            --- anyhow ---
            server "server", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): unexpected bytes at once (limit 30s): wanted "8=FIX.4.2|55=IBN|", received 17 bytes; the stream is open
              first difference at byte 15; expected 17 bytes (-), 17 came (+)
              - 00000000  38 3d 46 49 58 2e 34 2e  32 7c 35 35 3d 49 42 4e  |8=FIX.4.2|55=IBN|
              + 00000000  38 3d 46 49 58 2e 34 2e  32 7c 35 35 3d 49 42 4d  |8=FIX.4.2|55=IBM|
                                                                        ^^
                00000010  7c                                                |||

            all 3 records of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
              +TIME  accepted client  crates/standin/tests/messages/peers.rs
              +TIME  <- 17 B  "8=FIX.4.2|55=IBM|"  crates/standin/tests/messages/peers.rs
              +TIME  not as expected: "8=FIX.4.2|55=IBN|": byte 15 differs  crates/standin/tests/messages/peers.rs
        "#]],
    );
}

#[test]
fn the_encoding_is_unknown() {
    check(
        |folder| {
            let (server, _client, _env) = pair(folder)?;
            server.accept_connection(LONG)?.with_encoding("utf-9")?;
            Ok(())
        },
        expect![[r#"
            unknown encoding "utf-9"
              at crates/standin/tests/messages/peers.rs
              help: use a label of the WHATWG Encoding Standard, such as utf-8, latin-1, utf-16le or shift_jis
              code: standin::tcp::unknown_encoding
            --- anyhow ---
            unknown encoding "utf-9"
        "#]],
    );
}

#[test]
fn the_text_is_not_in_the_encoding() {
    check(
        |folder| {
            let (server, client, _env) = pair(folder)?;
            let connection = server.accept_connection(LONG)?;
            client.send([b'n', 0xff, b'o'])?;
            connection.receive_exactly_text(3)?;
            Ok(())
        },
        expect![[r#"
            driver "server" received 3 bytes that cannot be read as UTF-8: byte 1 of "n\xffo"
              at crates/standin/tests/messages/peers.rs
              all 2 records of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
                +TIME  accepted client  crates/standin/tests/messages/peers.rs
                +TIME  <- 3 B  "n\xffo"  crates/standin/tests/messages/peers.rs
              help: the bytes are kept for the next receive: take more of them if a character was cut in two, receive lines or what comes first (`receive_some_text`), choose another encoding with `with_encoding`, or receive bytes
              code: standin::tcp::decode
            --- anyhow ---
            driver "server" received 3 bytes that cannot be read as UTF-8: byte 1 of "n\xffo"

            all 2 records of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
              +TIME  accepted client  crates/standin/tests/messages/peers.rs
              +TIME  <- 3 B  "n\xffo"  crates/standin/tests/messages/peers.rs
        "#]],
    );
}

#[test]
fn nothing_listens_at_the_port() {
    check(
        |folder| {
            let nobody = test_port::TestPort::claim();
            let mut env = environment(folder)?;
            env.add(
                TcpClient::builder("client")
                    .host("127.0.0.1")
                    .port(nobody.number())
                    .timeout(LONG)
                    .build()?,
            )?;
            drop(env.start()?);
            Ok(())
        },
        expect![[r#"
            environment "test" did not start: driver "client" could not be started
              at crates/standin/tests/messages/peers.rs
              caused by: client "client": connection refused to 127.0.0.1:PORT at once (limit 30s)
                  127.0.0.1:PORT: Connection refused (os error 111)
              help: nothing listens there: start the server first, or let the client retry until its deadline
              help: the files of the drivers are kept in DIR/run
                what was recorded: target/standin/test/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::socket::connect_refused
            --- anyhow ---
            environment "test" did not start: driver "client" could not be started

            Caused by:
                client "client": connection refused to 127.0.0.1:PORT at once (limit 30s)
                  127.0.0.1:PORT: Connection refused (os error 111)
        "#]],
    );
}

#[test]
fn the_port_is_taken() {
    check(
        |folder| {
            let other = TcpListener::bind("127.0.0.1:0")?;
            let port = other.local_addr()?.port();
            let mut env = environment(folder)?;
            env.add(
                TcpServer::builder("server")
                    .host("127.0.0.1")
                    .port(port)
                    .build()?,
            )?;
            drop(env.start()?);
            Ok(())
        },
        expect![[r#"
            environment "test" did not start: driver "server" could not be started
              at crates/standin/tests/messages/peers.rs
              caused by: server "server": cannot bind 127.0.0.1:PORT: the address is in use
                  127.0.0.1:PORT: Address already in use (os error 98)
              help: use port 0 to have a free port chosen, or stop what holds this one
              help: the files of the drivers are kept in DIR/run
                what was recorded: target/standin/test/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::socket::bind_in_use
            --- anyhow ---
            environment "test" did not start: driver "server" could not be started

            Caused by:
                server "server": cannot bind 127.0.0.1:PORT: the address is in use
                  127.0.0.1:PORT: Address already in use (os error 98)
        "#]],
    );
}

#[test]
fn the_directory_of_a_unix_socket_is_missing() {
    check(
        |folder| {
            let mut env = environment(folder)?;
            let server = TcpServer::builder("server").host("unix:/there-is-none/socket");
            env.add(server.build()?)?;
            drop(env.start()?);
            Ok(())
        },
        expect![[r#"
            environment "test" did not start: driver "server" could not be started
              at crates/standin/tests/messages/peers.rs
              caused by: server "server": cannot bind unix:/there-is-none/socket
                  unix:/there-is-none/socket: No such file or directory (os error 2)
              help: the host must be an address of this machine, and ports below 1024 may need privileges; of a Unix socket the directory must exist and be writable, and the path be shorter than 108 bytes (macOS: 104); "too many open files" means the limit on descriptors (ulimit -n)
              help: the files of the drivers are kept in DIR/run
                what was recorded: target/standin/test/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::socket::bind_failed
            --- anyhow ---
            environment "test" did not start: driver "server" could not be started

            Caused by:
                server "server": cannot bind unix:/there-is-none/socket
                  unix:/there-is-none/socket: No such file or directory (os error 2)
        "#]],
    );
}
