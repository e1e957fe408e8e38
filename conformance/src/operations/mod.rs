//! What the steps do, one file per area. The names are the vectors'.

mod configs;
mod connections;
mod contexts;
mod driver_steps;
mod drivers;
mod environments;
mod failures;
mod files;
mod misc;
mod plain_sockets;
mod raw;
mod statuses;
mod tcp;
mod timing;
mod trace_driver;

use std::sync::Mutex;

use standin::ConnectionGraph;

use crate::failure::Failure;
use crate::world::{Call, Outcome};

pub(crate) type Operation = fn(&Call) -> Outcome;

/// A name and what it does.
type Entry = (&'static str, Operation);

const TABLES: &[&[Entry]] = &[
    configs::OPERATIONS,
    connections::OPERATIONS,
    contexts::OPERATIONS,
    driver_steps::OPERATIONS,
    environments::OPERATIONS,
    files::OPERATIONS,
    misc::OPERATIONS,
    plain_sockets::OPERATIONS,
    raw::OPERATIONS,
    statuses::OPERATIONS,
    tcp::OPERATIONS,
    timing::OPERATIONS,
];

macro_rules! objects {
    ($($name:ident: $type:ty),* $(,)?) => {
        /// What a step can be done to.
        impl Call {$(
            fn $name(&self) -> Result<&$type, Failure> {
                self.object()
            }
        )*}
    };
}

objects! {
    driver: drivers::AnyDriver,
    environment: environments::EnvironmentHandle,
    config: configs::ConfigHandle,
    status: Mutex<statuses::Machine>,
    server: plain_sockets::PlainServer,
    client: plain_sockets::PlainClient,
    socket: raw::RawSocket,
    graph: Mutex<ConnectionGraph>,
}

/// What only makes sense inside Python, with the reason.
const PYTHON_ONLY: &[(&str, &str)] = &[
    ("config.repr", "the `repr` of a Python object"),
    (
        "driver.filter_locals",
        "filters the local variables of a Python function",
    ),
    ("driver.logger_state", "handlers of a Python logger"),
    (
        "status.clear_metadata",
        "keyword arguments kept on a status object",
    ),
    (
        "status.update_metadata",
        "keyword arguments kept on a status object",
    ),
];

pub(crate) fn find(name: &str) -> Option<Operation> {
    let mut entries = TABLES.iter().flat_map(|table| table.iter());
    entries
        .find(|(known, _)| *known == name)
        .map(|(_, operation)| *operation)
}

/// Whether the process of a vector can do it; `join` is about its threads.
pub(crate) fn is_known(name: &str) -> bool {
    name == "join" || find(name).is_some()
}

pub(crate) fn is_python_only(name: &str) -> bool {
    PYTHON_ONLY.iter().any(|(known, _)| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation that the format has.
    const VOCABULARY: &str = "
        burst.connect_and_accept client.close client.connect client.get client.receive client.recv client.send
        client.send_unit config.accepts config.define config.denormalize config.get config.get_local
        config.get_parent_is config.mutate_list config.new config.option_names config.options_table config.repr
        config.set_local config.set_parent conn.base_promote conn.group_add conn.group_str conn.rep context.call
        context.expand context.is_context context.new context.render context.str driver.abort driver.cfg
        driver.cfg_local_names driver.cfg_set_parent driver.clear_runpath driver.context_input
        driver.define_runpath driver.enter driver.exit driver.extract_values driver.extracts
        driver.fetch_error_log driver.fetch_error_log_sorted driver.filter_locals driver.flags
        driver.force_started driver.force_stop driver.get driver.get_connections driver.install_files driver.log
        driver.logger_state driver.make_runpath_dirs driver.new driver.pause driver.restart driver.resume
        driver.set_async_start driver.set_context driver.set_parent driver.set_status driver.start
        driver.started_check driver.status driver.stop driver.str driver.timer_elapsed driver.timers driver.uid
        driver.wait env.add env.all_status env.contains env.enter env.exceptions env.exit env.first env.get
        env.getattr env.getitem env.len env.names env.new env.parse_dependency env.parse_dependency_raw
        env.remove env.set_dependency env.set_initial_context env.setattr env.start env.start_in_pool env.status
        env.stop env.stop_in_pool env.sync_stop_resource env.uids extract.files extract.ports
        extract.ports_real_pid_none fd_exhaust fs.chmod fs.exists fs.is_dir fs.is_executable fs.list fs.mkdir
        fs.read fs.symlink fs.write fs.write_lines graph.add graph.add_driver graph.build graph.connection_count
        graph.from_drivers graph.new join match.regexps_in_file path.instantiate path.makedirs
        path.makeemptydirs path.slugify pocketwatch.sequence port_to_int probe_select raw.accept raw.bind
        raw.close raw.connect raw.connect_many raw.connect_to raw.fill_backlog raw.listen raw.peer raw.peer_port
        raw.port raw.recv raw.recv_exact raw.reset raw.send raw.send_oob raw.shutdown_write raw.socket
        server.accept_connection server.bind server.close server.close_connection server.counters server.fds
        server.fds_distinct server.get server.receive server.send server.serve server.thread_alive
        server.wait_pending sleep status.change status.clear_metadata status.current status.eq status.force
        status.new status.reset status.transitions status.update_metadata tcp.transfer_all tcpclient.close
        tcpclient.connect tcpclient.get tcpclient.receive tcpclient.receive_text tcpclient.reconnect
        tcpclient.send tcpclient.send_is_partial tcpclient.send_text tcpclient.send_tsp tcpclient.send_tsp_unit
        tcpserver.accept_connection tcpserver.close_connection tcpserver.get tcpserver.receive
        tcpserver.receive_text tcpserver.send tcpserver.send_text timing.exponential_interval
        timing.format_duration timing.get_sleeper timing.parse_duration timing.retry timing.sleeper_intervals
        timing.timer timing.timer_merge_alias timing.timer_record_raise timing.wait timing.wait_failed_action
        trace.clear trace.get var_eq";

    #[test]
    fn does_all_that_the_format_has() {
        let undone: Vec<&str> = VOCABULARY
            .split_whitespace()
            .filter(|name| is_known(name) == is_python_only(name))
            .collect();
        assert!(undone.is_empty(), "{undone:?}");
    }
}
