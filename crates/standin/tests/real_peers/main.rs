//! The drivers against real programs, not only against each other.
//!
//! Each test runs where its program is found and says loudly where it is not.
//! With `STANDIN_REQUIRE_PEERS` set a missing program is a failure.

#![allow(
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub,
    reason = "what cannot be in a test fails it, and says why"
)]

mod daemons;
mod program;

use std::process::Command;
use std::time::Duration;

use standin::{Environment, TcpClient, TcpServer};
use test_port::TestPort;

use crate::program::{Program, find};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn answers_curl() -> standin::Result<()> {
    let Some(curl) = find("curl") else {
        return Ok(());
    };
    let mut env = Environment::new("curl");
    let server = env.add(TcpServer::builder("web").build()?)?;
    let _env = env.start()?;
    let port = server.port().expect("a started server has a port");

    let url = format!("http://localhost:{port}/greeting?name=world");
    let mut command = Command::new(curl);
    command
        .args(["--silent", "--show-error", "--noproxy", "*"])
        .args(["--max-time", "20", "--dump-header", "-", &url]);
    let mut curl = Program::spawn("curl", &mut command);

    let connection = server.accept_connection(SOON)?;
    let request = connection.with_timeout(SOON).receive_until(b"\r\n\r\n")?;
    let request = String::from_utf8_lossy(&request).into_owned();
    assert!(
        request.starts_with("GET /greeting?name=world HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("\r\nUser-Agent: curl/"), "{request}");
    connection.send_text(
        "HTTP/1.1 200 OK\r\nX-Written-By: a test\r\nContent-Length: 12\r\n\r\nhello, world",
    )?;

    // One line after the other, as curl prints them.
    for expected in ["HTTP/1.1 200 OK", "X-Written-By: a test", "hello, world"] {
        assert!(curl.wait_for(expected).is_some(), "{expected}");
    }
    Ok(())
}

#[test]
fn asks_pythons_http_server() -> standin::Result<()> {
    let Some(python) = find("python3") else {
        return Ok(());
    };
    let folder = tempfile::tempdir().expect("the system has a place for temporary files");
    std::fs::write(folder.path().join("hello.txt"), "hello from a file\n")
        .expect("the folder is ours");
    let mut command = Command::new(python);
    command
        .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"])
        .current_dir(folder.path());
    let mut python = Program::spawn("python3", &mut command);
    let line = python
        .wait_for("Serving HTTP on 127.0.0.1 port ")
        .expect("http.server says where it serves");
    let port: String = line
        .split(" port ")
        .nth(1)
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();

    let mut env = Environment::new("http.server");
    // A port may be given as text.
    let client = env.add(
        TcpClient::builder("browser")
            .host("127.0.0.1")
            .port(port)
            .build()?,
    )?;
    let _env = env.start()?;
    client.send_text("GET /hello.txt HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let response = client.connection()?.with_timeout(SOON).receive_to_end()?;
    let response = String::from_utf8_lossy(&response).into_owned();
    assert!(response.starts_with("HTTP/1.0 200 OK\r\n"), "{response}");
    assert!(
        response.ends_with("\r\n\r\nhello from a file\n"),
        "{response}"
    );
    Ok(())
}

#[test]
fn talks_to_redis() -> standin::Result<()> {
    let Some(redis) = find("redis-server") else {
        return Ok(());
    };
    let folder = tempfile::tempdir().expect("the system has a place for temporary files");
    let port = TestPort::claim();
    let mut command = Command::new(&redis);
    command
        .args(["--port", &port.number().to_string()])
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .current_dir(folder.path());
    let mut redis = Program::spawn("redis-server", &mut command);
    let ready = redis.wait_for("Ready to accept connections");
    assert!(ready.is_some(), "it has ended; its output is above");

    let mut env = Environment::new("redis");
    let client = env.add(
        TcpClient::builder("client")
            .host("127.0.0.1")
            .port(port.number())
            .build()?,
    )?;
    let _env = env.start()?;
    let connection = client.connection()?;
    let answers = [
        ("PING\r\n", "+PONG\r\n"),
        ("SET colour green\r\n", "+OK\r\n"),
        ("GET colour\r\n", "$5\r\ngreen\r\n"),
    ];
    for (command, answer) in answers {
        connection.send_text(command)?;
        assert_eq!(
            connection.receive_exactly_text(answer.len())?,
            answer,
            "to {command:?}"
        );
    }
    Ok(())
}

#[test]
fn is_reached_through_nginx() -> standin::Result<()> {
    let Some(nginx) = find("nginx") else {
        return Ok(());
    };
    let mut env = Environment::new("nginx");
    let upstream = env.add(TcpServer::builder("upstream").host("127.0.0.1").build()?)?;
    let _upstream = env.start()?;
    let upstream_port = upstream.port().expect("a started server has a port");

    let folder = tempfile::tempdir().expect("the system has a place for temporary files");
    let config = folder.path().join("nginx.conf");
    let claim = TestPort::claim();
    let port = claim.number();
    // Debian builds the stream module as a file of its own.
    let module = "/usr/lib/nginx/modules/ngx_stream_module.so";
    let load = if std::path::Path::new(module).exists() {
        format!("load_module {module};")
    } else {
        String::new()
    };
    let text = format!(
        "{load} daemon off; pid nginx.pid; error_log stderr notice; worker_processes 1;\n\
         events {{}}\n\
         stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{upstream_port}; }} }}\n"
    );
    std::fs::write(&config, text).expect("the folder is ours");
    let mut command = Command::new(&nginx);
    command
        .arg("-p")
        .arg(folder.path())
        .arg("-c")
        .arg(&config)
        .args(["-e", "stderr"]);
    let mut nginx = Program::spawn("nginx", &mut command);
    let ready = nginx.wait_for("start worker process ");
    assert!(ready.is_some(), "it has ended; its output is above");

    let mut env = Environment::new("nginx's client");
    let client = env.add(
        TcpClient::builder("client")
            .host("127.0.0.1")
            .port(port)
            .build()?,
    )?;
    let _client = env.start()?;
    client.send_text("through the proxy")?;
    upstream.accept_connection(SOON)?;
    assert_eq!(upstream.receive_exactly_text(17)?, "through the proxy");
    upstream.send_text("and back")?;
    assert_eq!(client.receive_exactly_text(8)?, "and back");
    client.close();
    let rest = upstream.receive_to_end()?;
    assert_eq!(
        rest, b"",
        "the end of the stream goes through the proxy, too"
    );
    Ok(())
}
