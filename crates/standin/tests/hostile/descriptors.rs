//! No more descriptors: errors say so, and afterwards everything works again.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

use rlimit::Resource;
use standin::process::Process;
use standin::socket::AcceptError;
use standin::{Driver, Environment, Error, TcpClient, context};

use crate::support::{SOON, alone, one_server, server, told};

/// Allows only `more` descriptors above those that are open, while `body` runs.
fn with_room_for<T>(more: u64, body: impl FnOnce() -> T) -> standin::Result<T> {
    let (soft, hard) = Resource::NOFILE.get().map_err(Error::other)?;
    let open: BTreeSet<u64> = fs::read_dir("/proc/self/fd")
        .map_err(Error::other)?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    // The limit is on numbers: those below it that are free count, and some that
    // are taken may lie far above. `open` has the folder just read, which was
    // the lowest free one and is free again.
    let lowest = fs::File::open("/dev/null").map_err(Error::other)?;
    let lowest = u64::try_from(lowest.as_raw_fd()).map_err(Error::other)?;
    let mut free = (lowest + 1..).filter(|number| !open.contains(number));
    let limit = match more.checked_sub(1) {
        Some(others) => free.nth(others as usize).unwrap_or(soft),
        None => lowest,
    };
    Resource::NOFILE.set(limit, hard).map_err(Error::other)?;
    let result = body();
    Resource::NOFILE.set(soft, hard).map_err(Error::other)?;
    Ok(result)
}

#[test]
fn a_start_that_runs_out_of_them_gives_back_those_it_has() {
    alone(|folder| {
        let mut failed = 0;
        for more in 0..16 {
            let mut env = Environment::builder("poor")
                .runpath(folder.join(more.to_string()))
                .build()?;
            env.add(server("server").build()?)?;
            for number in 0..3 {
                env.add(
                    TcpClient::builder(format!("client-{number}"))
                        .host(context("server", "{{ host }}"))
                        .port(context("server", "{{ port }}"))
                        .timeout(SOON)
                        .build()?,
                )?;
            }
            env.add(
                Process::builder("app")
                    .timeout(SOON)
                    .binary("sh")
                    .args(["-c", "echo ready; sleep 1000"])
                    .stdout_regexps(["ready"])
                    .build()?,
            )?;
            match with_room_for(more, || env.start())? {
                Err(error) => {
                    let told = told(error).to_lowercase();
                    assert!(
                        told.contains("too many open files"),
                        "room for {more}: {told}"
                    );
                    failed += 1;
                }
                Ok(env) => drop(env.stop()),
            }
        }
        assert!(failed > 3, "only {failed} of them ran out");
        Ok(())
    });
}

#[test]
fn a_server_without_them_keeps_its_queue_until_there_are_some() {
    alone(|_| {
        let (env, server) = one_server()?;
        let port = server.port().unwrap_or_default();
        let peers: Vec<TcpStream> = (0..3)
            .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
            .collect();
        let first = server.accept_connection(SOON)?;
        let refused = with_room_for(0, || server.socket().map(|socket| socket.accept(SOON)))??;
        match refused {
            Err(AcceptError::Io { source, .. }) => {
                assert_eq!(source.raw_os_error(), Some(24), "{source}");
            }
            // The server may have taken them from the system's queue before.
            Ok(connection) => connection.close(),
            Err(other) => return Err(other.into()),
        }
        first.send("still there")?;
        while server.socket()?.accepted() < 3 {
            server.accept_connection(SOON)?;
        }
        drop(peers);
        env.stop()?;
        Ok(())
    });
}

#[test]
fn a_stop_needs_none() {
    alone(|folder| {
        let mut env = Environment::builder("poor").runpath(folder).build()?;
        let server = env.add(server("server").build()?)?;
        let process = env.add(
            Process::builder("app")
                .timeout(SOON)
                .binary("sh")
                .args(["-c", "echo ready; sleep 1000"])
                .stdout_regexps(["ready"])
                .build()?,
        )?;
        let env = env.start()?;
        // It may complain about what it cannot look at; it has to end.
        let _ = with_room_for(0, || env.stop())?;
        assert!(server.accept_connection(SOON).is_err());
        assert_eq!(process.pid(), None);
        assert!(!process.is_alive());
        Ok(())
    });
}
