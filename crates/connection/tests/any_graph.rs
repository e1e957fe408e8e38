//! Whatever drivers report, the graph can be drawn.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use standin_connection::{ConnectionGraph, ConnectionInfo, Direction};

proptest! {
    #[test]
    fn draws_any_graph(
        drivers in prop::collection::vec(".{0,8}", 0..4),
        reports in prop::collection::vec(report(), 0..12),
    ) {
        let mut graph = ConnectionGraph::new(drivers);
        graph.extend(reports);
        let names: Vec<_> = graph.nodes().iter().map(|n| n.name().to_owned()).collect();
        for edge in graph.edges() {
            prop_assert!(names.iter().any(|name| name == edge.source()));
            prop_assert!(names.iter().any(|name| name == edge.target()));
            prop_assert!(edge.source() != edge.target());
            prop_assert!(graph.connected(edge.source(), edge.target()).is_ok());
        }
        graph.to_mermaid();
        graph.to_dot();
        graph.to_json();
        prop_assert!(!graph.to_string().is_empty());
    }
}

/// Few names and ports, so that many ends meet.
fn report() -> impl Strategy<Value = (String, ConnectionInfo)> {
    let driver = prop_oneof!["[a-e]", ".{0,8}"];
    let protocol = prop_oneof!["(tcp|udp|file|mq)", ".{0,3}"];
    let direction = prop_oneof![Just(Direction::Listening), Just(Direction::Connecting)];
    let port = || prop::option::of(80..84_u16);
    let host = prop::option::of("(127.0.0.1|127.0.0.2|localhost|::1|0.0.0.0|x)");
    let ends = prop::collection::vec((address(), address()), 0..3);
    (driver, protocol, direction, port(), port(), host, ends).prop_map(
        |(driver, protocol, direction, identifier, port, host, ends)| {
            let mut info = ConnectionInfo::new(protocol, direction);
            if let Some(identifier) = identifier {
                info = info.with_identifier(identifier);
            }
            if let Some(port) = port {
                info = info.with_port(port);
            }
            if let Some(host) = host {
                info = info.with_host(host);
            }
            for (local, peer) in ends {
                info = info.with_ends(local, peer);
            }
            (driver, info)
        },
    )
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (1..3_u8, 80..84_u16)
        .prop_map(|(last, port)| SocketAddr::new(IpAddr::from([127, 0, 0, last]), port))
}
