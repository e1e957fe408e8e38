//! Two services on tokio that ask a third one, which the tests stand in for: [`lines`] is written
//! by hand, [`http`] with hyper.
//!
//! Run the tests with `cargo test -p example-async`.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub mod http;
pub mod lines;

/// Asks the service of prices, in one connection for each question.
///
/// # Errors
///
/// Returns an error if it cannot be asked, or says nothing.
async fn price(prices: SocketAddr, symbol: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(prices).await?;
    stream
        .write_all(format!("PRICE {symbol}\n").as_bytes())
        .await?;
    let mut answer = String::new();
    if BufReader::new(stream).read_line(&mut answer).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer.trim_end().to_owned())
}
