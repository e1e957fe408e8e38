//! Ports that a process listens on.

use std::net::TcpListener;

use test_port::TestPort;

use super::*;

#[test]
fn two_ports_of_one_name_are_refused() {
    let folder = folder();
    let built = shell(folder.path(), "")
        .listen([
            Listen::reserve("a"),
            Listen::hand_over("b"),
            Listen::reserve("a"),
        ])
        .build();
    let report = report(built.unwrap_err());
    assert!(
        report.contains("option \"listen[2].name\" is \"a\", but another one has"),
        "{report}"
    );
}

#[test]
#[cfg(unix)]
fn a_bound_socket_is_handed_over() {
    use std::io::Read;
    use std::net::TcpStream;
    let folder = folder();
    let script = r#"
import os, socket
assert int(os.environ["LISTEN_PID"]) == os.getpid()
assert os.environ["LISTEN_FDNAMES"] == "http:admin"
for fd in range(3, 3 + int(os.environ["LISTEN_FDS"])):
    connection, _ = socket.socket(fileno=fd).accept()
    connection.sendall(b"%d" % fd)
    connection.close()
"#;
    let python = standin_child::Command::new("python3")
        .arg("--version")
        .spawn();
    let Ok(_) = python else {
        eprintln!("without python3 there is nobody to hand it over to");
        return;
    };
    let conf = folder.path().join("app.conf");
    fs::write(&conf, "listen {{ ports.http }};").unwrap();
    let app = Process::builder("app")
        .runpath(folder.path().join("app"))
        .install_files([conf])
        .binary("python3")
        .args(["-c", script, "{{ port }}", "{{ ports.admin }}"])
        .listen([
            Listen::hand_over("http"),
            Listen::hand_over("admin").host("127.0.0.1"),
        ])
        .build()
        .unwrap();
    app.start().unwrap();
    let installed = fs::read_to_string(folder.path().join("app/etc/app.conf")).unwrap();
    assert_eq!(installed, format!("listen {};", app.port("http").unwrap()));
    for (name, expected) in [("http", "3"), ("admin", "4")] {
        let mut peer = TcpStream::connect(("localhost", app.port(name).unwrap())).unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, expected);
        if cfg!(target_os = "linux") && name == "http" {
            let infos = app.connections();
            let admin = format!("tcp://{}", app.port("admin").unwrap());
            assert!(
                infos.iter().any(|info| info.connection_rep() == admin),
                "{infos:?}"
            );
        }
    }
    let ports = [app.port("http").unwrap(), app.port("admin").unwrap()];
    let line = app.command_line().unwrap();
    assert!(
        line.ends_with(&format!(" {} {}", ports[0], ports[1])),
        "{line}"
    );
    assert_eq!(app.wait_for_exit(SOON).unwrap(), Exit::Code(0));
    app.stop().unwrap();
}

#[test]
fn a_reserved_port_is_published_before_the_start() {
    let folder = folder();
    let app = shell(folder.path(), "echo port {{ ports.http }}; read line")
        .listen([Listen::reserve("http")])
        .log_regexps([r"port (?<port>\d+)"])
        .build()
        .unwrap();
    app.start().unwrap();
    assert_eq!(
        app.base().extract("port"),
        app.port("http").map(|port| port.to_string())
    );
    is_free_soon(("localhost", app.port("http").unwrap()));
    app.stop().unwrap();
}

#[test]
fn a_port_that_is_taken_fails_the_start() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let app = shell(folder.path(), "")
        .listen([Listen::hand_over("http").host("127.0.0.1").port(port)])
        .build()
        .unwrap();
    let report = report(app.start().unwrap_err());
    assert!(
        report.contains(&format!(
            "cannot listen on 127.0.0.1:{port} for it, as \"http\""
        )),
        "{report}"
    );
}

#[test]
fn a_unix_socket_has_no_port() {
    for host in ["unix:/tmp/app.sock", "unix:@app", "unix:"] {
        for listen in [Listen::hand_over("http"), Listen::reserve("http")] {
            let folder = folder();
            let app = shell(folder.path(), "")
                .listen([listen.host(host)])
                .build()
                .unwrap();
            let report = report(app.start().unwrap_err());
            assert!(report.contains("a Unix socket has no port"), "{report}");
        }
    }
}

#[test]
fn a_port_that_is_taken_on_another_address_of_the_name_fails_the_start() {
    let taken = TestPort::claim();
    let Ok(_stranger) = TcpListener::bind(("::1", taken.number())) else {
        eprintln!("without IPv6 `localhost` is one address");
        return;
    };
    for listen in [Listen::hand_over("http"), Listen::reserve("http")] {
        let folder = folder();
        let app = shell(folder.path(), "read line")
            .listen([listen.port(taken.number())])
            .build()
            .unwrap();
        let report = report(app.start().unwrap_err());
        assert!(report.contains("cannot listen on localhost:"), "{report}");
        assert!(report.contains("the address is in use"), "{report}");
    }
}

#[test]
#[cfg(unix)]
fn a_port_that_is_handed_over_is_the_processs_on_every_address_while_it_runs() {
    let folder = folder();
    let port = TestPort::claim();
    let app = shell(folder.path(), "read line")
        .listen([Listen::hand_over("http").port(port.number())])
        .build()
        .unwrap();
    if TcpListener::bind(("::1", 0)).is_err() {
        eprintln!("without IPv6 `localhost` is one address");
        return;
    }
    app.start().unwrap();
    let address = ("::1", port.number());
    let error = TcpListener::bind(address).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    app.stop().unwrap();
    is_free_soon(address);
}

/// A program that another test starts just then has the socket until it has closed what it does
/// not inherit.
#[track_caller]
fn is_free_soon(address: (&str, u16)) {
    eventually(|| TcpListener::bind(address).is_ok());
}
