//! `standin up`, `down` and `status` as their users meet them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what is missing fails a test")]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::Value;
use support::{Place, SHOP, ended, read_to, signal, wait_until};
use test_port::TestPort;

/// Brings `shop.toml` up, and gives its id and the number of its keeper.
#[track_caller]
fn up(place: &Place, options: &[&str]) -> (String, u32) {
    let ended = place.run(&[&["up", "shop.toml", "--detach"], options].concat());
    ended.check(0, "is up after");
    let id = ended.stdout.trim_end().to_owned();
    let pid = id.rsplit_once('-').unwrap().1.parse().unwrap();
    (id, pid)
}

#[test]
fn a_detached_environment_is_found_used_and_taken_down() {
    let place = Place::new();
    place.run(&["status"]).check(0, "");
    place.run(&["down"]).check(125, "no environment is up");
    let port = TestPort::claim();
    let setting = format!("bank.port={}", port.number());
    let (id, pid) = up(&place, &["--env-file", "env", "--set", &setting]);
    let status = place.run(&["status", "--format", "json"]);
    let entry: Value = serde_json::from_str(status.stdout.trim_end()).unwrap();
    assert_eq!(
        (&entry["id"], &entry["pid"]),
        (&id.clone().into(), &pid.into())
    );
    let bank = entry["variables"]["BANK"].as_str().unwrap();
    assert!(place.read("env").contains(&format!("BANK={bank}\n")));
    std::net::TcpStream::connect(bank).unwrap();

    place.run(&["down", "nobody"]).check(125, &id);
    place.run(&["down", "shop.toml"]).check(0, "is down");
    assert!(std::net::TcpStream::connect(bank).is_err());
    place.check_nothing_left();
    assert_eq!(place.run(&["status"]).check(0, "").stdout, "");
}

#[test]
fn the_graph_of_one_that_is_up_shows_how_it_is() {
    let place = Place::new();
    place.write(
        "shop.toml",
        &format!(
            "{SHOP}\n[[driver]]\ntype = 'tcp-client'\nname = 'client'\nhost = '127.0.0.1'\n\
             port = {{ driver = 'bank', value = '{{{{ port }}}}' }}\n"
        ),
    );
    let graph = |options: &[&str]| place.run(&[&["graph"], options].concat());
    let declared = graph(&["shop.toml"]).check(0, "").stdout.clone();
    assert!(
        declared.contains("client   TcpClient  needs bank (port)"),
        "{declared}"
    );
    graph(&["--running"]).check(1, "no environment is up");
    let (id, _) = up(&place, &[]);
    let status = place.run(&["status", "--format", "json"]).stdout;
    let entry: Value = serde_json::from_str(status.trim_end()).unwrap();
    let bank = entry["variables"]["BANK"].as_str().unwrap();
    let now = graph(&["--running"]).check(0, "").stdout.clone();
    for line in [
        format!("bank     TcpServer  started, {bank}"),
        "sleeper  Process    started, process ".to_owned(),
        "needs bank (port)".to_owned(),
        "client is connected to bank (tcp://".to_owned(),
    ] {
        assert!(now.contains(&line), "no {line:?} in {now}");
    }
    let json = graph(&["--running", "shop.toml", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["drivers"][0]["place"], bank);
    assert_eq!(json["drivers"][2]["status"], "STARTED");
    assert_eq!(json["connected"][0]["from"], "client");
    for format in ["mermaid", "dot", "svg"] {
        let picture = graph(&["--running", &id, "--format", format]);
        assert!(picture.check(0, "").stdout.contains(bank), "{format}");
    }
    graph(&["--running", "nobody"]).check(1, &id);
    let (other, _) = up(&place, &[]);
    graph(&["--running"]).check(1, "2 environments are up");
    graph(&["--running", "shop.toml"]).check(1, "2 environments are up");
    graph(&["--running", &other]).check(0, "");
    place.run(&["down", "--all"]).check(0, "");
    place.check_nothing_left();
    assert_eq!(place.state(), Vec::<String>::new());
}

#[test]
fn a_keeper_that_does_not_answer_is_said() {
    let place = Place::new();
    let (id, pid) = up(&place, &[]);
    signal(pid, Signal::STOP);
    let asked = place.run(&["graph", "--running"]);
    signal(pid, Signal::CONT);
    asked.check(1, "does not answer");
    place.run(&["graph", "--running", &id]).check(0, "");
    place.run(&["down"]).check(0, "");
    place.check_nothing_left();
}

#[test]
fn a_keeper_that_is_suspended_can_be_taken_down() {
    let place = Place::new();
    let (_, pid) = up(&place, &[]);
    signal(pid, Signal::STOP);
    place.run(&["down"]).check(0, "");
    place.check_nothing_left();
}

/// Begins to bring `slow.toml` up, which never is.
fn begin(place: &Place, options: &[&str]) -> Child {
    place.write_slow("touch UP; exec sleep 600", "never");
    let arguments = [&["up", "slow.toml"], options].concat();
    let child = place.command(&arguments).spawn().unwrap();
    wait_until("the process", || place.path().join("up").exists());
    child
}

#[test]
fn one_that_is_starting_is_found_and_taken_down() {
    for options in [&["--detach"][..], &[]] {
        for down in ["slow.toml", "slow", "--all"] {
            let place = Place::new();
            let child = begin(&place, options);
            let status = place.run(&["status", "--format", "json"]);
            let entry: Value = serde_json::from_str(status.stdout.trim_end()).unwrap();
            assert_eq!(entry["status"], "STARTING");
            let status = place.run(&["status", "slow"]).stdout;
            assert!(status.contains("slow.toml, starting for "), "{status}");
            let graph = place.run(&["graph", "--running"]);
            assert!(graph.check(0, "").stdout.contains("app  Process  starting"));
            place.run(&["down", down]).check(0, "\"slow\" is down");
            assert_eq!(place.state(), Vec::<String>::new());
            ended(child).check(143, "app");
            wait_until("the end of all processes", || place.processes().is_empty());
        }
    }
}

#[test]
fn one_that_is_killed_while_it_starts_leaves_nothing() {
    let place = Place::new();
    let child = begin(&place, &[]);
    signal(child.id(), Signal::KILL);
    assert_eq!(ended(child).code, None);
    place.check_nothing_left();
    place.run(&["down"]).check(125, "no environment is up");
    assert_eq!(place.state(), Vec::<String>::new());

    let place = Place::new();
    let child = begin(&place, &["--detach"]);
    let status = place.run(&["status", "--format", "json"]).stdout;
    let entry: Value = serde_json::from_str(status.trim_end()).unwrap();
    let pid = entry["pid"].as_u64().unwrap();
    signal(pid.try_into().unwrap(), Signal::KILL);
    ended(child).check(125, "was killed: signal: 9");
    place.check_nothing_left();
}

#[test]
fn a_start_ends_with_the_command_that_waits_for_it() {
    for (sent, code) in [
        (Signal::KILL, None),
        (Signal::INT, Some(130)),
        (Signal::TERM, Some(143)),
    ] {
        let place = Place::new();
        let child = begin(&place, &["--detach"]);
        signal(child.id(), sent);
        let ended = ended(child);
        assert_eq!(ended.code, code, "{ended:#?}");
        // One that can still report shows what became of it.
        assert_eq!(ended.stderr.contains("app"), code.is_some(), "{ended:#?}");
        wait_until("the end of all processes", || place.processes().is_empty());
        assert_eq!(place.state(), Vec::<String>::new());
    }
}

#[test]
fn variables_that_nobody_reads_do_not_keep_one_up() {
    let place = Place::new();
    mknodat(CWD, place.path().join("env"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    for options in [&["--detach"][..], &[]] {
        let arguments = [&["up", "shop.toml", "--env-file", "env"], options].concat();
        let mut child = place.command(&arguments).spawn().unwrap();
        read_to(&mut child, "is up after");
        place.run(&["down"]).check(0, "is down");
        ended(child).check(143, "");
        wait_until("the end of all processes", || place.processes().is_empty());
    }
}

#[test]
fn all_may_take_one_down_and_it_stops_as_if_asked_once() {
    let place = Place::new();
    place.write_slow(
        "trap 'touch UP; while ! test -e STOP; do sleep 0.01; done; exit 0' TERM; \
         echo ready; while :; do sleep 0.01; done",
        "ready",
    );
    place.run(&["up", "slow.toml", "--detach"]).check(0, "");
    let mut downs = vec![place.command(&["down", "slow"]).spawn().unwrap()];
    wait_until("the stop", || place.path().join("up").exists());
    let status = place.run(&["status"]).stdout;
    assert!(status.contains("slow.toml, stopping for "), "{status}");
    for down in ["slow.toml", "--all", "slow"] {
        downs.push(place.command(&["down", down]).spawn().unwrap());
        let count = downs.len();
        let waits = || {
            place
                .processes()
                .iter()
                .filter(|p| p.contains(" down "))
                .count()
        };
        wait_until("all of them", || waits() == count);
    }
    place.write("stop", "");
    for down in downs {
        ended(down).check(0, "is down");
    }
    place.check_nothing_left();
}

#[test]
fn a_second_signal_cuts_the_stop_off_and_everybody_is_told() {
    let place = Place::new();
    place.write_slow(
        "trap 'touch UP' TERM; echo ready; while :; do sleep 0.01; done",
        "ready",
    );
    let mut child = place.command(&["up", "slow.toml"]).spawn().unwrap();
    read_to(&mut child, "takes it down");
    let down = place.command(&["down"]).spawn().unwrap();
    wait_until("the stop", || place.path().join("up").exists());
    signal(child.id(), Signal::INT);
    ended(child).check(143, "");
    ended(down).check(125, "\"slow\" was ended by a second signal");
    wait_until("the end of all processes", || place.processes().is_empty());
}

#[test]
fn a_damaged_state_file_hides_nobody() {
    let place = Place::new();
    let (id, _) = up(&place, &[]);
    let [file] = &place
        .state()
        .into_iter()
        .filter(|name| name.contains(&id))
        .collect::<Vec<_>>()[..]
    else {
        panic!("not one file: {:?}", place.state());
    };
    place.write(&format!("runtime/standin/{file}"), "{\"id\": 5}\n\0");
    let status = place.run(&["status"]).check(0, "").stdout.clone();
    assert!(
        status.contains(&id) && status.contains("damaged"),
        "{status}"
    );
    place.run(&["down", "--all"]).check(0, "is down");
    place.check_nothing_left();
    // Nobody waits for one that writes to it.
    let fifo = place.path().join("runtime/standin/shop-1.jsonl");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    place.run(&["status"]).check(1, "shop-1.jsonl");
}

#[test]
fn a_changed_state_file_has_no_other_process_ended() {
    let place = Place::new();
    let (id, pid) = up(&place, &[]);
    // It ends with this test, however that ends.
    let mut other = Command::new("cat");
    let mut other = other.stdin(Stdio::piped()).spawn().unwrap();
    let file = format!("runtime/standin/{id}.jsonl");
    let mut text = place.read(&file);
    // Only where they are meant: the digits may be part of another number too.
    for (before, after) in [("\"pid\":", ","), ("shop-", "\"")] {
        let with = |id: u32| format!("{before}{id}{after}");
        assert!(text.contains(&with(pid)), "{text}");
        text = text.replace(&with(pid), &with(other.id()));
    }
    place.write(&file, &text);
    let status = place.run(&["status"]).check(0, "").stdout.clone();
    assert!(status.starts_with(&id), "{status}");
    place.run(&["down"]).check(0, "is down");
    assert_eq!(other.try_wait().unwrap(), None);
    other.kill().unwrap();
    other.wait().unwrap();
    place.check_nothing_left();
}

#[test]
fn the_process_of_another_container_is_not_mistaken_for_the_keeper() {
    let place = Place::new();
    let (id, pid) = up(&place, &[]);
    let file = format!("runtime/standin/{id}.jsonl");
    let text = place.read(&file);
    // As if one in another container had the lock, and had the number of this keeper there.
    let (_, own) = text.rsplit_once("\"pid:[").unwrap();
    let (own, _) = own.split_once(']').unwrap();
    place.write(&file, &text.replace(own, "1"));
    place
        .run(&["down", "--all"])
        .check(125, "is kept in another container");
    signal(pid, Signal::TERM);
    place.check_nothing_left();
}

#[test]
fn a_file_is_found_by_a_name_that_is_not_text() {
    let place = Place::new();
    let name = OsStr::from_bytes(b"sh\xffop\n.toml");
    std::fs::write(place.path().join(name), SHOP).unwrap();
    for arguments in [
        &["up", "--detach"][..],
        &["status"],
        &["graph"],
        &["graph", "--running"],
    ] {
        let child = place.command(arguments).arg(name).spawn().unwrap();
        ended(child).check(0, "");
    }
    let down = place.command(&["down"]).arg(name).spawn().unwrap();
    ended(down).check(0, "is down");
    place.check_nothing_left();
}

#[test]
fn one_whose_id_nobody_gets_does_not_stay() {
    let place = Place::new();
    let mut up = place.command(&["up", "shop.toml", "--detach"]);
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    ended(up.stdout(full).spawn().unwrap()).check(125, "cannot write to standard output");
    assert_eq!(place.state(), Vec::<String>::new());
    place.check_nothing_left();
}

#[test]
fn an_id_is_a_word_whatever_the_name_is() {
    let place = Place::new();
    for name in ["-x 'y' ..$z", "\u{2014}", &"long ".repeat(50)] {
        place.write(
            "shop.toml",
            &SHOP.replace("\"shop\"", &format!("\"{name}\"")),
        );
        let (id, _) = up(&place, &[]);
        let is_plain = |c: char| c == '-' || c.is_ascii_alphanumeric();
        assert!(!id.starts_with('-') && id.chars().all(is_plain), "{id}");
        place.run(&["down", &id]).check(0, name);
        assert_eq!(place.state(), Vec::<String>::new());
    }
    place.check_nothing_left();
}

#[test]
fn several_of_one_file_are_told_apart() {
    let place = Place::new();
    let (one, other) = (up(&place, &[]).0, up(&place, &[]).0);
    place.run(&["down"]).check(125, "2 environments are up");
    let status = place.run(&["status"]).stdout;
    assert!(status.contains(&one) && status.contains(&other), "{status}");
    place.run(&["down", &one]).check(0, "");
    place.run(&["down"]).check(0, "");
    place.run(&["down", "--all"]).check(0, "");
    place.check_nothing_left();
}

#[test]
fn the_end_of_the_parent_is_that_of_the_environment() {
    let place = Place::new();
    let mut parent = Command::new("sleep");
    let mut parent = parent
        .arg("600")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    up(&place, &["--with-parent", &parent.id().to_string()]);
    parent.kill().unwrap();
    parent.wait().unwrap();
    place.check_nothing_left();
    // Nobody has that number now, as far as this test can see to it.
    let arguments = ["up", "shop.toml", "--detach", "--with-parent", "4194304"];
    place
        .run(&arguments)
        .check(125, "cannot wait for the end of process");
    place.check_nothing_left();
}

#[test]
fn a_keeper_that_is_killed_leaves_nothing() {
    let place = Place::new();
    let (_, pid) = up(&place, &[]);
    signal(pid, Signal::KILL);
    place.check_nothing_left();
    assert_eq!(place.state(), Vec::<String>::new());
    assert_eq!(place.run(&["status"]).check(0, "").stdout, "");
}

#[test]
fn what_was_expected_and_did_not_come_is_said_by_down() {
    let place = Place::new();
    let file = "name = 'shop'\n[[driver]]\ntype = 'tcp-server'\nname = 'bank'\n\
                framing = 'lines'\n[[driver.on]]\nequals = 'PING'\nreply = 'PONG'\ntimes = 1\n";
    place.write("shop.toml", file);
    up(&place, &[]);
    place.run(&["down"]).check(125, "PING");
    wait_until("the end", || place.processes().is_empty());
}

#[test]
fn one_that_is_not_detached_ends_by_a_signal() {
    let place = Place::new();
    let child = place.command(&["up", "shop.toml"]).spawn().unwrap();
    wait_until("the environment", || {
        place.run(&["status"]).stdout.contains("shop.toml, up for ")
    });
    signal(child.id(), Signal::INT);
    ended(child).check(0, "standin down shop-");
    place.check_nothing_left();
}

#[test]
fn a_start_that_fails_is_said_and_leaves_no_process() {
    let place = Place::new();
    let arguments = [
        "up",
        "shop.toml",
        "--detach",
        "--set",
        "sleeper.binary=none-such",
    ];
    place.run(&arguments).check(125, "none-such");
    place
        .run(&["up", "none.toml", "--detach"])
        .check(125, "cannot read `none.toml`");
    wait_until("the end", || place.processes().is_empty());
    assert_eq!(place.run(&["status"]).stdout, "");
}

#[test]
fn nobody_waits_for_the_streams_of_a_detached_one() {
    let place = Place::new();
    // `$(...)` reads until everybody has closed the stream.
    let script = "id=$(./standin up shop.toml --detach 2>&1) && ./standin down shop.toml";
    let mut shell = Command::new("sh");
    let like = place.command(&[]);
    shell.args(["-c", script]).current_dir(place.path());
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    ended(shell.spawn().unwrap()).check(0, "is down");
    place.check_nothing_left();
}
