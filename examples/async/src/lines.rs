//! A service of lines: a symbol in, its price out.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Serves every client that connects, forever.
///
/// # Errors
///
/// Returns an error if no more clients can be accepted.
pub async fn serve(listener: TcpListener, prices: SocketAddr) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(talk(stream, prices));
    }
}

async fn talk(mut stream: TcpStream, prices: SocketAddr) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(symbol) = lines.next_line().await? {
        let answer = match crate::price(prices, &symbol).await {
            Ok(price) => format!("{symbol} {price}\n"),
            Err(_) => format!("{symbol} has no price\n"),
        };
        writer.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
