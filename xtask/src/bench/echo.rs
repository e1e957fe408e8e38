//! An echo, and who talks to it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Instant;

use super::Outcome;
use super::measure::{median, micros_each};

/// 64 bytes, a line.
pub(crate) const MESSAGE: [u8; 64] = {
    let mut message = [b'Z'; 64];
    message[63] = b'\n';
    message
};

/// Round trips of one measurement.
const TRIPS: usize = 2_000;

/// Connects to a server, and sends without delay.
pub(crate) fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a line and receives one of the same size.
pub(crate) fn trip(stream: &mut TcpStream) -> Outcome<()> {
    let mut answer = MESSAGE;
    stream.write_all(&MESSAGE)?;
    stream.read_exact(&mut answer)?;
    Ok(())
}

/// Microseconds for each of many round trips, one after the other.
pub(crate) fn trips(stream: &mut TcpStream) -> Outcome<f64> {
    micros_each(TRIPS, || (0..TRIPS).try_for_each(|_| trip(stream)))
}

/// The same of the one in the middle: what takes much longer now and then counts as one.
pub(crate) fn median_trip(stream: &mut TcpStream) -> Outcome<f64> {
    let mut times = Vec::with_capacity(TRIPS);
    for _ in 0..TRIPS {
        let begun = Instant::now();
        trip(stream)?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times))
}

/// An echo of tokio's, on one thread that ends with the process.
pub(crate) fn tokio_echo() -> Outcome<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let address = listener.local_addr()?;
    thread::spawn(move || runtime.block_on(serve(listener)));
    Ok(address)
}

async fn serve(listener: tokio::net::TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut bytes = [0; 4096];
            stream.set_nodelay(true)?;
            loop {
                let count = stream.read(&mut bytes).await?;
                if count == 0 {
                    return std::io::Result::Ok(());
                }
                stream.write_all(&bytes[..count]).await?;
            }
        });
    }
}
