//! What the exports of a graph look like; `UPDATE_EXPECT=1` writes them again.

use std::net::SocketAddr;

use expect_test::expect;
use standin_connection::{ConnectionGraph, ConnectionInfo, Direction};

#[test]
fn draws_a_proxy_with_its_clients_and_upstreams() {
    let graph = proxy();
    expect![[r#"
        TcpClient[alice] --> Process[nginx]          tcp://8080   50001 -> 8080
        TcpClient[bob]   --> Process[nginx]          tcp://8080   50002 -> 8080
        Process[nginx]   --> TcpServer[upstream-1]   tcp://9001   50011 -> 9001
        Process[nginx]   --> TcpServer[upstream-2]   tcp://9002   50012 -> 9002
        TcpServer[spare] is unconnected
    "#]]
    .assert_eq(&graph.to_string());
    expect![[r#"
        flowchart LR
            n0["TcpClient<br/>[alice]"]
            n1["TcpClient<br/>[bob]"]
            n2["Process<br/>[nginx]"]
            n3["TcpServer<br/>[upstream-1]"]
            n4["TcpServer<br/>[upstream-2]"]
            n5["TcpServer<br/>[spare]"]:::unconnected
            n0 -->|"tcp://8080<br/>50001 → 8080"| n2
            n1 -->|"tcp://8080<br/>50002 → 8080"| n2
            n2 -->|"tcp://9001<br/>50011 → 9001"| n3
            n2 -->|"tcp://9002<br/>50012 → 9002"| n4
            classDef unconnected stroke:#ff0000,stroke-dasharray:4 3
    "#]]
    .assert_eq(&graph.to_mermaid());
    expect![[r##"
        digraph connections {
            rankdir=LR;
            nodesep=0.5;
            ranksep=2;
            node [shape=box, style=rounded, fontname="sans-serif"];
            edge [fontname="monospace", fontsize=10];
            n0 [label="TcpClient\n[alice]"];
            n1 [label="TcpClient\n[bob]"];
            n2 [label="Process\n[nginx]"];
            n3 [label="TcpServer\n[upstream-1]"];
            n4 [label="TcpServer\n[upstream-2]"];
            n5 [label="TcpServer\n[spare]", color="#ff0000", style="rounded,dashed"];
            n0 -> n2 [label="tcp://8080", taillabel="50001", headlabel="8080"];
            n1 -> n2 [label="tcp://8080", taillabel="50002", headlabel="8080"];
            n2 -> n3 [label="tcp://9001", taillabel="50011", headlabel="9001"];
            n2 -> n4 [label="tcp://9002", taillabel="50012", headlabel="9002"];
        }
    "##]]
    .assert_eq(&graph.to_dot());
    expect![[r#"
        {
          "nodes": [
            {
              "id": "TcpClient[alice]",
              "data": {
                "label": "TcpClient\n[alice]"
              },
              "style": {}
            },
            {
              "id": "TcpClient[bob]",
              "data": {
                "label": "TcpClient\n[bob]"
              },
              "style": {}
            },
            {
              "id": "Process[nginx]",
              "data": {
                "label": "Process\n[nginx]"
              },
              "style": {}
            },
            {
              "id": "TcpServer[upstream-1]",
              "data": {
                "label": "TcpServer\n[upstream-1]"
              },
              "style": {}
            },
            {
              "id": "TcpServer[upstream-2]",
              "data": {
                "label": "TcpServer\n[upstream-2]"
              },
              "style": {}
            },
            {
              "id": "TcpServer[spare]",
              "data": {
                "label": "TcpServer\n[spare]"
              },
              "style": {
                "border": "1px solid #FF0000"
              }
            }
          ],
          "edges": [
            {
              "id": "tcp://8080: TcpClient[alice] -> Process[nginx]",
              "source": "TcpClient[alice]",
              "target": "Process[nginx]",
              "startLabel": "50001",
              "label": "tcp://8080",
              "endLabel": "8080"
            },
            {
              "id": "tcp://8080: TcpClient[bob] -> Process[nginx]",
              "source": "TcpClient[bob]",
              "target": "Process[nginx]",
              "startLabel": "50002",
              "label": "tcp://8080",
              "endLabel": "8080"
            },
            {
              "id": "tcp://9001: Process[nginx] -> TcpServer[upstream-1]",
              "source": "Process[nginx]",
              "target": "TcpServer[upstream-1]",
              "startLabel": "50011",
              "label": "tcp://9001",
              "endLabel": "9001"
            },
            {
              "id": "tcp://9002: Process[nginx] -> TcpServer[upstream-2]",
              "source": "Process[nginx]",
              "target": "TcpServer[upstream-2]",
              "startLabel": "50012",
              "label": "tcp://9002",
              "endLabel": "9002"
            }
          ]
        }
    "#]]
    .assert_eq(&graph.to_json());
}

#[test]
fn shows_names_that_mean_something_to_the_format() {
    let odd = "<b>\"A\" & 'B'</b>\\ #1 `x` |y| [z]\n\u{1}";
    let mut graph = ConnectionGraph::new([odd]);
    graph.add(odd, ConnectionInfo::tcp_listening(80, "::1"));
    let long = "a-client-with-a-name-that-goes-on-and-on-and-on-and-on";
    graph.add(long, ConnectionInfo::tcp_connecting(80, "::1", 5000));
    let queue = "日本語";
    graph.add(
        queue,
        ConnectionInfo::new("mq", Direction::Listening).with_identifier("a\"b"),
    );
    graph.add(
        odd,
        ConnectionInfo::new("mq", Direction::Connecting).with_identifier("a\"b"),
    );
    expect![[r##"
        flowchart LR
            n0["#60;b#62;#34;A#34; #38; 'B'#60;/b#62;#92; #35;1 #96;x#96; |y| [z]<br/>�"]
            n1["a-client-with-a-name-that-goes-on-and-on-and-on-and-on"]
            n2["日本語"]
            n1 -->|"tcp://80<br/>5000 → 80"| n0
            n0 -->|"mq://a#34;b<br/>Unknown → Unknown"| n2
    "##]]
    .assert_eq(&graph.to_mermaid());
    expect![[r#"
        digraph connections {
            rankdir=LR;
            nodesep=0.5;
            ranksep=2;
            node [shape=box, style=rounded, fontname="sans-serif"];
            edge [fontname="monospace", fontsize=10];
            n0 [label="<b>\"A\" &amp; 'B'</b>\\ #1 `x` |y| [z]\n�"];
            n1 [label="a-client-with-a-name-that-goes-on-and-on-and-on-and-on"];
            n2 [label="日本語"];
            n1 -> n0 [label="tcp://80", taillabel="5000", headlabel="80"];
            n0 -> n2 [label="mq://a\"b", taillabel="Unknown", headlabel="Unknown"];
        }
    "#]]
    .assert_eq(&graph.to_dot());
}

#[test]
fn draws_nothing() {
    let graph = ConnectionGraph::default();
    expect![[r#"
        (no drivers)
    "#]]
    .assert_eq(&graph.to_string());
    expect![[r#"
        flowchart LR
    "#]]
    .assert_eq(&graph.to_mermaid());
}

/// Two clients, a proxy that balances between two servers, and an idle one.
fn proxy() -> ConnectionGraph {
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let mut graph = ConnectionGraph::new([
        "TcpClient[alice]",
        "TcpClient[bob]",
        "Process[nginx]",
        "TcpServer[upstream-1]",
        "TcpServer[upstream-2]",
        "TcpServer[spare]",
    ]);
    let listening = |port| ConnectionInfo::tcp_listening(port, "127.0.0.1");
    let connecting =
        |to, own| ConnectionInfo::tcp_connecting(to, "127.0.0.1", own).with_ends(at(own), at(to));
    graph.add("TcpClient[alice]", connecting(8080, 50_001));
    graph.add("TcpClient[bob]", connecting(8080, 50_002));
    graph.add(
        "Process[nginx]",
        listening(8080).with_ends(at(8080), at(50_001)),
    );
    graph.add(
        "Process[nginx]",
        listening(8080).with_ends(at(8080), at(50_002)),
    );
    graph.add("Process[nginx]", connecting(9001, 50_011));
    graph.add("Process[nginx]", connecting(9002, 50_012));
    graph.add(
        "TcpServer[upstream-1]",
        listening(9001).with_ends(at(9001), at(50_011)),
    );
    graph.add(
        "TcpServer[upstream-2]",
        listening(9002).with_ends(at(9002), at(50_012)),
    );
    graph.add("TcpServer[spare]", listening(9003));
    graph
}

#[test]
fn names_that_differ_stay_apart_in_every_format() {
    let names = [
        "",
        "a\u{1}",
        "a\u{2}",
        "%%{init: {}}%%",
        "1. x",
        "end",
        "&amp;",
        "\u{2028}",
    ];
    let mut graph = ConnectionGraph::new(names);
    graph.add("", ConnectionInfo::tcp_listening(80, "::1"));
    graph.add(
        "%%{init: {}}%%",
        ConnectionInfo::tcp_connecting(80, "::1", 1),
    );
    expect![[r##"
        flowchart LR
            n0["#8203;"]
            n1["a�"]:::unconnected
            n2["a�"]:::unconnected
            n3["#37;#37;#123;init: #123;#125;#125;#37;#37;"]
            n4["1. x"]:::unconnected
            n5["end"]:::unconnected
            n6["#38;amp#59;"]:::unconnected
            n7["�"]:::unconnected
            n3 -->|"tcp://80<br/>1 → 80"| n0
            classDef unconnected stroke:#ff0000,stroke-dasharray:4 3
    "##]]
    .assert_eq(&graph.to_mermaid());
    expect![[r##"
        digraph connections {
            rankdir=LR;
            nodesep=0.5;
            ranksep=2;
            node [shape=box, style=rounded, fontname="sans-serif"];
            edge [fontname="monospace", fontsize=10];
            n0 [label=""];
            n1 [label="a�", color="#ff0000", style="rounded,dashed"];
            n2 [label="a�", color="#ff0000", style="rounded,dashed"];
            n3 [label="%%{init: {}}%%"];
            n4 [label="1. x", color="#ff0000", style="rounded,dashed"];
            n5 [label="end", color="#ff0000", style="rounded,dashed"];
            n6 [label="&amp;amp;", color="#ff0000", style="rounded,dashed"];
            n7 [label=" ", color="#ff0000", style="rounded,dashed"];
            n3 -> n0 [label="tcp://80", taillabel="1", headlabel="80"];
        }
    "##]]
    .assert_eq(&graph.to_dot());
    assert!(!graph.to_mermaid().contains("%%"));
}
