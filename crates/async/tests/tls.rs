//! A task does not block the thread on which the other side of a handshake runs.
#![cfg(feature = "tokio")]

use std::time::Duration;

use standin_async::{AnswersAsync, ClientAsync, HeldAsync, TalkAsync};
use standin_driver::Lifecycle;
use standin_reply::{Replies, hold};
use standin_socket::framing::Lines;
use standin_tcp::{TcpClient, TcpServer, Tls};
use standin_tls::{Acceptor, Authority};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_client_shakes_hands_with_a_service_in_the_same_thread() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = tokio::spawn(async move {
        let authority = Authority::new("service").unwrap();
        let acceptor = Acceptor::new(&Tls::new(), &["localhost"], &authority, None).unwrap();
        let mut handshake = acceptor.handshake().unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        while !handshake.is_done() {
            let mut wire = [0; 4096];
            let count = stream.read(&mut wire).await.unwrap();
            handshake.read(&mut &wire[..count]).unwrap();
            stream.write_all(&handshake.take_output()).await.unwrap();
        }
        let mut wire = Vec::new();
        let mut session = handshake.into_session().unwrap();
        session.write_plain(b"hello\n");
        session.write_wire(&mut wire).unwrap();
        stream.write_all(&wire).await.unwrap();
    });
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(port)
        .connect_at_start(false)
        .tls(Tls::new().verify(false))
        .build()
        .unwrap();
    client.start().unwrap();
    let connection = client.connect_async().await.unwrap();
    let line = connection.receive_line_text_async().await.unwrap();
    assert_eq!(line, "hello");
    service.await.unwrap();
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_held_conversation_begins_tls_and_goes_on() {
    let limit = Duration::from_secs(60);
    let replies = Replies::framed(Lines::new());
    let replies = replies.on("STARTTLS", hold("tls")).on("PING", "PONG\n");
    let server = TcpServer::builder("server").host("127.0.0.1");
    let server = server.replies(replies).build().unwrap();
    server.start().unwrap();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(server.port().unwrap())
        .tls(Tls::new().verify(false).on_request(true))
        .build()
        .unwrap();
    client.start().unwrap();
    let near = client.connection().unwrap();
    near.send_text_async("STARTTLS\n").await.unwrap();
    let mut held = server.held_async("tls", limit).await.unwrap();
    held.send_text_async("go\n").await.unwrap();
    held.start_tls_async().await.unwrap();
    near.expect_text_async("go\n").await.unwrap();
    near.start_tls().unwrap();
    near.send_text_async("by hand\nPING\n").await.unwrap();
    assert_eq!(held.receive_line_text_async().await.unwrap(), "by hand");
    held.hand_back();
    near.expect_text_async("PONG\n").await.unwrap();
    client.stop().unwrap();
    server.stop().unwrap();
}
