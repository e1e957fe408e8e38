//! What a soak mixes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use standin_config::context;
use standin_driver::{Driver, Lifecycle};
use standin_environment::{DriverTypes, Environment, EnvironmentError, RunningEnvironment};
use standin_process::Process;
use standin_socket::framing::{Endian, LengthPrefix, Width};
use standin_socket::{Client, Server};
use standin_sync::Unpoisoned;
use standin_tcp::{TcpClient, TcpServer};

use crate::bench::Outcome;

use super::{LIMIT, runpaths};

/// One of them, with a folder of its own.
pub(super) type Piece = fn(&mut Rng, &Path) -> Outcome<()>;

/// All of them, with their names.
pub(super) const PIECES: &[(&str, Piece)] = &[
    ("conversation", conversation),
    ("reconnects", reconnects),
    ("burst", burst),
    ("frames", frames),
    ("hostile peers", hostile_peers),
    ("process", process),
    ("stubborn process", stubborn_process),
    ("environment file", environment_file),
    ("concurrent start", concurrent_start),
    ("abort", abort),
    ("failed start", failed_start),
    ("restart", restart),
    ("calls from hooks", calls_from_hooks),
    ("stop during start", stop_during_start),
    ("panicking factory", panicking_factory),
    ("long chain", long_chain),
    ("shared runpath", runpaths::shared_runpath),
];

/// A server, and clients that are connected to it.
fn pair(clients: usize) -> Outcome<(Environment, Arc<TcpServer>, Vec<Arc<TcpClient>>)> {
    let mut env = Environment::new("soak");
    let server = env.add(TcpServer::builder("server").timeout(LIMIT).build()?)?;
    let clients = (0..clients)
        .map(|number| {
            let client = TcpClient::builder(format!("client-{number}"))
                .host(context("server", "{{ host }}"))
                .port(context("server", "{{ port }}"))
                .build()?;
            Ok(env.add(client)?)
        })
        .collect::<Outcome<Vec<_>>>()?;
    Ok((env, server, clients))
}

fn ended(env: RunningEnvironment, random: &mut Rng) -> Outcome<()> {
    // Dropping it has to do the same.
    match random.usize(..2) {
        0 => drop(env),
        _ => env.stop()?,
    }
    Ok(())
}

fn conversation(random: &mut Rng, _: &Path) -> Outcome<()> {
    let (env, server, clients) = pair(1)?;
    let env = env.start()?;
    let connection = server.accept_connection(LIMIT)?;
    for _ in 0..random.usize(..50) {
        let message = bytes(random, 5_000);
        for client in &clients {
            client.send(&message)?;
            same(&connection.receive_exactly(message.len())?, &message)?;
            connection.send(&message)?;
            same(
                &client.connection()?.receive_exactly(message.len())?,
                &message,
            )?;
        }
    }
    ended(env, random)
}

fn reconnects(random: &mut Rng, _: &Path) -> Outcome<()> {
    let (env, server, clients) = pair(3)?;
    let env = env.start()?;
    for _ in &clients {
        server.accept_connection(LIMIT)?;
    }
    for round in 0..random.usize(..10) {
        let client = &clients[random.usize(..clients.len())];
        client.connect()?;
        client.send_text("again")?;
        let connection = server.accept_connection(LIMIT)?;
        same(&connection.receive_exactly(5)?, b"again")?;
        if connection.index() != clients.len() + round {
            return Err("an index was used twice".into());
        }
    }
    ended(env, random)
}

fn burst(random: &mut Rng, _: &Path) -> Outcome<()> {
    let (env, server, _) = pair(0)?;
    let env = env.start()?;
    let port = server.port().ok_or("no port")?;
    let peers = (0..random.usize(..100))
        .map(|_| TcpStream::connect(("localhost", port)))
        .collect::<Result<Vec<_>, _>>()?;
    let taken = random.usize(..peers.len() + 1);
    for _ in 0..taken {
        server.accept_connection(LIMIT)?;
    }
    // The others are still in the queue when it stops.
    ended(env, random)
}

fn frames(random: &mut Rng, _: &Path) -> Outcome<()> {
    let server = Server::builder().host("127.0.0.1").bind()?;
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build();
    let near = client.connect(LIMIT)?;
    let far = server.accept(LIMIT)?;
    let sent: Vec<Vec<u8>> = (0..random.usize(..100))
        .map(|_| bytes(random, 3_000))
        .collect();
    std::thread::scope(|scope| -> Outcome<()> {
        let sending = scope.spawn(|| {
            let mut framing = LengthPrefix::new(Width::U32, Endian::Big);
            sent.iter()
                .try_for_each(|payload| near.send_frame(&mut framing, payload, LIMIT).map(drop))
        });
        let mut framing = LengthPrefix::new(Width::U32, Endian::Big);
        for payload in &sent {
            same(&far.receive_frame(&mut framing, LIMIT)?, payload)?;
        }
        sending.join().map_err(|_| "the sender panicked")??;
        Ok(())
    })?;
    client.close();
    server.close();
    Ok(())
}

fn hostile_peers(random: &mut Rng, _: &Path) -> Outcome<()> {
    let (env, server, _) = pair(0)?;
    let env = env.start()?;
    let port = server.port().ok_or("no port")?;
    for _ in 0..random.usize(..20) {
        let mut peer = TcpStream::connect(("localhost", port))?;
        let connection = server.accept_connection(LIMIT)?;
        match random.usize(..4) {
            0 => drop(peer),
            1 => {
                peer.write_all(b"half")?;
                peer.shutdown(std::net::Shutdown::Write)?;
                same(&connection.with_timeout(LIMIT).receive_to_end()?, b"half")?;
                connection.send("whole")?;
                connection.close();
                let mut answer = Vec::new();
                peer.read_to_end(&mut answer)?;
                same(&answer, b"whole")?;
            }
            2 => {
                let much = vec![0; 1 << 23];
                let limit = Duration::from_millis(5);
                if connection.with_timeout(limit).send(&much).is_ok() {
                    return Err("a peer that reads nothing took it all".into());
                }
            }
            _ => connection.reset()?,
        }
    }
    ended(env, random)
}

fn process(random: &mut Rng, _: &Path) -> Outcome<()> {
    let mut env = Environment::new("soak");
    let process = env.add(
        Process::builder("app")
            .timeout(LIMIT)
            .binary("sh")
            .args(["-c", "echo listening on 4711; read line; exit 0"])
            .stdout_regexps([r"listening on (?<port>\d+)"])
            .build()?,
    )?;
    let env = env.start()?;
    if process.base().extract("port").as_deref() != Some("4711") {
        return Err("the port was not extracted".into());
    }
    ended(env, random)
}

fn stubborn_process(random: &mut Rng, folder: &Path) -> Outcome<()> {
    let script = [
        "trap '' TERM; echo ready; while :; do sleep 1; done",
        "echo ready; sleep 1000 & exec sleep 1000",
        "echo ready; kill -STOP $$",
        "(env -i setsid sh -c 'echo ready; exec sleep 1000' &) & exit 0",
        "echo ready; hop() { hop & }; hop",
    ];
    let process = Process::builder("stubborn")
        .runpath(folder.join("stubborn"))
        .timeout(LIMIT)
        .stop_timeout(Duration::from_millis(50))
        .binary("sh")
        .args(["-c", script[random.usize(..script.len())]])
        .stdout_regexps(["ready"])
        .build()?;
    process.start()?;
    match random.usize(..3) {
        0 => process.stop()?,
        1 => process.abort()?,
        _ => drop(process),
    }
    Ok(())
}

fn environment_file(random: &mut Rng, _: &Path) -> Outcome<()> {
    let mut text = "name = \"soak\"\ntimeout = \"1m\"\n".to_owned();
    for number in 0..=random.usize(..10) {
        text.push_str(&format!(
            "[[driver]]\ntype = \"tcp-server\"\nname = \"s{number}\"\n\
             [[driver]]\ntype = \"tcp-client\"\nname = \"c{number}\"\n\
             host = {{ driver = \"s{number}\", value = \"{{{{ host }}}}\" }}\n\
             port = {{ driver = \"s{number}\", value = \"{{{{ port }}}}\" }}\n"
        ));
    }
    let env = DriverTypes::standard().parse("soak.toml", &text)?;
    ended(env.start()?, random)
}

fn concurrent_start(random: &mut Rng, _: &Path) -> Outcome<()> {
    let mut env = Environment::builder("soak").concurrent(true).build()?;
    let count = 2 + random.usize(..20);
    for number in 0..count {
        env.add(
            TcpServer::builder(format!("s{number}"))
                .timeout(LIMIT)
                .build()?,
        )?;
    }
    for _ in 0..random.usize(..20) {
        let (first, then) = (random.usize(..count), random.usize(..count));
        // Always upwards: no circles.
        if first < then {
            env.add_dependency(format!("s{first}"), format!("s{then}"))?;
        }
    }
    ended(env.start()?, random)
}

fn abort(random: &mut Rng, folder: &Path) -> Outcome<()> {
    let mut env = Environment::builder("soak")
        .runpath(folder.join("env"))
        .build()?;
    let server = env.add(TcpServer::builder("server").timeout(LIMIT).build()?)?;
    let handle = env.abort_handle();
    let spins = random.usize(..20_000);
    std::thread::scope(|scope| -> Outcome<()> {
        let aborting = scope.spawn(move || {
            for _ in 0..spins {
                std::hint::spin_loop();
            }
            handle.abort();
        });
        // Whether the start is ended by it or not, this wait is.
        if let Ok(env) = env.start() {
            if server.accept_connection(None).is_ok() {
                return Err("nobody has connected".into());
            }
            drop(env);
        }
        aborting.join().map_err(|_| "the abort panicked")?;
        Ok(())
    })
}

fn failed_start(random: &mut Rng, folder: &Path) -> Outcome<()> {
    let mut env = Environment::builder("soak")
        .runpath(folder.join("env"))
        .build()?;
    for number in 0..random.usize(..5) {
        env.add(TcpServer::builder(format!("s{number}")).build()?)?;
    }
    let hook = |_: &dyn Driver| Err(standin_entity::Error::msg("no"));
    env.add(TcpServer::builder("refuses").post_start(hook).build()?)?;
    match env.start() {
        Ok(_) => Err("it started".into()),
        Err(_) => Ok(()),
    }
}

fn restart(random: &mut Rng, _: &Path) -> Outcome<()> {
    let (env, server, clients) = pair(1)?;
    let env = env.start()?;
    for _ in 0..=random.usize(..5) {
        env.restart()?;
        for client in &clients {
            client.send_text("back")?;
        }
        same(
            &server.accept_connection(LIMIT)?.receive_exactly(4)?,
            b"back",
        )?;
    }
    ended(env, random)
}

/// A hook that stops, starts or restarts its environment is told so, and hangs nowhere.
fn calls_from_hooks(random: &mut Rng, folder: &Path) -> Outcome<()> {
    let slot: Arc<Mutex<Option<Arc<RunningEnvironment>>>> = Arc::default();
    let guard = slot.clone();
    let which = random.usize(..4);
    let hook = move |_: &dyn Driver| {
        let guard = guard.lock().unpoisoned().clone();
        let Some(env) = guard else {
            return Ok(());
        };
        let refused = match which {
            0 => env.stop(),
            1 => env.start(),
            2 => env.restart(),
            _ => {
                env.statuses();
                return Ok(());
            }
        };
        match refused {
            Err(EnvironmentError::CalledFromWithin { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => Err("it was not refused".into()),
        }
    };
    let mut env = Environment::builder("soak")
        .runpath(folder.join("env"))
        .concurrent(random.bool())
        .build()?;
    let server = TcpServer::builder("calls");
    let server = match random.usize(..2) {
        0 => server.pre_stop(hook),
        _ => server.post_stop(hook),
    };
    env.add(server.build()?)?;
    for number in 0..random.usize(..4) {
        env.add(TcpServer::builder(format!("s{number}")).build()?)?;
    }
    let env = Arc::new(env.start()?);
    let in_slot = || slot.lock().unpoisoned();
    *in_slot() = Some(env.clone());
    env.stop()?;
    let taken = in_slot().take();
    drop(taken);
    Ok(())
}

/// A stop from another thread, at any time of a start.
fn stop_during_start(random: &mut Rng, folder: &Path) -> Outcome<()> {
    let mut env = Environment::builder("soak")
        .runpath(folder.join("env"))
        .concurrent(random.bool())
        .build()?;
    for number in 0..1 + random.usize(..8) {
        env.add(TcpServer::builder(format!("s{number}")).build()?)?;
    }
    let env = env.start()?;
    env.stop()?;
    let spins = random.usize(..50_000);
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| env.start());
        for _ in 0..spins {
            std::hint::spin_loop();
        }
        let stopped = env.stop();
        // Whether it was interrupted or not.
        let _ = starting.join().map_err(|_| "the start panicked")?;
        stopped.map_err(Into::into)
    })
    .and_then(|()| ended(env, random))
}

fn panicking_factory(random: &mut Rng, folder: &Path) -> Outcome<()> {
    let mut env = Environment::builder("soak")
        .runpath(folder.join("env"))
        .concurrent(random.bool())
        .build()?;
    for number in 0..random.usize(..4) {
        env.add(TcpServer::builder(format!("s{number}")).build()?)?;
    }
    let hook = |_: &dyn Driver| Err(standin_entity::Error::msg("no"));
    env.add(TcpServer::builder("refuses").post_start(hook).build()?)?;
    let is_mended = random.bool();
    // Quietly: a panic that is printed each time says nothing new.
    env.register_failover::<TcpServer>("refuses", || {
        std::panic::resume_unwind(Box::new("no licence"))
    })?;
    if is_mended {
        env.register_failover("refuses", || Ok(TcpServer::builder("other").build()?))?;
    }
    match (env.start(), is_mended) {
        (Ok(env), true) => Ok(env.stop()?),
        (Err(_), false) => Ok(()),
        (Ok(_), false) => Err("it started".into()),
        (Err(error), true) => Err(error.into()),
    }
}

/// Drivers that start one after the other, declared in either direction.
fn long_chain(random: &mut Rng, folder: &Path) -> Outcome<()> {
    let length = 2 + random.usize(..200);
    let mut env = Environment::builder("soak")
        .runpath(folder.join("env"))
        .build()?;
    let name = |place: usize| format!("s{place}");
    for place in 0..length {
        env.add(TcpServer::builder(name(place)).build()?)?;
    }
    let backwards = random.bool();
    for place in 1..length {
        match backwards {
            true => env.add_dependency(name(place), name(place - 1))?,
            false => env.add_dependency(name(place - 1), name(place))?,
        }
    }
    ended(env.start()?, random)
}

fn same(received: &[u8], sent: &[u8]) -> Outcome<()> {
    match received == sent {
        true => Ok(()),
        false => Err(format!("{} bytes are not the {} sent", received.len(), sent.len()).into()),
    }
}

/// Up to so many random bytes, and at least one.
fn bytes(random: &mut Rng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; 1 + random.usize(..most)];
    random.fill(&mut bytes);
    bytes
}
