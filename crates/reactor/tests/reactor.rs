//! The reactor, as a crate that builds on it uses it.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use standin_reactor::{Actor, Group, Next, Reactor, Slot, Turn};
use standin_socket::{Arrival, Client, Connection, End, LeakCheck, OwnedConnection, Server, Tried};

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

/// An actor that is a closure.
struct Acts<F>(F);

impl<F: FnMut(&mut Turn<'_>) -> io::Result<Next> + Send> Actor for Acts<F> {
    fn act(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        (self.0)(turn)
    }
}

/// Accepts, and gives each connection to an actor.
fn accepts<A: Actor + 'static>(
    server: &Server,
    mut make: impl FnMut(OwnedConnection) -> A + Send + 'static,
) -> impl Actor + 'static {
    let mut arrivals = server.arrivals();
    Acts(move |turn: &mut Turn<'_>| {
        if turn.is_first() {
            arrivals.wake_when_changed(turn.waker());
        }
        loop {
            match arrivals.take_next() {
                Arrival::Moved => turn.register(&mut arrivals)?,
                Arrival::Connection(connection) => turn.spawn(make(connection)),
                Arrival::Nobody => return Ok(Next::Wait),
                Arrival::Enough => return Ok(Next::Again),
                Arrival::Failed { error, .. } => return Err(io::Error::other(error)),
                Arrival::Closed => return Ok(Next::Done),
            }
        }
    })
}

/// Sends back what comes, and reports the end.
fn echo(mut connection: OwnedConnection, ends: Sender<String>) -> impl Actor + 'static {
    let mut rest: Vec<u8> = Vec::new();
    Acts(move |turn: &mut Turn<'_>| {
        if turn.is_first() {
            turn.register(&mut connection)?;
            connection.wake_when_closed(turn.waker());
        }
        let mut bytes = [0; 1000];
        loop {
            while !rest.is_empty() {
                match connection.try_send(&rest) {
                    Tried::Done(count) => drop(rest.drain(..count)),
                    Tried::NotNow => return Ok(Next::Wait),
                    Tried::Ended(_) => return Ok(Next::Done),
                }
            }
            match connection.try_receive(&mut bytes) {
                Tried::Done(count) => rest.extend(&bytes[..count]),
                Tried::NotNow => return Ok(Next::Wait),
                Tried::Ended(end) => {
                    let _ = ends.send(end.to_string());
                    return Ok(Next::Done);
                }
            }
        }
    })
}

fn echo_server(group: &Group) -> (Server, Receiver<String>) {
    let server = Server::builder().bind().expect("a free port");
    let (ends, ended) = mpsc::channel();
    group.spawn(accepts(&server, move |connection| {
        echo(connection, ends.clone())
    }));
    (server, ended)
}

fn connect(server: &Server) -> Connection {
    let client = Client::builder().port(server.port()).build();
    client.connect(LIMIT).expect("the server listens")
}

fn group() -> Group {
    let reactor = Reactor::acquire().expect("there is room for a thread");
    reactor.group("test")
}

#[test]
fn everybody_is_answered_and_large_pieces_come_whole() {
    let group = group();
    let (server, ended) = echo_server(&group);
    let peers: Vec<_> = (0..20).map(|_| connect(&server)).collect();
    let large = vec![7; 3 << 20];
    for (nth, peer) in peers.iter().enumerate() {
        peer.send(format!("{nth};").as_bytes(), LIMIT).unwrap();
    }
    for (nth, peer) in peers.iter().enumerate() {
        let answer = peer.receive_until(b";", LIMIT).unwrap();
        assert_eq!(answer, format!("{nth};").as_bytes());
    }
    thread::scope(|scope| {
        scope.spawn(|| peers[0].send(&large, LIMIT).unwrap());
        assert_eq!(peers[0].receive_exactly(large.len(), LIMIT).unwrap(), large);
    });
    peers[1].close();
    assert_eq!(
        ended.recv_timeout(LIMIT).unwrap(),
        End::PeerClosed.to_string()
    );
    group.settle(LIMIT).unwrap();
    assert_eq!(group.len(), 20); // 19 connections, and who accepts
    group.end(LIMIT).unwrap();
    assert!(group.is_empty());
}

#[test]
fn a_server_that_goes_away_takes_its_connections_from_their_actors() {
    let group = group();
    let (server, ended) = echo_server(&group);
    let peer = connect(&server);
    peer.send(b"x", LIMIT).unwrap();
    peer.receive_exactly(1, LIMIT).unwrap();
    assert!(server.connections().is_empty() && server.connection(0).is_none());
    assert_eq!((server.accepted(), server.active()), (1, 1));

    server.go_away().unwrap();
    assert_eq!(ended.recv_timeout(LIMIT).unwrap(), End::Closed.to_string());
    assert!(peer.receive_some(1, LIMIT).unwrap_err().is_peer_closed());

    server.come_back().unwrap();
    let peer = connect(&server);
    peer.send(b"y", LIMIT).unwrap();
    assert_eq!(peer.receive_exactly(1, LIMIT).unwrap(), b"y");

    let full = server.fill_queue().unwrap();
    drop(full);
    let peer = connect(&server);
    peer.send(b"z", LIMIT).unwrap();
    assert_eq!(peer.receive_exactly(1, LIMIT).unwrap(), b"z");
    server.close();
    assert_eq!(ended.recv_timeout(LIMIT).unwrap(), End::Closed.to_string());
}

#[test]
fn times_come_in_order_and_not_too_early() {
    let group = group();
    let (done, all) = mpsc::channel();
    for micros in [900, 150, 30_000, 151, 0, 2_000] {
        let done = done.clone();
        let mut time = None;
        group.spawn(Acts(move |turn: &mut Turn<'_>| {
            let Some((due, had_passed)) = time else {
                let due = Instant::now() + Duration::from_micros(micros);
                turn.wake_at(Some(due));
                time = Some((due, Instant::now() >= due));
                return Ok(Next::Wait);
            };
            assert!(Instant::now() >= due);
            done.send((due, had_passed)).unwrap();
            Ok(Next::Done)
        }));
    }
    drop(done);
    let order: Vec<_> = all.iter().collect();
    assert_eq!(order.len(), 6);
    // One that had passed when it was noted may come before others that are due.
    let is_in_order = |two: &[(Instant, bool)]| two[0].0 <= two[1].0 || two[0].1;
    assert!(order.windows(2).all(is_in_order), "{order:?}");
}

#[test]
fn who_finds_more_and_more_to_do_is_not_waited_for_to_keep_up() {
    let group = group();
    let acted = Arc::new(Mutex::new(0));
    let count = Arc::clone(&acted);
    group.spawn(Acts(move |_: &mut Turn<'_>| {
        *count.lock().unwrap() += 1;
        Ok(Next::Again)
    }));
    for _ in 0..100 {
        let before = *acted.lock().unwrap();
        group.keep_up(LIMIT).unwrap();
        assert!(*acted.lock().unwrap() > before);
    }
}

#[test]
fn to_settle_is_to_have_acted_on_all_that_came() {
    let group = group();
    let server = Server::builder().bind().unwrap();
    let received = Arc::new(Mutex::new(0));
    let sum = Arc::clone(&received);
    group.spawn(accepts(&server, move |mut connection: OwnedConnection| {
        let sum = Arc::clone(&sum);
        Acts(move |turn: &mut Turn<'_>| {
            if turn.is_first() {
                turn.register(&mut connection)?;
            }
            // One piece a turn, so that much is left over for others.
            match connection.try_receive(&mut [0; 100]) {
                Tried::Done(count) => {
                    *sum.lock().unwrap() += count;
                    Ok(Next::Again)
                }
                Tried::NotNow => Ok(Next::Wait),
                Tried::Ended(_) => Ok(Next::Done),
            }
        })
    }));
    let peer = connect(&server);
    for round in 1..=200 {
        peer.send(&[1; 2500], LIMIT).unwrap();
        group.settle(LIMIT).unwrap();
        assert_eq!(*received.lock().unwrap(), 2500 * round);
    }
}

#[test]
fn code_that_blocks_is_named_and_waited_for_in_time_only() {
    let group = group();
    let (entered, has_entered) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    group.spawn(Acts(move |turn: &mut Turn<'_>| {
        let panicked = turn.user_code(&"a bad closure".into(), || panic!("oh no"));
        assert_eq!(panicked.unwrap_err().message(), "oh no");
        turn.user_code(&"the closure of `bank`".into(), || {
            entered.send(()).unwrap();
            let _ = released.recv();
        })
        .unwrap();
        Ok(Next::Wait)
    }));
    has_entered.recv_timeout(LIMIT).unwrap();
    let stuck = group.settle(Duration::from_millis(20)).unwrap_err();
    assert_eq!(&*stuck.busy().unwrap().what, "the closure of `bank`");
    assert!(
        stuck
            .to_string()
            .contains("the closure of `bank` has been running for"),
        "{stuck}"
    );
    assert!(group.end(Duration::ZERO).is_err());
    release.send(()).unwrap();
    group.end(LIMIT).unwrap();
    assert!(group.busy().is_none());
}

#[test]
fn an_actor_that_panics_ends_alone() {
    let group = group();
    let (server, _ended) = echo_server(&group);
    struct Drops;
    impl Drop for Drops {
        fn drop(&mut self) {
            panic!("also when it is dropped");
        }
    }
    let drops = Drops;
    group.spawn(Acts(move |_: &mut Turn<'_>| {
        let _keep = &drops;
        panic!("on purpose");
    }));
    let peer = connect(&server);
    peer.send(b"x", LIMIT).unwrap();
    assert_eq!(peer.receive_exactly(1, LIMIT).unwrap(), b"x");
    group.settle(LIMIT).unwrap();
    assert_eq!(group.len(), 2);
}

#[test]
fn an_actor_may_end_its_own_group() {
    let group = Arc::new(group());
    let (done, is_done) = mpsc::channel();
    let own = Arc::downgrade(&group);
    group.spawn(Acts(move |_: &mut Turn<'_>| {
        let group = own.upgrade().unwrap();
        group.settle(LIMIT).unwrap();
        group.end(LIMIT).unwrap();
        done.send(group.len()).unwrap();
        Ok(Next::Wait)
    }));
    assert_eq!(is_done.recv_timeout(LIMIT).unwrap(), 1);
    group.end(LIMIT).unwrap();
    assert!(group.is_empty());
    group.spawn(Acts(|_: &mut Turn<'_>| panic!("it does not act any more")));
    group.settle(LIMIT).unwrap();
}

#[test]
fn an_event_says_of_which_source_it_is() {
    let group = group();
    let server = Server::builder().bind().unwrap();
    let client = Client::builder().port(server.port());
    let mut sources = [Slot::First, Slot::Second]
        .map(|slot| (slot, client.clone().build().connect_owned(LIMIT).unwrap()));
    let (near, far) = (server.accept(LIMIT).unwrap(), server.accept(LIMIT).unwrap());
    let (says, hears) = mpsc::channel();
    let (gives_waker, waker) = mpsc::channel();
    group.spawn(Acts(move |turn: &mut Turn<'_>| {
        if turn.is_first() {
            for (slot, source) in &mut sources {
                turn.register_as(*slot, source)?;
            }
            let _ = gives_waker.send(turn.waker());
        }
        let event = turn.event();
        if event.is_none_or(|event| event.may_receive) {
            let _ = says.send(event.map(|event| (event.slot, event.may_hide_more)));
        }
        Ok(Next::Wait)
    }));
    // The system may report again what it has reported, but nothing else.
    let mut seen = vec![None];
    let mut hears_of = |wanted| {
        loop {
            let heard = hears.recv_timeout(LIMIT).unwrap();
            if heard == wanted {
                break;
            }
            assert!(seen.contains(&heard), "{heard:?} before {wanted:?}");
        }
        seen.push(wanted);
    };
    near.send(b"a", LIMIT).unwrap();
    hears_of(Some((Slot::First, false)));
    far.send(b"b", LIMIT).unwrap();
    hears_of(Some((Slot::Second, false)));
    near.shutdown_write().unwrap();
    hears_of(Some((Slot::First, true)));
    // Who has no event has its turn for another reason.
    waker.recv_timeout(LIMIT).unwrap().wake();
    hears_of(None);
}

/// In a process of its own, where nobody else has a reactor.
#[test]
fn the_thread_ends_with_the_last_handle() {
    if std::env::var_os("STANDIN_ALONE").is_none() {
        let program = std::env::current_exe().unwrap();
        let name = "the_thread_ends_with_the_last_handle";
        let mut alone = std::process::Command::new(program);
        let alone = alone.args(["--exact", name]).env("STANDIN_ALONE", "1");
        let output = alone.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        return;
    }
    if !cfg!(target_os = "linux") {
        return;
    }
    // What this thread waits with stays with it.
    let server = Server::builder().bind().unwrap();
    assert!(server.accept(Duration::from_millis(1)).is_err());
    drop(server);
    for _ in 0..3 {
        let check = LeakCheck::new().unwrap();
        let group = group();
        let (server, _ended) = echo_server(&group);
        let peer = connect(&server);
        peer.send(b"x", LIMIT).unwrap();
        peer.receive_exactly(1, LIMIT).unwrap();
        peer.close();
        drop(group);
        server.close();
        check.finish().unwrap();
    }
}
