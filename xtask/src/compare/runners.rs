//! Redis, nginx and `true` with programs that bring servers up around a command: `standin run`,
//! process-compose where it is installed, and start-server-and-test, which npm installs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::responders::free_port;
use crate::bench::{Outcome, command::built, command::millis, measure::median};
use crate::workspace::target_folder;

/// The variable that names process-compose, if that is not in `PATH`.
const PROCESS_COMPOSE: &str = "STANDIN_BENCH_PROCESS_COMPOSE";
const START_SERVER: &str = "start-server-and-test";

const ROUNDS: usize = 7;

/// A program with its arguments.
type Line = Vec<String>;

/// Has all of them do it, in turn, and prints how long the whole took.
pub(super) fn run() -> Outcome<()> {
    for program in ["redis-server", "nginx"] {
        if !is_installed(program) {
            say!("{program} is not installed: nobody was asked to bring it up");
            return Ok(());
        }
    }
    let folder = tempfile::tempdir()?;
    let servers = Servers::write(folder.path())?;
    let mut runners = vec![("standin run", servers.standin(&built()?)?)];
    let compose = std::env::var(PROCESS_COMPOSE).unwrap_or_else(|_| "process-compose".to_owned());
    if is_installed(&compose) {
        runners.push(("process-compose", servers.process_compose(compose)?));
    } else {
        say!("process-compose is not installed; {PROCESS_COMPOSE} can name its program");
    }
    match start_server_and_test() {
        Some(program) => runners.push((START_SERVER, servers.start_server_and_test(&program))),
        None => say!("{START_SERVER} cannot be installed with npm"),
    }
    let mut times = vec![Vec::new(); runners.len()];
    for round in 0..=ROUNDS {
        for ((_, line), times) in runners.iter().zip(&mut times) {
            let mut command = command(&line[0]);
            command.args(&line[1..]).current_dir(folder.path());
            let took = millis(&mut command)?;
            // The first is for warming up.
            if round > 0 {
                times.push(took);
            }
        }
    }
    say!("{:<22} {:>12} {:>9}   of", "ms", "whole run", "ratio");
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    for ((who, _), millis) in runners.iter().zip(&medians) {
        let ratio = millis / medians[0];
        say!("{who:<22} {millis:>12.1} {ratio:>9.1}   redis and nginx up, `true`, both down");
    }
    if medians[1..].iter().any(|theirs| *theirs < medians[0]) {
        return Err("standin is not the fastest".into());
    }
    Ok(())
}

/// Redis and nginx as all of them start them.
struct Servers {
    folder: PathBuf,
    redis: Line,
    redis_port: u16,
    nginx: Line,
    nginx_port: u16,
}

impl Servers {
    /// Writes their configuration.
    fn write(folder: &Path) -> Outcome<Self> {
        let (redis_port, nginx_port) = (free_port()?, free_port()?);
        let place = folder.display();
        let redis = format!("bind 127.0.0.1\nport {redis_port}\ndir {place}\nsave \"\"\n");
        fs::write(folder.join("redis.conf"), redis)?;
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let paths = paths.map(|name| format!("{name}_temp_path {place}/{name};\n"));
        let nginx = format!(
            "daemon off;\npid {place}/nginx.pid;\nerror_log {place}/error.log;\nevents {{}}\n\
             http {{\naccess_log off;\n{}server {{\nlisten 127.0.0.1:{nginx_port};\n\
             return 200 up;\n}}\n}}\n",
            paths.concat()
        );
        fs::write(folder.join("nginx.conf"), nginx)?;
        let line = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Ok(Self {
            folder: folder.to_owned(),
            redis: line(&["redis-server", &format!("{place}/redis.conf")]),
            redis_port,
            nginx: line(&["nginx", "-p", &place.to_string(), "-c", "nginx.conf"]),
            nginx_port,
        })
    }

    fn file(&self, name: &str, text: &str) -> Outcome<String> {
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    fn standin(&self, program: &Path) -> Outcome<Line> {
        let driver = |name: &str, line: &Line, port: u16| {
            let (binary, arguments) = (&line[0], &line[1..]);
            format!(
                "[[driver]]\ntype = \"process\"\nname = \"{name}\"\nbinary = \"{binary}\"\n\
                 args = {arguments:?}\nready = [{{ port = {port} }}]\n"
            )
        };
        let text = format!(
            "name = \"web\"\nconcurrent = true\n{}{}",
            driver("redis", &self.redis, self.redis_port),
            driver("nginx", &self.nginx, self.nginx_port)
        );
        let file = self.file("environment.toml", &text)?;
        let program = program.display().to_string();
        Ok([&program, "run", "--quiet", &file, "--", "true"]
            .map(str::to_owned)
            .into())
    }

    fn process_compose(&self, program: String) -> Outcome<Line> {
        let server = |name: &str, line: &Line, probe: &str| {
            format!(
                "  {name}:\n    command: {:?}\n    readiness_probe:\n      {probe}\n      \
                 initial_delay_seconds: 0\n      period_seconds: 1\n",
                line.join(" ")
            )
        };
        let redis = format!(
            "exec: {{ command: \"redis-cli -p {} ping\" }}",
            self.redis_port
        );
        let nginx = format!("http_get: {{ host: 127.0.0.1, port: {} }}", self.nginx_port);
        let text = format!(
            "version: \"0.5\"\nprocesses:\n{}{}  test:\n    command: \"true\"\n    availability:\n      \
             exit_on_end: true\n    depends_on:\n      redis: {{ condition: process_healthy }}\n      \
             nginx: {{ condition: process_healthy }}\n",
            server("redis", &self.redis, &redis),
            server("nginx", &self.nginx, &nginx)
        );
        let file = self.file("process-compose.yaml", &text)?;
        let words = [&program, "up", "--tui=false", "--no-server", "-f", &file];
        Ok(words.map(str::to_owned).into())
    }

    fn start_server_and_test(&self, program: &Path) -> Line {
        vec![
            program.display().to_string(),
            self.redis.join(" "),
            format!("tcp:127.0.0.1:{}", self.redis_port),
            self.nginx.join(" "),
            format!("http://127.0.0.1:{}", self.nginx_port),
            "true".to_owned(),
        ]
    }
}

/// The program of that name, wherever Debian has it.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"));
    command
}

fn is_installed(program: &str) -> bool {
    // What each of them understands without doing anything.
    let argument = match program {
        "nginx" => "-v",
        "redis-server" => "--version",
        _ => "version",
    };
    runs(command(program).arg(argument))
}

/// Where start-server-and-test is, installed unless it is; `None` if it cannot be.
fn start_server_and_test() -> Option<PathBuf> {
    let folder = target_folder().join("compare");
    let program = folder.join("node_modules/.bin").join(START_SERVER);
    if !program.exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--prefix"]);
        runs(npm.arg(&folder).arg(START_SERVER));
    }
    program.exists().then_some(program)
}

fn runs(command: &mut Command) -> bool {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
