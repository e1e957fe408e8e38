//! What is about the whole process: one test, so that no other disturbs it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use standin_reply::{
    Replies, Responder, Seen, Then, WaitError, anything, echo, equals, hold, reply,
};
use standin_socket::framing::Lines;
use standin_socket::{LeakCheck, Server};

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

fn serve(server: &Server) -> Responder {
    let replies = Replies::framed(Lines::new())
        .on("HOLD", hold("it"))
        .on("LATER", reply("later\n").after(Duration::from_secs(3600)))
        .on("STOP", reply("").then(Then::StopReading))
        .on(equals("never").named("never"), echo())
        .on(anything(), echo().framed());
    Responder::serve(server, replies.prepare(&[]).unwrap()).unwrap()
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

#[test]
fn nothing_is_left_and_descriptors_may_run_out() {
    let check = LeakCheck::new().unwrap();
    leaves_nothing();
    check.finish().unwrap();
    runs_out_of_descriptors();
}

/// Whatever conversations are in the middle of when all ends.
fn leaves_nothing() {
    let server = Server::builder().bind().unwrap();
    let responder = serve(&server);
    let mut streams: Vec<_> = (0..20).map(|_| connect(&server)).collect();
    for (stream, word) in streams
        .iter_mut()
        .zip(["HOLD", "LATER", "STOP", "x"].iter().cycle())
    {
        writeln!(stream, "{word}").unwrap();
    }
    responder.wait_until(Seen::frames(20), LIMIT).unwrap();
    let held = responder.held("it", LIMIT).unwrap();
    let kept = responder.held("it", LIMIT).unwrap().take();
    responder.stop(LIMIT).unwrap();
    drop((held, kept));
    // Another one, which is dropped without a stop.
    drop(serve(&server));
}

/// A server that cannot accept says so, and accepts when it can.
fn runs_out_of_descriptors() {
    let server = Server::builder().bind().unwrap();
    let responder = serve(&server);
    let mut early = connect(&server);
    responder.wait_until(Seen::connections(1), LIMIT).unwrap();
    let (soft, hard) = rlimit::Resource::NOFILE.get().unwrap();
    rlimit::Resource::NOFILE.set(200, hard).unwrap();
    let mut all = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        all.push(file);
    }
    // The last one is that of the peer's own end.
    drop(all.pop());
    let mut late = connect(&server);
    let error = responder
        .wait_until(Seen::rule("never"), LIMIT)
        .unwrap_err();
    assert!(matches!(error, WaitError::Unexpected(_)), "{error}");
    assert!(error.to_string().contains("cannot accept"), "{error}");
    drop(all);
    rlimit::Resource::NOFILE.set(soft, hard).unwrap();
    for stream in [&mut early, &mut late] {
        stream.write_all(b"line\n").unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"line\n");
    }
}
