//! The system under test is a real program: nginx, as a proxy between two
//! clients and two servers that stand in for its backends.
//!
//! nginx gets its port and its config file filled in, is ready when its log says
//! so, is found to balance, and ends with everything that it has started. Where
//! there is no nginx, a small proxy takes its place.
//!
//! Run it with `cargo run -p example-proxy`, and with the small proxy in any case
//! with `cargo run -p example-proxy -- own`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod balancer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use standin::process::{Listen, Process, ProcessBuilder, Signal};
use standin::{Environment, Error, Lifecycle, TcpClient, TcpServer, context};

const SOON: Duration = Duration::from_secs(10);

fn main() -> standin::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wants_own = match args.split_first() {
        Some((mode, addresses)) if mode == "balance" => {
            return balancer::run(addresses).map_err(Error::other);
        }
        Some((mode, _)) => mode == "own",
        None => false,
    };

    let mut env = Environment::new("proxy");
    let left = env.add(TcpServer::builder("left").host("127.0.0.1").build()?)?;
    let right = env.add(TcpServer::builder("right").host("127.0.0.1").build()?)?;
    let program = match find("nginx") {
        Some(nginx) if !wants_own => with_nginx(&nginx),
        Some(_) => with_balancer()?,
        None => {
            println!("There is no nginx here (Debian: apt-get install nginx libnginx-mod-stream).");
            println!("A small proxy takes its place.");
            with_balancer()?
        }
    };
    let proxy = env.add(
        program
            // A port that nobody else gets, known before the program starts.
            .listen([Listen::reserve("proxy").host("127.0.0.1")])
            .stderr_regexps([".*start worker process"])
            .stop_timeout(SOON)
            .build()?,
    )?;
    let clients = ["alice", "bob"].map(|name| {
        TcpClient::builder(name)
            .host(context("proxy", "{{ host }}"))
            .port(context("proxy", "{{ port }}"))
            .build()
    });
    let [alice, bob] = clients;
    let (alice, bob) = (env.add(alice?)?, env.add(bob?)?);

    let env = env.start()?; // stops everything when dropped
    println!(
        "The proxy runs: {}",
        proxy.command_line().unwrap_or_default()
    );

    // The backends are taken in turn, so each server gets one of the clients.
    alice.send_text("alice\n")?;
    bob.send_text("bob\n")?;
    let mut served = Vec::new();
    for server in [&left, &right] {
        let connection = server.accept_connection(SOON)?;
        let name = connection.receive_line_text()?;
        println!("  {} serves {name}", server.name());
        connection.send_text(format!("hello {name}, this is {}\n", server.name()))?;
        served.push(name);
    }
    for client in [&alice, &bob] {
        let answer = client.receive_line_text()?;
        println!("  {} hears {answer:?}", client.name());
        assert!(answer.starts_with(&format!("hello {}", client.name())));
    }
    served.sort();
    assert_eq!(served, ["alice", "bob"], "the proxy does not balance");

    println!("Who is connected to whom:\n{}", env.connections());
    env.stop()
        .map_err(Error::from)
        .inspect(|()| println!("The proxy has ended: {}", ended(&proxy)))
}

/// nginx in the foreground, with a config that is filled in when it starts.
fn with_nginx(nginx: &Path) -> ProcessBuilder {
    // Debian builds the stream module as a file of its own.
    let module = Path::new("/usr/lib/nginx/modules/ngx_stream_module.so");
    let load = match module.exists() {
        true => format!("load_module {};", module.display()),
        false => String::new(),
    };
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx.conf");
    Process::builder("proxy")
        .binary(nginx.display().to_string())
        .args([
            "-p",
            "{{ runpath }}",
            "-c",
            "etc/nginx.conf",
            "-e",
            "stderr",
            "-g",
        ])
        .arg(format!("daemon off; {load}"))
        .install_files([config])
        .stop_signal(Signal::Quit) // finishes its work and ends by itself
        .expected_retcode(0)
}

/// This program itself, as a proxy.
fn with_balancer() -> standin::Result<ProcessBuilder> {
    let own = std::env::current_exe().map_err(Error::other)?;
    Ok(Process::builder("proxy")
        .binary(own.display().to_string())
        .args([
            "balance",
            "{{ host }}:{{ port }}",
            "{{ context.left.host }}:{{ context.left.port }}",
            "{{ context.right.host }}:{{ context.right.port }}",
        ]))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps it in a folder that a user's PATH leaves out.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn ended(process: &Process) -> String {
    match process.exit() {
        Some(exit) => exit.to_string(),
        None => "it still runs".to_owned(),
    }
}
