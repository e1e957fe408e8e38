//! A task that no runtime polls, without the event loop of smol.
#![cfg(all(feature = "tokio", not(feature = "smol")))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{SECONDS, server};
use standin_async::ServerAsync;

#[test]
fn an_error_says_what_to_do_without_a_runtime() {
    let server = server();
    let waited = futures_lite::future::block_on(server.accept_connection_async(SECONDS));
    let report = format!("{:?}", waited.unwrap_err());
    assert!(report.contains("#[tokio::test]"), "{report}");
    // Who need not wait needs no runtime.
    let _peer = std::net::TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    let accepted = futures_lite::future::block_on(server.accept_connection_async(SECONDS));
    assert_eq!(accepted.unwrap().index(), 0);
}
