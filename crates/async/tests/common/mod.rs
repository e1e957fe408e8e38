//! What the tests have in common.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::future::Future;
use std::time::Duration;

use standin_async::ServerAsync;
use standin_driver::Lifecycle;
use standin_tcp::{TcpClient, TcpConnection, TcpServer};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// Longer than anything here takes: reached only by a hang, or where a test waits for nothing.
pub(crate) const SECONDS: Duration = Duration::from_secs(60);

/// A server that listens.
pub(crate) fn server() -> TcpServer {
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .build()
        .unwrap();
    server.start().unwrap();
    server
}

/// Both ends of a connection, and their drivers, which keep it up.
pub(crate) async fn pair() -> (TcpConnection, TcpConnection, (TcpServer, TcpClient)) {
    let server = server();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(server.port().unwrap())
        .build()
        .unwrap();
    client.start().unwrap();
    let near = server.accept_connection_async(SECONDS).await.unwrap();
    let far = client.connection().unwrap();
    (near, far, (server, client))
}

/// Runs a test under tokio, in one thread, and without any runtime but the event loop of smol.
pub(crate) fn both<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(test());
    async_io::block_on(test());
}

/// A service that gives back each line in capital letters.
pub(crate) async fn shout(port: u16) {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let line = line.to_uppercase() + "\n";
        writer.write_all(line.as_bytes()).await.unwrap();
    }
}

pub(crate) async fn zip3<A, B, C>(
    a: impl Future<Output = A>,
    b: impl Future<Output = B>,
    c: impl Future<Output = C>,
) -> (A, B, C) {
    let ((a, b), c) = futures_lite::future::zip(futures_lite::future::zip(a, b), c).await;
    (a, b, c)
}
