//! What `standin-socket` costs, next to blocking code on the sockets of `std::net`.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use standin_socket::{Client, Connection, Server, ServerBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    Figure, Outcome,
    measure::{in_turn, median, micros_each},
    reference::testplan,
};

/// Longer than anything takes.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
const MESSAGE: [u8; 64] = [0x5a; 64];
const BULK: usize = 64 << 10;

/// How many connections "many" are.
const MANY: usize = 9_000;

/// Tells a child process of ours that it is to measure memory and say nothing else.
const CHILD: &str = "STANDIN_BENCH_CHILD";

/// Both ends of a connection, and the server that keeps one of them.
pub(super) type OurPair = (Connection, Connection, Server);

fn our_pair() -> Outcome<OurPair> {
    let server = Server::builder().host("127.0.0.1").bind()?;
    let near = client(&server).connect(LIMIT)?;
    let far = server.accept(LIMIT)?;
    Ok((near, far, server))
}

fn client(server: &Server) -> Client {
    Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build()
}

fn plain_listener() -> Outcome<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn plain_pair() -> Outcome<(TcpStream, TcpStream)> {
    let (listener, address) = plain_listener()?;
    let near = TcpStream::connect(address)?;
    let (far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    Ok((near, far))
}

fn tokio_runtime() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?)
}

async fn tokio_pair() -> Outcome<(tokio::net::TcpStream, tokio::net::TcpStream)> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let near = tokio::net::TcpStream::connect(listener.local_addr()?).await?;
    let (far, _) = listener.accept().await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    Ok((near, far))
}

/// Round trips of one run.
const ONE_THREAD: usize = 1_000;

pub(super) fn our_one_thread((near, far, _): &OurPair) -> Outcome<f64> {
    micros_each(ONE_THREAD, || {
        for _ in 0..ONE_THREAD {
            near.send(&MESSAGE, LIMIT)?;
            far.receive_exactly(MESSAGE.len(), LIMIT)?;
            far.send(&MESSAGE, LIMIT)?;
            near.receive_exactly(MESSAGE.len(), LIMIT)?;
        }
        Ok(())
    })
}

/// One thread sends 64 bytes from one end, receives them at the other, and back.
pub(crate) fn roundtrip_one_thread() -> Outcome<Figure> {
    const COUNT: usize = ONE_THREAD;
    let pair = our_pair()?;
    let (mut plain_near, mut plain_far) = plain_pair()?;
    let runtime = tokio_runtime()?;
    let (mut tokio_near, mut tokio_far) = runtime.block_on(tokio_pair())?;
    let mut ours = || our_one_thread(&pair);
    let mut plain = || {
        micros_each(COUNT, || {
            let mut buffer = [0; MESSAGE.len()];
            for _ in 0..COUNT {
                plain_near.write_all(&MESSAGE)?;
                plain_far.read_exact(&mut buffer)?;
                plain_far.write_all(&MESSAGE)?;
                plain_near.read_exact(&mut buffer)?;
            }
            Ok(())
        })
    };
    let mut tokio = || {
        micros_each(COUNT, || {
            runtime.block_on(async {
                let mut buffer = [0; MESSAGE.len()];
                for _ in 0..COUNT {
                    tokio_near.write_all(&MESSAGE).await?;
                    tokio_far.read_exact(&mut buffer).await?;
                    tokio_far.write_all(&MESSAGE).await?;
                    tokio_near.read_exact(&mut buffer).await?;
                }
                Ok(())
            })
        })
    };
    let [ours, plain, tokio] = in_turn(151, [&mut ours, &mut plain, &mut tokio])?;
    Ok(Figure::compared("roundtrip_one_thread", ours, plain, "µs")
        .with_other("tokio", tokio)
        .with_other("testplan", testplan("roundtrip_one_thread")))
}

/// One thread sends 64 bytes and receives them back from another.
///
/// Every run has threads of its own: on which processors the system puts a pair of threads decides
/// how fast they are, and it tends to leave them there. With many pairs, chance is the same for all
/// ways.
pub(crate) fn roundtrip_two_threads() -> Outcome<Figure> {
    let [ours, plain, tokio] = in_turn(
        101,
        [
            &mut || our_two_threads(our_pair()?),
            &mut plain_two_threads,
            &mut tokio_two_threads,
        ],
    )?;
    Ok(Figure::compared("roundtrip_two_threads", ours, plain, "µs").with_other("tokio", tokio))
}

/// Round trips before the clock starts, and with it running.
const TWO_THREADS: (usize, usize) = (50, 400);

pub(super) fn our_two_threads((near, far, _server): OurPair) -> Outcome<f64> {
    let echo = thread::spawn(move || {
        while let Ok(message) = far.receive_exactly(MESSAGE.len(), LIMIT) {
            if far.send(&message, LIMIT).is_err() {
                break;
            }
        }
    });
    let roundtrips = |count| {
        micros_each(count, || {
            for _ in 0..count {
                near.send(&MESSAGE, LIMIT)?;
                near.receive_exactly(MESSAGE.len(), LIMIT)?;
            }
            Ok(())
        })
    };
    roundtrips(TWO_THREADS.0)?;
    let each = roundtrips(TWO_THREADS.1)?;
    near.close();
    echo.join().map_err(|_| "the echo panicked")?;
    Ok(each)
}

fn plain_two_threads() -> Outcome<f64> {
    let (mut near, mut far) = plain_pair()?;
    let echo = thread::spawn(move || {
        let mut buffer = [0; MESSAGE.len()];
        while far
            .read_exact(&mut buffer)
            .and_then(|()| far.write_all(&buffer))
            .is_ok()
        {}
    });
    let mut roundtrips = |count| {
        micros_each(count, || {
            let mut buffer = [0; MESSAGE.len()];
            for _ in 0..count {
                near.write_all(&MESSAGE)?;
                near.read_exact(&mut buffer)?;
            }
            Ok(())
        })
    };
    roundtrips(TWO_THREADS.0)?;
    let each = roundtrips(TWO_THREADS.1)?;
    drop(near);
    echo.join().map_err(|_| "the echo panicked")?;
    Ok(each)
}

fn tokio_two_threads() -> Outcome<f64> {
    let runtime = tokio_runtime()?;
    let (mut near, far) = runtime.block_on(tokio_pair())?;
    let far = far.into_std()?;
    let echo = thread::spawn(move || -> Outcome<()> {
        tokio_runtime()?.block_on(async {
            let mut far = tokio::net::TcpStream::from_std(far)?;
            let mut buffer = [0; MESSAGE.len()];
            while far.read_exact(&mut buffer).await.is_ok() && far.write_all(&buffer).await.is_ok()
            {
            }
            Ok(())
        })
    });
    let mut roundtrips = |count| {
        micros_each(count, || {
            runtime.block_on(async {
                let mut buffer = [0; MESSAGE.len()];
                for _ in 0..count {
                    near.write_all(&MESSAGE).await?;
                    near.read_exact(&mut buffer).await?;
                }
                Ok(())
            })
        })
    };
    roundtrips(TWO_THREADS.0)?;
    let each = roundtrips(TWO_THREADS.1)?;
    drop(near);
    echo.join().map_err(|_| "the echo panicked")??;
    Ok(each)
}

/// Sends 64 KiB at a time to another thread that receives them, 4 GiB in all. Threads of its own
/// for every run, as with [`roundtrip_two_threads`].
pub(crate) fn bulk_send() -> Outcome<Figure> {
    let [ours, plain] = in_turn(
        BULK_ROUNDS,
        [&mut || our_bulk(our_pair()?), &mut plain_bulk],
    )?;
    Ok(Figure::compared("bulk_send", ours, plain, "GB/s"))
}

pub(super) const BULK_ROUNDS: usize = 64;
const BULK_SENDS: usize = (4 << 30) / BULK / BULK_ROUNDS;

fn gigabytes_per_second(started: Instant) -> f64 {
    (BULK_SENDS * BULK) as f64 / started.elapsed().as_secs_f64() / 1e9
}

pub(super) fn our_bulk((near, far, _server): OurPair) -> Outcome<f64> {
    let block = vec![0x5a; BULK];
    let sink = thread::spawn(move || -> Outcome<()> {
        let mut buffer = vec![0; BULK];
        let mut left = BULK_SENDS * BULK;
        while left > 0 {
            left -= far.receive_into(&mut buffer, LIMIT)?;
        }
        // Comes back when everything has arrived: only then is the run over.
        far.send(b"!", LIMIT)?;
        Ok(())
    });
    let started = Instant::now();
    for _ in 0..BULK_SENDS {
        near.send(&block, LIMIT)?;
    }
    near.receive_exactly(1, LIMIT)?;
    let speed = gigabytes_per_second(started);
    sink.join().map_err(|_| "the sink panicked")??;
    Ok(speed)
}

fn plain_bulk() -> Outcome<f64> {
    let block = vec![0x5a; BULK];
    let (mut near, mut far) = plain_pair()?;
    let sink = thread::spawn(move || -> Outcome<()> {
        let mut buffer = vec![0; BULK];
        let mut left = BULK_SENDS * BULK;
        while left > 0 {
            left -= far.read(&mut buffer)?;
        }
        far.write_all(b"!")?;
        Ok(())
    });
    let started = Instant::now();
    for _ in 0..BULK_SENDS {
        near.write_all(&block)?;
    }
    near.read_exact(&mut [0])?;
    let speed = gigabytes_per_second(started);
    sink.join().map_err(|_| "the sink panicked")??;
    Ok(speed)
}

/// How much is expected.
const EXPECTED: usize = 60 << 20;

/// Milliseconds to expect 60 MiB that another thread sends, next to receiving exactly as many.
pub(crate) fn expect() -> Outcome<Figure> {
    let bytes: Vec<u8> = (0..EXPECTED).map(|at| (at * 31 + at / 251) as u8).collect();
    let millis = |receive: &dyn Fn(&Connection) -> Outcome<()>| {
        let (near, far, _server) = our_pair()?;
        thread::scope(|scope| {
            let sender = scope.spawn(|| near.send(&bytes, LIMIT));
            let started = Instant::now();
            receive(&far)?;
            let taken = started.elapsed().as_secs_f64() * 1e3;
            sender.join().map_err(|_| "the sender panicked")??;
            Ok(taken)
        })
    };
    let [expecting, receiving] = in_turn(
        21,
        [
            &mut || millis(&|far| Ok(far.expect(&bytes, LIMIT)?)),
            &mut || {
                millis(&|far| {
                    far.receive_exactly(EXPECTED, LIMIT)?;
                    Ok(())
                })
            },
        ],
    )?;
    Ok(Figure::compared("expect", expecting, receiving, "ms"))
}

/// Connects, accepts, and closes both ends.
pub(crate) fn connect_accept() -> Outcome<Figure> {
    const COUNT: usize = 80;
    let server = Server::builder().host("127.0.0.1").bind()?;
    let client = client(&server);
    let (listener, address) = plain_listener()?;
    let mut ours = || {
        micros_each(COUNT, || {
            for _ in 0..COUNT {
                let near = client.connect(LIMIT)?;
                let far = server.accept(LIMIT)?;
                far.close();
                near.close();
            }
            Ok(())
        })
    };
    let mut plain = || {
        micros_each(COUNT, || {
            for _ in 0..COUNT {
                let near = TcpStream::connect(address)?;
                let (far, _) = listener.accept()?;
                drop(far);
                drop(near);
            }
            Ok(())
        })
    };
    let runtime = tokio_runtime()?;
    let listening = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let tokio_address = listening.local_addr()?;
    let mut tokio = || {
        micros_each(COUNT, || {
            runtime.block_on(async {
                for _ in 0..COUNT {
                    let near = tokio::net::TcpStream::connect(tokio_address).await?;
                    let (far, _) = listening.accept().await?;
                    drop(far);
                    drop(near);
                }
                Ok(())
            })
        })
    };
    let [ours, plain, tokio] = in_turn(51, [&mut ours, &mut plain, &mut tokio])?;
    Ok(Figure::compared("connect_accept", ours, plain, "µs each")
        .with_other("tokio", tokio)
        .with_other("testplan", testplan("connect_accept")))
}

/// Connects to one server and accepts, 9,000 times, and keeps all.
pub(crate) fn many_accept() -> Outcome<Figure> {
    let mut ours = || {
        let many = OurMany::new()?;
        Ok(many.micros_each)
    };
    let mut plain = || {
        let many = PlainMany::new()?;
        Ok(many.micros_each)
    };
    let [ours, plain] = in_turn(9, [&mut ours, &mut plain])?;
    Ok(Figure::compared("many_accept", ours, plain, "µs each"))
}

/// A round trip of 64 bytes on each of 9,000 connections, in random order.
pub(crate) fn many_roundtrip() -> Outcome<Figure> {
    let mut seed = 7_u64;
    let mut order: Vec<usize> = (0..MANY).collect();
    for last in (1..order.len()).rev() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (seed >> 33) as usize % (last + 1));
    }
    let mut results = [Vec::new(), Vec::new()];
    // Both at the same time would need more descriptors than many machines allow.
    for _ in 0..3 {
        let many = OurMany::new()?;
        for _ in 0..5 {
            results[0].push(micros_each(MANY, || {
                for &index in &order {
                    let (near, far) = &many.pairs[index];
                    near.send(&MESSAGE, LIMIT)?;
                    far.receive_exactly(MESSAGE.len(), LIMIT)?;
                    far.send(&MESSAGE, LIMIT)?;
                    near.receive_exactly(MESSAGE.len(), LIMIT)?;
                }
                Ok(())
            })?);
        }
        drop(many);
        let mut many = PlainMany::new()?;
        for _ in 0..5 {
            results[1].push(micros_each(MANY, || {
                let mut buffer = [0; MESSAGE.len()];
                for &index in &order {
                    let (near, far) = &mut many.pairs[index];
                    near.write_all(&MESSAGE)?;
                    far.read_exact(&mut buffer)?;
                    far.write_all(&MESSAGE)?;
                    near.read_exact(&mut buffer)?;
                }
                Ok(())
            })?);
        }
    }
    let [ours, plain] = results.map(median);
    Ok(Figure::compared("many_roundtrip", ours, plain, "µs each"))
}

/// How much of this process's memory an idle accepted connection takes.
pub(crate) fn many_memory_per_connection() -> Outcome<Figure> {
    memory_in_child("many_memory_per_connection", || {
        memory_per_connection(Server::builder())
    })
}

/// A figure of memory that is taken in a process of its own, where nothing that ran before has
/// left memory to use again.
pub(super) fn memory_in_child(
    name: &'static str,
    measure: impl FnOnce() -> Outcome<f64>,
) -> Outcome<Figure> {
    if std::env::var_os(CHILD).is_some() {
        return Ok(Figure::alone(name, measure()?, "bytes"));
    }
    let output = Command::new(std::env::current_exe()?)
        .args(["bench", name])
        .env(CHILD, "1")
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let ours = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|line| line.split_whitespace().next())
        .ok_or("the child process printed no figure")?
        .parse()?;
    Ok(Figure::alone(name, ours, "bytes"))
}

pub(super) fn memory_per_connection(server: ServerBuilder) -> Outcome<f64> {
    let server = server.host("127.0.0.1").bind()?;
    let address = server
        .local_socket_addr()
        .ok_or("the server has no address")?;
    let mut peers = Vec::with_capacity(MANY);
    // The first ones pay for what all of them share.
    for _ in 0..100 {
        peers.push(TcpStream::connect(address)?);
        server.accept(LIMIT)?;
    }
    let before = resident_bytes()?;
    for _ in 100..MANY {
        peers.push(TcpStream::connect(address)?);
        server.accept(LIMIT)?;
    }
    let after = resident_bytes()?;
    Ok(after.saturating_sub(before) as f64 / (MANY - 100) as f64)
}

/// The private memory that this process really uses.
pub(super) fn resident_bytes() -> Outcome<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .ok_or("no RssAnon in /proc/self/status")?;
    let kilobytes: usize = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes << 10)
}

struct OurMany {
    pairs: Vec<(Connection, Connection)>,
    micros_each: f64,
    server: Server,
}

impl OurMany {
    fn new() -> Outcome<OurMany> {
        let server = Server::builder().host("127.0.0.1").bind()?;
        let mut pairs = Vec::with_capacity(MANY);
        let started = Instant::now();
        for _ in 0..MANY {
            // A client each: a client has one connection at a time.
            let near = client(&server).connect(LIMIT)?;
            pairs.push((near, server.accept(LIMIT)?));
        }
        let micros_each = started.elapsed().as_secs_f64() * 1e6 / MANY as f64;
        Ok(OurMany {
            pairs,
            micros_each,
            server,
        })
    }
}

impl Drop for OurMany {
    fn drop(&mut self) {
        self.server.close();
    }
}

struct PlainMany {
    pairs: Vec<(TcpStream, TcpStream)>,
    micros_each: f64,
}

impl PlainMany {
    fn new() -> Outcome<PlainMany> {
        let (listener, address) = plain_listener()?;
        let mut pairs = Vec::with_capacity(MANY);
        let started = Instant::now();
        for _ in 0..MANY {
            let near = TcpStream::connect(address)?;
            pairs.push((near, listener.accept()?.0));
        }
        Ok(PlainMany {
            pairs,
            micros_each: started.elapsed().as_secs_f64() * 1e6 / MANY as f64,
        })
    }
}
