//! Connection infos, groups, the graph, and what processes report.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use indexmap::IndexMap;
use standin::connection::{
    ConnectionExtractor, ConnectionGraph, ConnectionGroup, ConnectionInfo, ConnectionSource,
    Direction, FileAccess, FileRow, GroupMember, Identifier, ProcessFiles, ProcessSockets,
    ProcessState, SocketRow, SocketState, Transport,
};

use standin_sync::Unpoisoned;

use super::Entry;
use super::driver_steps::{from_json, info_value};
use super::drivers::AnyDriver;
use crate::category::of_io;
use crate::failure::Failure;
use crate::value::{Object, Value};
use crate::world::{Call, Outcome};

pub(super) const OPERATIONS: &[Entry] = &[
    ("conn.rep", rep),
    ("conn.base_promote", base_promote),
    ("conn.group_add", group_add),
    ("conn.group_str", group_str),
    ("graph.new", new_graph),
    ("graph.add", add),
    ("graph.add_driver", add_driver),
    ("graph.from_drivers", from_drivers),
    ("graph.build", build),
    ("graph.connection_count", connection_count),
    ("extract.ports", extract_ports),
    ("extract.ports_real_pid_none", extract_without_process),
    ("extract.files", extract_files),
];

/// The process id of recorded processes.
const RECORDED: i64 = 1234;

fn port(value: &Value) -> Result<u16, Failure> {
    match value {
        Value::Int(number) => u16::try_from(*number)
            .map_err(|_| Failure::error("out_of_range", format!("{number} is not a port"))),
        other => Err(Failure::broken(format!(
            "a {} is not a port",
            other.python_type()
        ))),
    }
}

/// A connection info as vectors describe it.
fn info(value: &Value) -> Result<ConnectionInfo, Failure> {
    let Value::Map(members) = value else {
        return Err(Failure::broken("an info has to be a table"));
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let direction = match text("direction") {
        Some("listening") => Direction::Listening,
        _ => Direction::Connecting,
    };
    let mut info = ConnectionInfo::new(text("protocol").unwrap_or_default(), direction);
    match members.get("identifier") {
        Some(Value::Text(identifier)) => info = info.with_identifier(identifier.as_str()),
        Some(Value::Null) | None => {}
        Some(identifier) => info = info.with_identifier(port(identifier)?),
    }
    if let Some(host) = text("host") {
        info = info.with_host(host);
    }
    match members.get("port") {
        Some(Value::Null) | None => {}
        Some(number) => info = info.with_port(port(number)?),
    }
    Ok(info)
}

fn info_argument(call: &Call, name: &str) -> Result<ConnectionInfo, Failure> {
    info(call.arg(name).unwrap_or(&Value::Null))
}

fn rep(call: &Call) -> Outcome {
    Ok(Value::Text(info_argument(call, "info")?.connection_rep()))
}

/// Every info can be the base of a group here.
fn base_promote(call: &Call) -> Outcome {
    let identifier = call.arg("identifier").cloned().unwrap_or(Value::Null);
    let base = Value::map([
        ("protocol", Value::text(call.text("protocol")?)),
        ("identifier", identifier),
        ("direction", Value::text("listening")),
    ]);
    ConnectionGroup::of(&info(&base)?);
    Ok(Value::Opaque("Connection"))
}

fn group_add(call: &Call) -> Outcome {
    let mut group = ConnectionGroup::of(&info_argument(call, "base")?);
    let mut added = Vec::new();
    for add in call.list("adds") {
        match add.items() {
            Some([Value::Text(driver), connection]) => {
                added.push(Value::Bool(group.add(driver, &info(connection)?)));
            }
            _ => return Err(Failure::broken("an add has to be a driver and an info")),
        }
    }
    let members = |members: &[GroupMember]| {
        let rows = members.iter().map(|member| {
            let mut labels: Vec<String> = member.labels().iter().map(ToString::to_string).collect();
            labels.sort();
            let labels = labels.into_iter().map(Value::Text).collect();
            (member.driver().to_owned(), Value::List(labels))
        });
        Value::Map(rows.collect())
    };
    Ok(Value::map([
        ("added", Value::List(added)),
        ("in", members(group.listening())),
        ("out", members(group.connecting())),
        ("should_include", Value::Bool(group.is_complete())),
    ]))
}

fn group_str(call: &Call) -> Outcome {
    let base = info_argument(call, "base")?;
    Ok(Value::Text(base.connection_rep()))
}

fn handle(graph: ConnectionGraph) -> Value {
    Value::handle(Mutex::new(graph))
}

impl Object for Mutex<ConnectionGraph> {
    fn class(&self) -> String {
        "DriverConnectionGraph".to_owned()
    }
}

fn graph(call: &Call) -> Result<MutexGuard<'_, ConnectionGraph>, Failure> {
    Ok(call.graph()?.lock().unpoisoned())
}

fn new_graph(call: &Call) -> Outcome {
    let names = call.list("drivers").iter().filter_map(Value::as_str);
    Ok(handle(ConnectionGraph::new(names)))
}

fn add(call: &Call) -> Outcome {
    graph(call)?.add(call.text("driver")?, info_argument(call, "info")?);
    Ok(Value::Null)
}

/// `kind[name]`, and what the driver reports about its connections.
fn of_driver(value: &Value) -> Result<(String, Vec<ConnectionInfo>), Failure> {
    let driver = value.required::<AnyDriver>("driver")?.as_driver();
    let name = driver.base().resource().entity().to_string();
    Ok((name, driver.connections()))
}

fn add_driver(call: &Call) -> Outcome {
    let (name, infos) = of_driver(&call.named("driver")?)?;
    let mut graph = graph(call)?;
    for info in infos {
        graph.add(&name, info);
    }
    Ok(Value::Null)
}

fn from_drivers(call: &Call) -> Outcome {
    let mut names = Vec::new();
    for name in call.list("drivers").iter().filter_map(Value::as_str) {
        names.push(of_driver(&call.world.variable(name)?)?.0);
    }
    Ok(handle(ConnectionGraph::new(
        names.iter().map(String::as_str),
    )))
}

/// Nodes and edges by their ids, and labels of one edge in order.
fn build(call: &Call) -> Outcome {
    let text = graph(call)?.to_json();
    let json: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Failure::error("generic", error.to_string()))?;
    let Value::Map(mut parts) = from_json(&json) else {
        return Err(Failure::error("generic", "the graph is not a table"));
    };
    for part in parts.values_mut() {
        if let Value::List(entries) = part {
            entries.iter_mut().for_each(sort_labels);
            entries.sort_by_key(id);
        }
    }
    Ok(Value::Map(parts))
}

fn id(entry: &Value) -> String {
    match entry {
        Value::Map(members) => members
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    }
}

fn sort_labels(entry: &mut Value) {
    let Value::Map(members) = entry else { return };
    for name in ["startLabel", "endLabel"] {
        if let Some(Value::Text(text)) = members.get_mut(name) {
            let mut labels: Vec<&str> = text.split(',').collect();
            labels.sort_unstable();
            *text = labels.join(",");
        }
    }
}

fn connection_count(call: &Call) -> Outcome {
    Ok(Value::count(graph(call)?.groups().len()))
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

/// The largest id there can be is not given out.
const GONE: Recorded = Recorded(ProcessState::Running(u32::MAX));

fn transports(call: &Call, name: &str) -> Result<Vec<Transport>, Failure> {
    let names = call.list(name).iter().filter_map(Value::as_str);
    Ok(names.map(str::parse).collect::<Result<_, _>>()?)
}

fn extract_ports(call: &Call) -> Outcome {
    let extractor = ProcessSockets::new()
        .only(transports(call, "check")?)
        .except(transports(call, "ignore")?);
    let mut process = call.arg("pid").cloned().unwrap_or(Value::Int(RECORDED));
    let infos = if call.flag("no_pid", false) {
        process = Value::Null;
        extractor.extract(&Recorded(ProcessState::NoProcess))?
    } else if call.given("raises").is_some() {
        extractor.extract(&GONE)?
    } else if matches!(process, Value::Null) {
        extractor.extract(&Recorded(ProcessState::NotRunning))?
    } else {
        let rows = call.list("conns").iter().map(socket_row);
        let rows: Vec<Option<SocketRow>> = rows.collect::<Result<_, _>>()?;
        let rows: Vec<SocketRow> = rows.into_iter().flatten().collect();
        extractor.connections(&rows)
    };
    Ok(Value::map([
        ("process_arg", process),
        ("infos", Value::List(infos.iter().map(info_value).collect())),
    ]))
}

/// A socket as the system lists it; `None` for those that have no ports.
fn socket_row(value: &Value) -> Result<Option<SocketRow>, Failure> {
    let Value::Map(members) = value else {
        return Err(Failure::broken("a socket has to be a table"));
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if text("family") == Some("unix") {
        return Ok(None);
    }
    let transport = match text("type") {
        Some("stream") => Transport::Tcp,
        Some("dgram") => Transport::Udp,
        _ => return Ok(None),
    };
    Ok(Some(SocketRow {
        transport,
        state: match text("status") {
            Some("LISTEN") => SocketState::Listen,
            Some("ESTABLISHED") => SocketState::Established,
            Some("NONE") => SocketState::Stateless,
            _ => SocketState::Other,
        },
        local: address(members, "laddr")?,
        peer: address(members, "raddr")?,
    }))
}

fn address(members: &IndexMap<String, Value>, name: &str) -> Result<Option<SocketAddr>, Failure> {
    match members.get(name).and_then(Value::items) {
        Some([Value::Text(ip), number]) => {
            let ip = ip
                .parse()
                .map_err(|_| Failure::broken(format!("{ip} is not an IP address")))?;
            Ok(Some(SocketAddr::new(ip, port(number)?)))
        }
        _ => Ok(None),
    }
}

/// With the reference, a driver that did not run got the sockets of the test.
fn extract_without_process(_: &Call) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| of_io(&error))?;
    let address = listener.local_addr().map_err(|error| of_io(&error))?;
    let _client = TcpStream::connect(address).map_err(|error| of_io(&error))?;
    let _server = listener.accept().map_err(|error| of_io(&error))?;
    let found = ProcessSockets::new().extract(&Recorded(ProcessState::NotRunning))?;
    let port = Identifier::Port(address.port());
    let reported = found.iter().any(|info| info.identifier() == Some(&port));
    Ok(Value::map([(
        "own_process_listening_reported",
        Value::Bool(reported),
    )]))
}

fn extract_files(call: &Call) -> Outcome {
    let ignored = call.list("ignore").iter().filter_map(Value::as_str);
    let extractor = ProcessFiles::new().ignore(ignored);
    let infos = if call.given("raises").is_some() {
        extractor.extract(&GONE)?
    } else {
        let rows: Vec<FileRow> = call.list("files").iter().filter_map(file_row).collect();
        extractor.connections(&rows)
    };
    Ok(Value::List(infos.iter().map(info_value).collect()))
}

/// Modes that the system does not know make no rows.
fn file_row(value: &Value) -> Option<FileRow> {
    let [Value::Text(path), Value::Text(mode)] = value.items()? else {
        return None;
    };
    let access = match mode.as_str() {
        "r" => FileAccess::Read,
        "w" | "a" => FileAccess::Write,
        "r+" | "a+" => FileAccess::ReadWrite,
        _ => return None,
    };
    Some(FileRow {
        path: PathBuf::from(path),
        access,
    })
}
