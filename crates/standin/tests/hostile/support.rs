//! A process for each test, and the check of what it leaves.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use standin::child::Command;
use standin::socket::LeakCheck;
use standin::{Environment, Error, Result, RunningEnvironment, TcpServer, TcpServerConfig};

/// A bound for what should take no time at all: a hang is what it finds.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// How long to wait for what does not come.
pub(crate) const SHORT: Duration = Duration::from_millis(30);
/// How long a whole test may take; far beyond what the slowest machine needs.
const LIMIT: Duration = Duration::from_secs(300);

/// Set for the process that runs one test, and for all that it starts.
const MARK: &str = "STANDIN_HOSTILE";

/// Runs `body` in a process of its own, so that whatever is open, running or in
/// the file system at its end is its own doing: descriptors, threads, child
/// processes and their children, and runpaths in the default place. `body` gets
/// a folder for what it wants to keep.
#[track_caller]
pub(crate) fn alone<F: FnOnce(&Path) -> Result<()>>(body: F) {
    let name = name_of(&body);
    if std::env::var_os(MARK).is_some_and(|mark| mark.to_string_lossy().ends_with(&name)) {
        run(body);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let output = File::create(&log).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args([&name, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, format!("{}-{name}", std::process::id()))
        .env("TMPDIR", folder.path())
        .stderr(output.try_clone().unwrap())
        .stdout(output)
        .spawn()
        .unwrap();
    let exit = child.wait(None).unwrap();
    let log = fs::read_to_string(log).unwrap();
    assert!(
        exit.is_success(),
        "{name} in a process of its own: {exit}\n{log}"
    );
    assert!(
        log.contains("1 passed"),
        "{name} is not the name of one test:\n{log}"
    );
    print!("{log}");
}

/// The test that a closure is from: `peers::one_that_resets`.
fn name_of<F>(_body: &F) -> String {
    let path = std::any::type_name::<F>();
    let path = path.trim_end_matches("::{{closure}}");
    path.split_once("::")
        .map_or(path, |(_, name)| name)
        .to_owned()
}

fn run(body: impl FnOnce(&Path) -> Result<()>) {
    // Threads that are there before are not a leak; this one ends what hangs.
    let (done, ended) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if ended.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("it hangs: not done after {LIMIT:?}");
            std::process::abort();
        }
    });
    let folder = std::env::temp_dir().join("folder");
    fs::create_dir(&folder).unwrap();
    // Whatever gets away from those that started it shows up below this process.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let check = LeakCheck::new().unwrap();
    if let Err(error) = body(&folder) {
        panic!("{error:?}");
    }
    check.finish().unwrap();
    no_process_left();
    let runpaths = standin::entity::default_root().unwrap();
    assert!(
        !runpaths.exists(),
        "runpaths are left: {:?}",
        entries(&runpaths)
    );
    drop(done);
    watchdog.join().unwrap();
}

/// Checks that no process is there but this one that has this one's mark, no
/// matter whose child it is now, or that is below this one, whatever it has: who
/// loses its parent becomes a child of this one.
fn no_process_left() {
    let mark = format!("{MARK}={}", std::env::var(MARK).unwrap());
    let begin = Instant::now();
    loop {
        let numbers: Vec<u32> = entries(Path::new("/proc"))
            .iter()
            .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
            .filter(|number| *number != std::process::id())
            .collect();
        let parents: HashMap<u32, u32> = numbers
            .iter()
            .filter_map(|number| Some((*number, parent_of(*number)?)))
            .collect();
        let left: Vec<String> = numbers
            .into_iter()
            .filter(|number| {
                let path = format!("/proc/{number}/environ");
                let environment = fs::read(path).unwrap_or_default();
                let mut words = environment.split(|byte| *byte == 0);
                words.any(|word| word == mark.as_bytes()) || is_below(*number, &parents)
            })
            .map(|number| {
                let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
                let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                format!("{}: {line}", stat.chars().take(60).collect::<String>())
            })
            .collect();
        if left.is_empty() {
            return;
        }
        // Nothing reports when a process that is not a child of ours ends.
        assert!(begin.elapsed() < SOON, "processes are left: {left:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn parent_of(number: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{number}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    stat.rsplit(')')
        .next()?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

fn is_below(number: u32, parents: &HashMap<u32, u32>) -> bool {
    let line = std::iter::successors(Some(number), |number| parents.get(number).copied());
    // A list that is read while it changes may have a circle.
    line.take(1000).any(|number| number == std::process::id())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder);
    read.map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

/// An environment with one server.
pub(crate) fn one_server() -> Result<(RunningEnvironment, std::sync::Arc<TcpServer>)> {
    let mut env = Environment::new("hostile");
    let server = env.add(server("server").build()?)?;
    Ok((env.start()?, server))
}

pub(crate) fn server(name: &str) -> <TcpServerConfig as standin::config::Config>::Options {
    TcpServer::builder(name).host("127.0.0.1").timeout(SOON)
}

/// A connection to the server by plain means.
pub(crate) fn connect(server: &TcpServer) -> Result<std::net::TcpStream> {
    let port = server.port().ok_or_else(|| Error::msg("it has no port"))?;
    std::net::TcpStream::connect(("127.0.0.1", port)).map_err(Error::other)
}

/// An error as its user sees it.
pub(crate) fn told(error: impl Into<Error>) -> String {
    format!("{:?}", error.into())
}

/// Random numbers that can be repeated: from `STANDIN_SEED`, or from a new seed. The seed is
/// printed, which shows when the test fails.
pub(crate) fn random() -> fastrand::Rng {
    let given = std::env::var("STANDIN_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("the same again with STANDIN_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}
