//! What a proxy costs, and how exact it is.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use standin::proxy::{Direction, EveryCut, FaultKind};
use standin::reply::{Replies, anything, echo};
use standin::socket::framing::Lines;
use standin::{Lifecycle as _, Link, TcpProxy, TcpServer};

use super::measure::{in_turn, micros_each};
use super::reply::tokio_echo;
use super::{Figure, Outcome};

/// 64 bytes, as in other figures.
const MESSAGE: [u8; 64] = [b'Z'; 64];

/// Round trips of one measurement.
const TRIPS: usize = 2_000;

/// What one measurement of bulk sends, and how much at a time.
const BULK: usize = 256 << 20;
const PIECE: usize = 64 << 10;

/// A proxy before an address.
fn proxy(to: SocketAddr, up: Link) -> Outcome<(TcpProxy, SocketAddr)> {
    let proxy = TcpProxy::builder("wan")
        .host("127.0.0.1")
        .to(to.to_string());
    let proxy = proxy.up(up).build()?;
    proxy.start()?;
    let port = proxy.port().ok_or("it has no port")?;
    Ok((proxy, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn trip(stream: &mut TcpStream) -> Outcome<()> {
    let mut answer = MESSAGE;
    stream.write_all(&MESSAGE)?;
    stream.read_exact(&mut answer)?;
    Ok(())
}

fn trips(stream: &mut TcpStream) -> Outcome<f64> {
    micros_each(TRIPS, || (0..TRIPS).try_for_each(|_| trip(stream)))
}

/// A round trip of 64 bytes with an echo, through a proxy and without.
pub(crate) fn roundtrip() -> Outcome<Figure> {
    let echo = tokio_echo()?;
    let (_proxy, address) = proxy(echo, Link::new())?;
    let (mut through, mut direct) = (connect(address)?, connect(echo)?);
    let ways: [&mut dyn FnMut() -> Outcome<f64>; 2] =
        [&mut || trips(&mut through), &mut || trips(&mut direct)];
    let [ours, plain] = in_turn(31, ways)?;
    Ok(Figure::compared("proxy_roundtrip", ours, plain, "µs").with_other("more", ours - plain))
}

/// Sends so many bytes to a sink behind an address, and waits until all have arrived. Gives the
/// gigabytes a second.
fn send_bulk(address: SocketAddr, bytes: usize) -> Outcome<f64> {
    let piece = vec![0x5a; PIECE];
    let mut stream = connect(address)?;
    let begin = Instant::now();
    for _ in 0..bytes / PIECE {
        stream.write_all(&piece)?;
    }
    stream.read_exact(&mut [0])?;
    Ok(bytes as f64 / begin.elapsed().as_secs_f64() / 1e9)
}

/// Receives so many bytes on each connection, and sends a byte then.
fn sink(bytes: usize) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        let mut buffer = vec![0; PIECE];
        for stream in listener.incoming() {
            let mut stream = stream?;
            let mut left = bytes;
            while left > 0 {
                match stream.read(&mut buffer)? {
                    0 => break,
                    count => left = left.saturating_sub(count),
                }
            }
            stream.write_all(b"!")?;
        }
        std::io::Result::Ok(())
    });
    Ok(address)
}

/// 64 KiB at a time to a thread that receives them, through a proxy and without.
pub(crate) fn bulk() -> Outcome<Figure> {
    let sink = sink(BULK)?;
    let (_proxy, address) = proxy(sink, Link::new())?;
    let ways: [&mut dyn FnMut() -> Outcome<f64>; 2] =
        [&mut || send_bulk(address, BULK), &mut || {
            send_bulk(sink, BULK)
        }];
    let [ours, plain] = in_turn(15, ways)?;
    Ok(Figure::compared("proxy_bulk", ours, plain, "GB/s"))
}

/// How much later than its latency of 5 ms a byte arrives: of 500, the one that is later than 99 in
/// 100.
pub(crate) fn latency_error() -> Outcome<Figure> {
    const LATENCY: Duration = Duration::from_millis(5);
    let echo = tokio_echo()?;
    let (proxy, address) = proxy(echo, Link::new())?;
    let mut stream = connect(address)?;
    let measure = |stream: &mut TcpStream| -> Outcome<Vec<f64>> {
        let mut times = Vec::new();
        for _ in 0..500 {
            let begin = Instant::now();
            trip(stream)?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        Ok(times)
    };
    // Without latency, what a round trip takes anyway.
    let plain = measure(&mut stream)?[250];
    proxy.set_link(Direction::Up, Link::new().latency(LATENCY));
    let times = measure(&mut stream)?;
    let error = |time: f64| time - plain - LATENCY.as_secs_f64() * 1e3;
    let figure = Figure::alone("proxy_latency_error", error(times[495]), "ms");
    Ok(figure.with_other("median", error(times[250])))
}

/// How far from 20 MB/s the speed of 10 MB is, in percent: the worst of five.
pub(crate) fn bandwidth_error() -> Outcome<Figure> {
    const RATE: u64 = 20_000_000;
    const BYTES: usize = 10_000_000 / PIECE * PIECE;
    let sink = sink(BYTES)?;
    let (_proxy, address) = proxy(sink, Link::new().bandwidth(RATE))?;
    let mut worst = 0.0_f64;
    for _ in 0..5 {
        let speed = send_bulk(address, BYTES)? * 1e9;
        worst = worst.max((speed / RATE as f64 - 1.0).abs() * 100.0);
    }
    Ok(Figure::alone("proxy_bandwidth_error", worst, "%"))
}

/// Every cut of a conversation of 40 frames by 4 faults: 160 runs.
pub(crate) fn every_cut() -> Outcome<Figure> {
    let report = EveryCut::new()
        .framed(Lines::new())
        .kinds([
            FaultKind::Reset,
            FaultKind::Close,
            FaultKind::HalfClose,
            FaultKind::Silence,
        ])
        .run(|trial| {
            let replies = Replies::framed(Lines::new()).on(anything(), echo().framed());
            let server = TcpServer::builder("server").replies(replies).build()?;
            server.start()?;
            let to = format!("localhost:{}", server.port().unwrap_or_default());
            let wan = Arc::new(TcpProxy::builder("wan").to(to).build()?);
            trial.watch(&wan)?;
            wan.start()?;
            let address = ("localhost", wan.port().unwrap_or_default());
            // A client that gives each answer 100 ms, and gives up then.
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(Duration::from_millis(100)))?;
            for _ in 0..20 {
                let mut answer = [0; 5];
                if stream.write_all(b"line\n").is_err() || stream.read_exact(&mut answer).is_err() {
                    break;
                }
            }
            drop(stream);
            wan.stop()?;
            server.stop()?;
            Ok(())
        })?;
    if report.results().len() != 160 || report.failures().next().is_some() {
        return Err(report.to_string().into());
    }
    let seconds = report.took().as_secs_f64();
    Ok(Figure::alone("every_cut", seconds, "s"))
}
