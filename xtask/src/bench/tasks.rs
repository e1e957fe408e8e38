//! What a wait of a task costs: ours next to that of tokio's own streams, in a runtime of one
//! thread.

use std::net::Ipv4Addr;

use standin::asynchronous::{ServerAsync, TalkAsync};
use standin::{Lifecycle, TcpConnection, TcpServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

use super::{
    Figure, Outcome,
    measure::{in_turn, micros_each},
    socket::LIMIT,
};

/// How many round trips are one sample, of so many bytes.
const TRIPS: usize = 500;
const SIZE: usize = 64;

/// A round trip with a task in the same thread that echoes on a stream of tokio's.
pub(crate) fn roundtrip() -> Outcome<Figure> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().build()?;
    let server = TcpServer::builder("server").host("127.0.0.1").build()?;
    server.start()?;
    let port = server.port().ok_or("it has no port")?;
    let ours = runtime.block_on(async {
        tokio::spawn(echo(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?));
        Outcome::Ok(server.accept_connection_async(LIMIT).await?)
    })?;
    let mut theirs = runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let stream = TcpStream::connect(listener.local_addr()?).await?;
        stream.set_nodelay(true)?;
        tokio::spawn(echo(stream));
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Outcome::Ok(stream)
    })?;
    let [ours, tokio] = in_turn(
        201,
        [&mut || our_trips(&runtime, &ours), &mut || {
            tokio_trips(&runtime, &mut theirs)
        }],
    )?;
    Ok(Figure::compared("roundtrip_async", ours, tokio, "µs"))
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = [0; SIZE];
    loop {
        stream.read_exact(&mut bytes).await?;
        stream.write_all(&bytes).await?;
    }
}

fn our_trips(runtime: &Runtime, connection: &TcpConnection) -> Outcome<f64> {
    micros_each(TRIPS, || {
        runtime.block_on(async {
            for _ in 0..TRIPS {
                connection.send_async([7; SIZE]).await?;
                connection.receive_exactly_async(SIZE).await?;
            }
            Ok(())
        })
    })
}

fn tokio_trips(runtime: &Runtime, stream: &mut TcpStream) -> Outcome<f64> {
    micros_each(TRIPS, || {
        runtime.block_on(async {
            for _ in 0..TRIPS {
                stream.write_all(&[7; SIZE]).await?;
                // As ours does, into memory of its own.
                let mut bytes = vec![0; SIZE];
                stream.read_exact(&mut bytes).await?;
            }
            Ok(())
        })
    })
}
