//! Real servers that make daemons of themselves: they leave their parent, their group
//! and their session, and write their title over their environment.

use std::fs;
use std::net::TcpStream;
use std::path::Path;

use standin::process::ProcessBuilder;
use standin::{Driver, Lifecycle, Listen, Process, Readiness};

use crate::SOON;
use crate::program::find;

const ROUNDS: usize = 10;

/// How a test comes to the end of its processes.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Stop,
    Abort,
    Drop,
}

/// Starts the daemon again and again, ends it in each way, and looks for it.
#[track_caller]
fn nothing_is_left_of(daemon: impl Fn(&Path) -> ProcessBuilder) -> standin::Result<()> {
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("the system has a place for temporary files");
        let pidfile = folder.path().join("pid");
        let process = daemon(folder.path())
            .runpath(folder.path().join("daemon"))
            .timeout(SOON)
            .listen([Listen::reserve("port").host("127.0.0.1")])
            .ready([
                Readiness::file(pidfile.display().to_string()),
                Readiness::port_on("127.0.0.1", "{{ port }}"),
            ])
            .build()?;
        process.start()?;
        let pid = fs::read_to_string(&pidfile).expect("the daemon has written it");
        let port = process.port("port").expect("it was reserved");
        let proc = Path::new("/proc").join(pid.trim());
        assert!(proc.exists() && process.is_alive(), "round {round}");
        let ending = [Ending::Stop, Ending::Abort, Ending::Drop][round % 3];
        match ending {
            Ending::Stop => {
                process.stop()?;
                // The first process ended long ago.
                assert_eq!(process.retcode(), Some(0));
                assert_ne!(process.orphans(), [""; 0]);
            }
            Ending::Abort => process.abort()?,
            Ending::Drop => drop(process),
        }
        assert!(!proc.exists(), "round {round}, {ending:?}: {pid} is there");
        let connected = TcpStream::connect(("127.0.0.1", port));
        assert!(
            connected.is_err(),
            "round {round}, {ending:?}: somebody listens"
        );
    }
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn ends_a_redis_that_made_a_daemon_of_itself() -> standin::Result<()> {
    let Some(redis) = find("redis-server") else {
        return Ok(());
    };
    nothing_is_left_of(|folder| {
        Process::builder("redis")
            .binary(redis.display().to_string())
            .args([
                "--port",
                "{{ port }}",
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--daemonize",
                "yes",
                "--pidfile",
            ])
            .arg(folder.join("pid").display().to_string())
    })
}

#[test]
#[cfg(target_os = "linux")]
fn ends_an_nginx_that_made_a_daemon_of_itself() -> standin::Result<()> {
    let Some(nginx) = find("nginx") else {
        return Ok(());
    };
    nothing_is_left_of(|folder| {
        let conf = folder.join("nginx.conf");
        let text = format!(
            "daemon on; worker_processes 2; pid {0}/pid; error_log {0}/error.log;\n\
             events {{}}\n\
             http {{ access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p;\n\
             fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;\n\
             server {{ listen 127.0.0.1:{{{{ port }}}}; return 204; }} }}\n",
            folder.display()
        );
        fs::write(&conf, text).expect("the folder is ours");
        Process::builder("nginx")
            .install_files([conf])
            .binary(nginx.display().to_string())
            .args(["-c", "{{ etcpath }}/nginx.conf"])
    })
}
