//! What a running process has open, read from the real `/proc`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of a test fail the test")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use standin_connection::{
    ConnectionExtractor, ConnectionGraph, ConnectionInfo, ConnectionSource, Direction,
    ExtractError, FileAccess, FileRow, Identifier, ProcessError, ProcessFiles, ProcessScope,
    ProcessSockets, ProcessState, SocketRow, SocketState, Transport, open_files, open_sockets,
};

#[test]
fn finds_both_ends_of_a_connection_of_this_process() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server_address = listener.local_addr().unwrap();
    let client = TcpStream::connect(server_address).unwrap();
    let client_address = client.local_addr().unwrap();
    let _accepted = listener.accept().unwrap();

    let infos = extract_from_this_process();
    let of = |direction, address| {
        let mut infos = infos.iter();
        infos.find(|info: &&ConnectionInfo| {
            info.direction() == direction && info.ends().iter().any(|e| e.local() == address)
        })
    };
    let server = of(Direction::Listening, server_address).unwrap();
    let client = of(Direction::Connecting, client_address).unwrap();
    assert!(server.ends()[0].mirrors(&client.ends()[0]));
    assert_eq!(server.connection_rep(), client.connection_rep());

    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add("server", server.clone());
    graph.add("client", client.clone());
    let connected = graph.connected("client", "server").unwrap();
    connected.and_nobody_else().unwrap();
}

#[test]
fn sees_an_ipv4_client_of_a_dual_stack_server() {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) else {
        eprintln!("skipped: this machine has no IPv6");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let _accepted = listener.accept().unwrap();
    let infos = extract_from_this_process();
    let server = infos.iter().find(|info| info.port() == Some(port)).unwrap();
    assert_eq!(server.host(), Some("127.0.0.1"));
    assert_eq!(server.ends()[0].peer(), client.local_addr().unwrap());
}

#[test]
fn tells_udp_sockets_that_wait_from_those_that_have_a_peer() {
    let waiting = UdpSocket::bind("127.0.0.1:0").unwrap();
    let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
    connected.connect(waiting.local_addr().unwrap()).unwrap();
    let infos = extract_from_this_process();
    let direction_of = |socket: &UdpSocket| {
        let port = socket.local_addr().unwrap().port();
        let mut infos = infos.iter().filter(|i| i.protocol().as_str() == "udp");
        let info = infos.find(|info| info.port() == Some(port)).unwrap();
        (info.direction(), info.identifier().cloned())
    };
    let port = waiting.local_addr().unwrap().port();
    let identifier = Some(Identifier::Port(port));
    assert_eq!(
        direction_of(&waiting),
        (Direction::Listening, identifier.clone())
    );
    assert_eq!(
        direction_of(&connected),
        (Direction::Connecting, identifier)
    );
}

#[test]
fn lists_a_listener_without_connections_as_a_row_only() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let rows = open_sockets(std::process::id(), ProcessScope::Alone).unwrap();
    assert!(rows.contains(&SocketRow {
        transport: Transport::Tcp,
        state: SocketState::Listen,
        local: Some(listener.local_addr().unwrap()),
        peer: None,
    }));
}

#[test]
fn finds_the_files_of_a_process_and_of_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let input = folder.join("input");
    std::fs::write(&input, "").unwrap();
    // The shell reads one file, a child that it waits for writes another.
    let shell = start(
        Command::new("sh")
            .args([
                "-c",
                "exec 3<input; (exec 3<&- 4>output; echo ready; cat); true",
            ])
            .current_dir(&folder),
    );
    let files = |scope| {
        let mut files = open_files(shell.child.id(), scope).unwrap();
        files.retain(|file| file.path.starts_with(&folder));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup();
        files
    };
    let row = |path: &Path, access| FileRow {
        path: path.to_owned(),
        access,
    };
    assert_eq!(files(ProcessScope::Alone), [row(&input, FileAccess::Read)]);
    assert_eq!(
        files(ProcessScope::Tree),
        [
            row(&input, FileAccess::Read),
            row(&folder.join("output"), FileAccess::Write),
        ]
    );

    let source = Subject(ProcessState::Running(shell.child.id()));
    let infos = ProcessFiles::new().extract(&source).unwrap();
    assert!(infos.contains(&ConnectionInfo::file_read(&input)));
    let infos = ProcessFiles::new().ignore(["input"]).extract(&source);
    assert!(!infos.unwrap().contains(&ConnectionInfo::file_read(&input)));
}

#[test]
fn a_file_is_ignored_by_the_end_of_its_path() {
    let row = FileRow {
        path: "/tmp/app/log/app.log".into(),
        access: FileAccess::Write,
    };
    let is_ignored = |name: &str| {
        let files = ProcessFiles::new().ignore([name]);
        files.connections(std::slice::from_ref(&row)).is_empty()
    };
    for name in [
        "app.log",
        "log/app.log",
        "./log/app.log",
        "/tmp/app/log/app.log",
    ] {
        assert!(is_ignored(name), "{name}");
    }
    for name in ["pp.log", "other/app.log", "log", "/log/app.log"] {
        assert!(!is_ignored(name), "{name}");
    }
}

#[test]
fn a_file_that_is_open_several_times_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let path = folder.join("file");
    let writers: Vec<File> = (0..3).map(|_| File::create(&path).unwrap()).collect();
    let reader = File::open(&path).unwrap();
    let _copy = reader.try_clone().unwrap();
    let mut files = open_files(std::process::id(), ProcessScope::Alone).unwrap();
    files.retain(|file| file.path == path);
    files.sort_by_key(|file| file.access == FileAccess::Write);
    let accesses: Vec<_> = files.iter().map(|file| file.access).collect();
    assert_eq!(accesses, [FileAccess::Read, FileAccess::Write]);
    drop(writers);
}

#[test]
fn leaves_out_files_that_were_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let path = folder.join("deleted");
    let file = File::create(&path).unwrap();
    let has_it = || {
        let files = open_files(std::process::id(), ProcessScope::Alone).unwrap();
        files.iter().any(|file| file.path.starts_with(&folder))
    };
    assert!(has_it());
    std::fs::remove_file(&path).unwrap();
    assert!(!has_it());
    drop(file);
}

#[test]
fn survives_children_that_end_while_they_are_read() {
    let script = "echo ready; while :; do (:) & (:) & (:); wait; done";
    let shell = start(Command::new("sh").args(["-c", script]));
    let pid = shell.child.id();
    for _ in 0..50 {
        open_sockets(pid, ProcessScope::Tree).unwrap();
        open_files(pid, ProcessScope::Tree).unwrap();
    }
}

#[test]
fn a_process_that_has_ended_has_no_connections() {
    let mut started = start(Command::new("sh").args(["-c", "echo ready; cat"]));
    drop(started.child.stdin.take());
    let pid = started.child.id();
    // Ended, but not waited for: a zombie has nothing open.
    let mut rest = String::new();
    started.output.read_line(&mut rest).unwrap();
    let source = Subject(ProcessState::Running(pid));
    assert_eq!(ProcessSockets::new().extract(&source).unwrap(), []);
    // Fails where the tests were started with SIGCHLD ignored, after the end anyway.
    let _ = started.child.wait();
    assert_eq!(ProcessSockets::new().extract(&source).unwrap(), []);
    assert_eq!(ProcessFiles::new().extract(&source).unwrap(), []);
    match open_sockets(pid, ProcessScope::Tree) {
        Err(ProcessError::NotFound { pid: named }) => assert_eq!(named, pid),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_process_that_does_not_run_has_no_connections() {
    let source = Subject(ProcessState::NotRunning);
    assert_eq!(ProcessSockets::new().extract(&source).unwrap(), []);
    assert_eq!(ProcessFiles::new().extract(&source).unwrap(), []);
}

#[test]
fn a_driver_that_runs_no_process_is_an_error() {
    let source = Subject(ProcessState::NoProcess);
    match ProcessFiles::new().extract(&source) {
        Err(error @ ExtractError::NoProcess { .. }) => assert_eq!(
            error.to_string(),
            "driver subject has no process whose connections can be read"
        ),
        other => panic!("{other:?}"),
    }
}

struct Subject(ProcessState);

impl ConnectionSource for Subject {
    fn name(&self) -> &str {
        "subject"
    }

    fn process(&self) -> ProcessState {
        self.0
    }
}

fn extract_from_this_process() -> Vec<ConnectionInfo> {
    let this = Subject(ProcessState::Running(std::process::id()));
    let extractor = ProcessSockets::new().scope(ProcessScope::Alone);
    extractor.extract(&this).unwrap()
}

/// A child that has said that it is ready, and ends with the test.
struct Started {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

fn start(command: &mut Command) -> Started {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    Started { child, output }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Its child ends too: both read from a pipe that closes here.
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_row_is_taken_as_it_is() {
    // Sockets never have port 0; code that makes rows may.
    let row = |state, peer: Option<&str>| SocketRow {
        transport: Transport::Tcp,
        state,
        local: "127.0.0.1:0".parse().ok(),
        peer: peer.and_then(|peer| peer.parse().ok()),
    };
    let rows = [
        row(SocketState::Listen, None),
        row(SocketState::Established, Some("127.0.0.1:1")),
    ];
    assert_eq!(ProcessSockets::new().connections(&rows).len(), 1);
}

#[test]
fn a_half_closed_socket_is_reported_as_such() {
    let row = SocketRow {
        transport: Transport::Tcp,
        state: SocketState::HalfClosed,
        local: "127.0.0.1:5000".parse().ok(),
        peer: "127.0.0.1:80".parse().ok(),
    };
    let infos = ProcessSockets::new().connections(&[row]);
    assert!(infos[0].ends()[0].is_half_closed());
}
