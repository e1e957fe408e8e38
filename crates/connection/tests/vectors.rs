//! The recorded behaviour of the reference: `vectors/connection.json`.
//!
//! `vectors/notes.json` lists the vectors that need drivers, which run with
//! them, and those where we deliberately do something else, with the reason.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of a test fail the test"
)]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use standin_connection::{
    ConnectionExtractor, ConnectionGraph, ConnectionGroup, ConnectionInfo, ConnectionSource,
    Direction, ExtractError, FileAccess, FileRow, GroupMember, Identifier, ProcessFiles,
    ProcessSockets, ProcessState, SocketRow, SocketState, Transport,
};

#[test]
fn behaves_as_recorded() {
    let recorded: Value = serde_json::from_str(include_str!("vectors/connection.json")).unwrap();
    let notes: Value = serde_json::from_str(include_str!("vectors/notes.json")).unwrap();
    let mut failures = Vec::new();
    let mut ran = 0;
    let vectors = recorded["vectors"].as_array().unwrap();
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        if notes["run_elsewhere"].get(id).is_some() {
            continue;
        }
        ran += 1;
        let mut graph = None;
        for (place, step) in vector["steps"].as_array().unwrap().iter().enumerate() {
            let different = &notes["different"][id];
            let expected = if different["step"] == json!(place) {
                assert!(different["reason"].is_string(), "{id} needs a reason");
                &different["expect"]
            } else {
                step.get("correct").unwrap_or(&step["expect"])
            };
            let actual = run(step, &mut graph);
            if actual != *expected {
                failures.push(format!(
                    "{id}, step {place} ({})\n  expected {expected}\n  got      {actual}",
                    vector["title"]
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let elsewhere = notes["run_elsewhere"].as_object().unwrap().len();
    assert_eq!(ran + elsewhere, vectors.len());
}

/// Does one step and answers in the vectors' terms.
fn run(step: &Value, graph: &mut Option<ConnectionGraph>) -> Value {
    let args = &step["args"];
    match step["op"].as_str().unwrap() {
        "conn.rep" => json!({ "ok": info(&args["info"]).connection_rep() }),
        "conn.group_add" => json!({ "ok": add_to_group(args) }),
        "graph.new" => {
            let names = args["drivers"].as_array().unwrap();
            let names = names.iter().map(|name| name.as_str().unwrap());
            *graph = Some(ConnectionGraph::new(names));
            json!({ "ok": { "$obj": "DriverConnectionGraph" } })
        }
        "graph.add" => {
            let driver = args["driver"].as_str().unwrap();
            let graph = graph.as_mut().unwrap();
            graph.add(driver, info(&args["info"]));
            json!({ "ok": null })
        }
        "graph.build" => json!({ "ok": sorted(graph.as_ref().unwrap()) }),
        "extract.ports" => answer(extract_ports(args)),
        "extract.ports_real_pid_none" => {
            json!({ "ok": { "own_process_listening_reported": own_process_is_reported() } })
        }
        "extract.files" => answer(extract_files(args)),
        other => panic!("unknown operation {other}"),
    }
}

fn answer(result: Result<Value, &'static str>) -> Value {
    match result {
        Ok(value) => json!({ "ok": value }),
        Err(category) => json!({ "error": { "category": category } }),
    }
}

fn info(recorded: &Value) -> ConnectionInfo {
    let direction = match recorded["direction"].as_str().unwrap() {
        "listening" => Direction::Listening,
        _ => Direction::Connecting,
    };
    let mut info = ConnectionInfo::new(recorded["protocol"].as_str().unwrap(), direction);
    match &recorded["identifier"] {
        Value::Number(port) => info = info.with_identifier(port_number(port.as_u64())),
        Value::String(text) => info = info.with_identifier(text.as_str()),
        _ => {}
    }
    if let Some(host) = recorded["host"].as_str() {
        info = info.with_host(host);
    }
    if let Some(port) = recorded["port"].as_u64() {
        info = info.with_port(port_number(Some(port)));
    }
    info
}

fn port_number(port: Option<u64>) -> u16 {
    u16::try_from(port.unwrap()).unwrap()
}

fn add_to_group(args: &Value) -> Value {
    let mut group = ConnectionGroup::of(&info(&args["base"]));
    let adds = args["adds"].as_array().unwrap().iter();
    let added: Vec<bool> = adds
        .map(|add| group.add(add[0].as_str().unwrap(), &info(&add[1])))
        .collect();
    let members = |members: &[GroupMember]| {
        let members = members.iter();
        let members = members.map(|m| (m.driver().to_owned(), json!(m.labels())));
        Value::Object(members.collect::<Map<_, _>>())
    };
    json!({
        "added": added,
        "in": members(group.listening()),
        "out": members(group.connecting()),
        "should_include": group.is_complete(),
    })
}

/// The recordings sort by id.
fn sorted(graph: &ConnectionGraph) -> Value {
    let mut value: Value = serde_json::from_str(&graph.to_json()).unwrap();
    for list in ["nodes", "edges"] {
        let list = value[list].as_array_mut().unwrap();
        list.sort_by_key(|entry| entry["id"].as_str().unwrap().to_owned());
    }
    value
}

struct Recorded(ProcessState);

impl ConnectionSource for Recorded {
    fn name(&self) -> &str {
        "recorded"
    }

    fn process(&self) -> ProcessState {
        self.0
    }
}

fn extract_ports(args: &Value) -> Result<Value, &'static str> {
    let transports = |name: &str| -> Result<Vec<Transport>, &'static str> {
        let names = args[name].as_array().into_iter().flatten();
        let transports = names.map(|name| name.as_str().unwrap().parse());
        transports
            .collect::<Result<_, _>>()
            .map_err(|_| "unknown_key")
    };
    let extractor = ProcessSockets::new()
        .only(transports("check")?)
        .except(transports("ignore")?);
    if args["no_pid"] == json!(true) {
        return match extractor.extract(&Recorded(ProcessState::NoProcess)) {
            Err(ExtractError::NoProcess { driver }) if driver == "recorded" => Err("no_attribute"),
            other => panic!("{other:?}"),
        };
    }
    let rows: Vec<_> = args["conns"]
        .as_array()
        .into_iter()
        .flatten()
        .map(socket_row)
        .collect();
    let infos = extractor.connections(&rows);
    Ok(json!({ "process_arg": 1234, "infos": infos }))
}

fn socket_row(recorded: &Value) -> SocketRow {
    let address = |recorded: &Value| {
        let ip = recorded[0].as_str()?.parse().unwrap();
        Some(SocketAddr::new(ip, port_number(recorded[1].as_u64())))
    };
    SocketRow {
        transport: match recorded["type"].as_str() {
            Some("stream") => Transport::Tcp,
            Some("dgram") => Transport::Udp,
            other => panic!("unknown type {other:?}"),
        },
        state: match recorded["status"].as_str() {
            Some("LISTEN") => SocketState::Listen,
            Some("ESTABLISHED") => SocketState::Established,
            Some("NONE") => SocketState::Stateless,
            _ => SocketState::Other,
        },
        local: address(&recorded["laddr"]),
        peer: address(&recorded["raddr"]),
    }
}

/// With the reference, a driver that did not run got the sockets of the test.
fn own_process_is_reported() -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let _client = TcpStream::connect(address).unwrap();
    let _server = listener.accept().unwrap();
    let found = ProcessSockets::new()
        .extract(&Recorded(ProcessState::NotRunning))
        .unwrap();
    found
        .iter()
        .any(|info| info.identifier() == Some(&Identifier::Port(address.port())))
}

fn extract_files(args: &Value) -> Result<Value, &'static str> {
    let ignored = args["ignore"].as_array().into_iter().flatten();
    let extractor = ProcessFiles::new().ignore(ignored.map(|name| name.as_str().unwrap()));
    if args["raises"].is_string() {
        // The largest id there can be is not given out.
        let gone = Recorded(ProcessState::Running(u32::MAX));
        return match extractor.extract(&gone) {
            Ok(infos) => Ok(json!(infos)),
            Err(error) => panic!("{error:?}"),
        };
    }
    let rows = args["files"].as_array().into_iter().flatten();
    let rows: Vec<_> = rows.filter_map(file_row).collect();
    Ok(json!(extractor.connections(&rows)))
}

/// Modes that the platform code does not give are no rows.
fn file_row(recorded: &Value) -> Option<FileRow> {
    let access = match recorded[1].as_str().unwrap() {
        "r" => FileAccess::Read,
        "w" | "a" => FileAccess::Write,
        "r+" | "a+" => FileAccess::ReadWrite,
        _ => return None,
    };
    Some(FileRow {
        path: PathBuf::from(recorded[0].as_str().unwrap()),
        access,
    })
}
