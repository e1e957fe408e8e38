//! Peers that are within their rights and seldom met: they answer early, send urgent bytes, cut
//! characters, sit on a port that was ours, and hang up in every order.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use standin::socket::{Connection, SendError};
use standin::tcp::TcpError;
use standin::{Driver, Environment, Lifecycle, Result, TcpClient, TcpServer};

use crate::support::{SHORT, SOON, alone, connect, one_server, told};

/// A client driver, and a plain socket in the place of its server.
fn client_of_plain() -> Result<(
    standin::RunningEnvironment,
    std::sync::Arc<TcpClient>,
    TcpStream,
)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut env = Environment::new("odd");
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(listener.local_addr()?.port());
    let client = env.add(client.build()?)?;
    let env = env.start()?;
    let peer = listener.accept()?.0;
    peer.set_nodelay(true)?;
    Ok((env, client, peer))
}

#[test]
fn one_that_answers_early_and_resets_is_heard() {
    alone(|_| {
        for _ in 0..20 {
            let (env, client, mut peer) = client_of_plain()?;
            let connection = client.connection()?;
            std::thread::scope(|scope| -> Result<()> {
                let sending =
                    scope.spawn(|| connection.with_timeout(SOON).send(vec![1; 20_000_000]));
                peer.read_exact(&mut [0; 100])?;
                peer.write_all(b"413 too large\n")?;
                // With bytes of ours unread, the system makes a reset of it.
                drop(peer);
                let error = sending.join()?.unwrap_err();
                assert!(
                    matches!(
                        error,
                        TcpError::Send(SendError::Reset(_) | SendError::PeerClosed(_))
                    ),
                    "{error:?}"
                );
                Ok(())
            })?;
            assert_eq!(client.receive_line_text()?, "413 too large");
            env.stop()?;
        }
        Ok(())
    });
}

#[test]
fn one_that_sends_an_urgent_byte_is_heard_in_order() {
    alone(|_| {
        let (env, server) = one_server()?;
        let peer = connect(&server)?;
        peer.set_nodelay(true)?;
        let ours = server.accept_connection(SOON)?;
        let socket = socket2::SockRef::from(&peer);
        socket.send(b"GET")?;
        socket.send_out_of_band(b" ")?;
        socket.send(b"/ HTTP/1.0\r\n")?;
        assert_eq!(ours.receive_line_text()?, "GET / HTTP/1.0");
        env.stop()?;
        Ok(())
    });
}

#[test]
fn one_that_cuts_its_characters_is_understood() {
    alone(|_| {
        let text = "héllo €, 日本語 \u{1d11e}!";
        for encoding in ["utf-8", "utf-16", "gb18030", "iso-2022-jp"] {
            let text = if encoding == "iso-2022-jp" {
                "hello 日本語!"
            } else {
                text
            };
            let (env, client, mut peer) = client_of_plain()?;
            let bytes = encoding
                .parse::<standin::Encoding>()?
                .encode(text)
                .unwrap()
                .into_owned();
            std::thread::scope(|scope| -> Result<()> {
                let sending = scope.spawn(move || -> Result<()> {
                    for byte in bytes {
                        peer.write_all(&[byte])?;
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Ok(())
                });
                let mut heard = String::new();
                loop {
                    // A handle of its own each time, as the driver's own methods use.
                    let connection = client.connection()?.with_encoding(encoding)?;
                    match connection.receive_some_text(7) {
                        Ok(piece) => heard.push_str(&piece),
                        Err(error) if error.is_peer_closed() => break,
                        Err(error) => return Err(error.into()),
                    }
                }
                assert_eq!(heard, text, "{encoding}");
                sending.join()?
            })?;
            env.stop()?;
        }
        Ok(())
    });
}

#[test]
fn one_that_has_our_port_is_never_taken_for_us() {
    alone(|folder| {
        let claim = test_port::TestPort::claim();
        let port = claim.number();
        let other = TcpListener::bind(("127.0.0.1", port))?;
        let mut env = Environment::builder("taken")
            .runpath(folder.join("1"))
            .build()?;
        env.add(TcpServer::builder("server").port(port).build()?)?;
        env.add(TcpClient::builder("client").connect_to("server").build()?)?;
        let told = told(env.start().unwrap_err());
        assert!(told.contains("in use") && told.contains("server"), "{told}");
        other.set_nonblocking(true)?;
        let nobody = other.accept().unwrap_err();
        assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);

        // Nor when it takes the port while we are stopped.
        drop(other);
        let mut env = Environment::builder("later")
            .runpath(folder.join("2"))
            .build()?;
        let server = env.add(TcpServer::builder("server").port(port).build()?)?;
        let env = env.start()?;
        server.stop()?;
        let _other = TcpListener::bind(("127.0.0.1", port))?;
        let error = server.start().unwrap_err().to_string();
        assert!(error.contains("server"), "{error}");
        // Whatever the environment makes of its end: a start of its server has failed.
        let _ = env.stop();
        Ok(())
    });
}

#[test]
fn those_that_come_to_a_full_queue_are_let_in_when_it_is_empty() {
    alone(|_| {
        let (env, server) = one_server()?;
        let full = server.fill_queue()?;
        let port = server.port().unwrap();
        std::thread::scope(|scope| -> Result<()> {
            let connecting: Vec<_> = (0..5)
                .map(|_| scope.spawn(move || TcpStream::connect(("127.0.0.1", port))))
                .collect();
            let error = server.accept_connection(SHORT).unwrap_err();
            assert!(error.is_timeout(), "{error}");
            assert_eq!(server.socket()?.pending(), 0);
            drop(full);
            for _ in 0..5 {
                server.accept_connection(SOON)?;
            }
            for connecting in connecting {
                connecting.join()??;
            }
            Ok(())
        })?;
        env.stop()?;
        Ok(())
    });
}

#[test]
fn those_that_hang_up_in_any_order_are_seen_as_they_are() {
    alone(|_| {
        let (env, server) = one_server()?;
        let ends = || server.connections()[0].ends().len();
        for order in 0..4 {
            let peer = connect(&server)?;
            let ours = server.accept_connection(SOON)?;
            assert_eq!(ends(), 1);
            match order {
                0 => ours.close(),
                1 => {
                    Connection::from_stream(peer.try_clone()?)?.reset()?;
                    let gone = ours.receive_some(1).unwrap_err();
                    assert!(matches!(gone, TcpError::Receive(_)), "{gone}");
                }
                2 => {
                    peer.shutdown(Shutdown::Write)?;
                    assert_eq!(ours.receive_to_end()?, b"");
                    assert_eq!(ends(), 1, "it still listens");
                    ours.shutdown_write()?;
                }
                _ => {
                    ours.shutdown_write()?;
                    assert_eq!(ends(), 1, "it may still speak");
                    peer.shutdown(Shutdown::Both)?;
                    assert_eq!(ours.receive_to_end()?, b"");
                }
            }
            assert_eq!(ends(), 0, "order {order}");
            ours.close();
        }
        env.stop()?;
        Ok(())
    });
}
