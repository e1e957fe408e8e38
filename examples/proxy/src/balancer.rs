//! What stands in for nginx where there is none: a proxy that gives each
//! connection to the next of its backends.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};

/// Serves on the first address, and never returns.
pub(crate) fn run(addresses: &[String]) -> io::Result<()> {
    let Some((own, backends)) = addresses.split_first() else {
        return Err(io::Error::other(
            "the proxy needs its address and those of its backends",
        ));
    };
    let listener = TcpListener::bind(own)?;
    announce(own);
    for (connection, backend) in listener.incoming().zip(backends.iter().cycle()) {
        let (client, backend) = (connection?, TcpStream::connect(backend)?);
        forward(client.try_clone()?, backend.try_clone()?);
        forward(backend, client);
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "this is its log")]
fn announce(own: &str) {
    eprintln!("start worker process on {own}");
}

fn forward(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        // Whatever ends it, the other side has to learn that there is no more.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
