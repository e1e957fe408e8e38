//! What `standin-environment` costs, next to the same sockets and directories made by hand.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};
use standin_config::{Config, FromOptions, context};
use standin_driver::{BuildError, Driver, DriverBase, DriverConfig};
use standin_entity::Check;
use standin_environment::{Environment, EnvironmentBuilder};
use standin_tcp::{TcpClient, TcpServer};

use super::{Figure, Outcome, measure::in_turn};

/// How many drivers there are.
const DRIVERS: usize = 1_000;
const ROUNDS: usize = 9;

/// A thousand servers and clients, each client with the port of its server from a context value.
pub(crate) fn start_1000() -> Outcome<Figure> {
    let [ours, plain] = pairs(|times| times.start)?;
    Ok(Figure::compared(
        "environment_start_1000",
        ours,
        plain,
        "ms",
    ))
}

/// The stop of the same, without removing directories on either side.
pub(crate) fn stop_1000() -> Outcome<Figure> {
    let [ours, plain] = pairs(|times| times.stop)?;
    Ok(Figure::compared("environment_stop_1000", ours, plain, "ms"))
}

/// How long a driver of [`independent_ready_1000`] takes.
const READY_AFTER: Duration = Duration::from_millis(100);

/// Drivers that each need 100 ms to be ready, and that do not need each other, next to as many
/// threads that sleep as long.
pub(crate) fn independent_ready_1000() -> Outcome<Figure> {
    let folder = Folder::in_memory()?;
    let [ours, threads] = in_turn(
        ROUNDS,
        [
            &mut || {
                let env = environment(&folder.next()).concurrent(true).build()?;
                start_idle(env, READY_AFTER, |_| None)
            },
            &mut || {
                let begun = Instant::now();
                std::thread::scope(|scope| {
                    for _ in 0..DRIVERS {
                        scope.spawn(|| std::thread::sleep(READY_AFTER));
                    }
                });
                Ok(millis_since(begun))
            },
        ],
    )?;
    Ok(Figure::compared(
        "independent_ready_1000",
        ours,
        threads,
        "ms",
    ))
}

/// Drivers that are ready at once, each depending on the one before it.
pub(crate) fn chain_1000() -> Outcome<Figure> {
    let folder = Folder::in_memory()?;
    let [ours] = in_turn(
        ROUNDS,
        [&mut || {
            let env = environment(&folder.next()).build()?;
            let millis = start_idle(env, Duration::ZERO, |index| index.checked_sub(1))?;
            Ok(millis * 1e3 / DRIVERS as f64)
        }],
    )?;
    Ok(Figure::alone("chain_1000", ours, "µs per driver"))
}

/// Milliseconds.
struct Times {
    start: f64,
    stop: f64,
}

fn pairs(which: fn(Times) -> f64) -> Outcome<[f64; 2]> {
    let folder = Folder::new()?;
    in_turn(
        ROUNDS,
        [&mut || Ok(which(our_pairs(&folder.next())?)), &mut || {
            Ok(which(plain_pairs(&folder.next())?))
        }],
    )
}

fn our_pairs(runpath: &Path) -> Outcome<Times> {
    let mut env = environment(runpath).build()?;
    for number in 0..DRIVERS / 2 {
        let server = format!("server-{number}");
        let client = TcpClient::builder(format!("client-{number}"))
            .host(context(&server, "{{ host }}"))
            .port(context(&server, "{{ port }}"));
        env.add(TcpServer::builder(server).build()?)?;
        env.add(client.build()?)?;
    }
    let begun = Instant::now();
    let env = env.start()?;
    let start = millis_since(begun);
    let begun = Instant::now();
    env.stop()?;
    let stop = millis_since(begun);
    Ok(Times { start, stop })
}

fn plain_pairs(root: &Path) -> Outcome<Times> {
    let make = |name: String| -> Outcome<()> {
        let runpath = root.join(name);
        fs::create_dir(&runpath)?;
        fs::create_dir(runpath.join("scratch"))?;
        Ok(())
    };
    let begun = Instant::now();
    fs::create_dir(root)?;
    let mut sockets = Vec::with_capacity(DRIVERS / 2);
    for number in 0..DRIVERS / 2 {
        make(format!("server-{number}"))?;
        // A server of a name keeps its port to itself on the name's other address, too.
        let (reserved, port) = reservation();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address: SocketAddr = listener.local_addr()?;
        make(format!("client-{number}"))?;
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        sockets.push((listener, stream, reserved));
    }
    let start = millis_since(begun);
    let begun = Instant::now();
    while let Some((listener, stream, reserved)) = sockets.pop() {
        drop(stream);
        drop(listener);
        drop(reserved);
    }
    let stop = millis_since(begun);
    Ok(Times { start, stop })
}

/// A socket that the system has given a port of the loopback address of IPv6, and that port; zero
/// where there is none.
fn reservation() -> (Option<Socket>, u16) {
    let bound = || {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).ok()?;
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        socket.bind(&address.into()).ok()?;
        let port = socket.local_addr().ok()?.as_socket()?.port();
        Some((Some(socket), port))
    };
    bound().unwrap_or_default()
}

/// Starts a thousand drivers that are ready after some time, and says how many milliseconds it
/// took.
fn start_idle(
    mut env: Environment,
    ready_after: Duration,
    after: impl Fn(usize) -> Option<usize>,
) -> Outcome<f64> {
    let mut drivers = Vec::with_capacity(DRIVERS);
    for number in 0..DRIVERS {
        let idle = IdleBuilder::new().name(format!("idle-{number}"));
        drivers.push(env.add(idle.ready_after(ready_after).build()?)?);
    }
    for (number, driver) in drivers.iter().enumerate() {
        if let Some(first) = after(number) {
            env.add_dependency(&drivers[first], driver)?;
        }
    }
    let begun = Instant::now();
    let env = env.start()?;
    let millis = millis_since(begun);
    env.stop()?;
    Ok(millis)
}

fn environment(runpath: &Path) -> EnvironmentBuilder {
    Environment::builder("bench").runpath(runpath)
}

fn millis_since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

/// The options of [`Idle`].
#[derive(Clone, Debug, Config)]
#[config(builds = Idle)]
struct IdleConfig {
    /// The options that every driver has.
    #[config(include)]
    pub driver: DriverConfig,

    /// How long after its start the driver is ready.
    #[config(default = Duration::ZERO)]
    pub ready_after: Duration,
}

/// A driver that does nothing but to become ready.
struct Idle {
    base: DriverBase,
    ready_after: Duration,
}

impl FromOptions<IdleBuilder> for Idle {
    type Error = BuildError;

    fn from_options(options: IdleBuilder) -> Result<Self, BuildError> {
        let base = DriverBase::new("Idle", options)?;
        let ready_after = base.config::<IdleConfig>()?.ready_after;
        Ok(Idle { base, ready_after })
    }
}

impl Driver for Idle {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn started_check(&self) -> standin_entity::Result<Check> {
        // What becomes ready by itself at a time that it knows need not be asked again and again.
        std::thread::sleep(self.ready_after);
        Ok(Check::Ready)
    }
}

/// A folder for the directories of all runs. They stay until the figure is taken: a file system on
/// a disk is slower for a minute where directories have just been removed.
struct Folder {
    path: PathBuf,
    used: AtomicUsize,
}

impl Folder {
    /// Where runpaths are by default, or `TMPDIR` says.
    fn new() -> Outcome<Self> {
        Self::below(&std::env::temp_dir())
    }

    /// Where a directory costs next to nothing, for what is not about directories.
    fn in_memory() -> Outcome<Self> {
        Self::below(Path::new("/dev/shm")).or_else(|_| Self::new())
    }

    fn below(parent: &Path) -> Outcome<Self> {
        static FOLDERS: AtomicUsize = AtomicUsize::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("standin-bench-{}-{number}", std::process::id());
        let path = parent.join(name);
        fs::create_dir(&path)?;
        let used = AtomicUsize::new(0);
        Ok(Folder { path, used })
    }

    /// A directory for one run, not made yet.
    fn next(&self) -> PathBuf {
        let number = self.used.fetch_add(1, Ordering::Relaxed);
        self.path.join(number.to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A look into the temporary directory finds what is left.
        let _ = fs::remove_dir_all(&self.path);
    }
}
