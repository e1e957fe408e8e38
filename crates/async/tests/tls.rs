//! A task does not block the thread on which the other side of a handshake runs.
#![cfg(feature = "tokio")]

use standin_async::{ClientAsync, TalkAsync};
use standin_driver::Lifecycle;
use standin_tcp::{TcpClient, Tls};
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
