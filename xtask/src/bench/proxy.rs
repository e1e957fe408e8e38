//! What a proxy costs, and how exact it is.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use standin::proxy::{Direction, EveryCut, FaultKind};
use standin::reply::{Replies, anything, echo};
use standin::socket::framing::Lines;
use standin::{Lifecycle as _, Link, TcpProxy, TcpServer};

use super::echo::{connect, median_trip, tokio_echo, trip};
use super::measure::in_turn;
use super::{Figure, Outcome};

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

/// Two threads for each connection, which pass on what comes: the plainest proxy that there is.
fn copying_threads(to: SocketAddr) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for near in listener.incoming() {
            let near = near?;
            near.set_nodelay(true)?;
            let far = TcpStream::connect(to)?;
            far.set_nodelay(true)?;
            let up = (near.try_clone()?, far.try_clone()?);
            for (from, to) in [up, (far, near)] {
                thread::spawn(|| copy(from, to));
            }
        }
        std::io::Result::Ok(())
    });
    Ok(address)
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> std::io::Result<()> {
    let mut bytes = vec![0; PIECE];
    loop {
        match from.read(&mut bytes)? {
            0 => return to.shutdown(Shutdown::Write),
            count => to.write_all(&bytes[..count])?,
        }
    }
}

/// What a round trip of 64 bytes takes: without anybody between, with a proxy, and with threads
/// that copy.
struct Trips {
    direct: f64,
    proxy: f64,
    threads: f64,
}

impl Trips {
    fn measure() -> Outcome<Trips> {
        let echo = tokio_echo()?;
        let (_proxy, address) = proxy(echo, Link::new())?;
        let (mut through, mut direct) = (connect(address)?, connect(echo)?);
        let mut threads = connect(copying_threads(echo)?)?;
        let [direct, proxy, threads] = in_turn(
            31,
            [
                &mut || median_trip(&mut direct),
                &mut || median_trip(&mut through),
                &mut || median_trip(&mut threads),
            ],
        )?;
        Ok(Trips {
            direct,
            proxy,
            threads,
        })
    }
}

/// A round trip of 64 bytes with an echo, through a proxy and without, where the system puts the
/// threads on processors as it likes. There each of the two hops more can wake another processor,
/// which takes longer than anything else; what is left when all share one is beside it.
pub(crate) fn roundtrip() -> Outcome<Figure> {
    let spread = Trips::measure()?;
    let shared = on_one_processor(Trips::measure)?;
    let figure = Figure::compared("proxy_roundtrip", spread.proxy, spread.direct, "µs")
        .with_other("more", spread.proxy - spread.direct)
        .with_other("copying threads, more", spread.threads - spread.direct);
    let Some(shared) = shared else {
        return Ok(figure);
    };
    Ok(figure
        .with_other("on one processor, more", shared.proxy - shared.direct)
        .with_other(
            "copying threads there, more",
            shared.threads - shared.direct,
        ))
}

/// Measures with this thread, and all that it starts, on one processor, where the system can.
#[cfg(target_os = "linux")]
fn on_one_processor<R>(measure: impl FnOnce() -> Outcome<R>) -> Outcome<Option<R>> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let before = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|index| before.is_set(*index));
    let mut one = CpuSet::new();
    one.set(first.ok_or("no processor is allowed")?);
    sched_setaffinity(None, &one)?;
    let measured = measure();
    sched_setaffinity(None, &before)?;
    measured.map(Some)
}

#[cfg(not(target_os = "linux"))]
fn on_one_processor<R>(_: impl FnOnce() -> Outcome<R>) -> Outcome<Option<R>> {
    Ok(None)
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
    let threads = copying_threads(sink)?;
    let ways: [&mut dyn FnMut() -> Outcome<f64>; 3] = [
        &mut || send_bulk(address, BULK),
        &mut || send_bulk(sink, BULK),
        &mut || send_bulk(threads, BULK),
    ];
    let [ours, plain, threads] = in_turn(15, ways)?;
    let figure = Figure::compared("proxy_bulk", ours, plain, "GB/s");
    Ok(figure.with_other("copying threads", threads))
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
