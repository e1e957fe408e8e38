//! What it costs that everything is recorded: ours with recording, next to ours without.

use standin_record::Recorder;
use standin_socket::{Client, Server};

use super::{
    Figure, Outcome,
    measure::in_turn,
    socket::{
        BULK_ROUNDS, LIMIT, OurPair, memory_in_child, memory_per_connection, our_bulk,
        our_one_thread, our_two_threads,
    },
};

/// Both ends of a connection, both recorded or neither.
fn pair(recorder: Option<&Recorder>) -> Outcome<OurPair> {
    let mut server = Server::builder().host("127.0.0.1");
    if let Some(recorder) = recorder {
        server = server.record(recorder.driver("server"));
    }
    let server = server.bind()?;
    let mut client = Client::builder().host("127.0.0.1").port(server.port());
    if let Some(recorder) = recorder {
        client = client.record(recorder.driver("client"));
    }
    let near = client.build().connect(LIMIT)?;
    let far = server.accept(LIMIT)?;
    Ok((near, far, server))
}

/// As `roundtrip_one_thread`. Both ends are recorded, so that a round trip has four records.
pub(crate) fn roundtrip_one_thread() -> Outcome<Figure> {
    let recorder = Recorder::new("bench");
    let (recorded, plain) = (pair(Some(&recorder))?, pair(None)?);
    let [recorded, plain] = in_turn(
        301,
        [&mut || our_one_thread(&recorded), &mut || {
            our_one_thread(&plain)
        }],
    )?;
    Ok(Figure::compared(
        "roundtrip_recorded",
        recorded,
        plain,
        "µs",
    ))
}

/// As `roundtrip_two_threads`.
pub(crate) fn roundtrip_two_threads() -> Outcome<Figure> {
    let recorder = Recorder::new("bench");
    let [recorded, plain] = in_turn(
        201,
        [&mut || our_two_threads(pair(Some(&recorder))?), &mut || {
            our_two_threads(pair(None)?)
        }],
    )?;
    Ok(Figure::compared(
        "roundtrip_recorded_two_threads",
        recorded,
        plain,
        "µs",
    ))
}

/// As `bulk_send`.
pub(crate) fn bulk_send() -> Outcome<Figure> {
    let recorder = Recorder::new("bench");
    let [recorded, plain] = in_turn(
        BULK_ROUNDS,
        [&mut || our_bulk(pair(Some(&recorder))?), &mut || {
            our_bulk(pair(None)?)
        }],
    )?;
    Ok(Figure::compared(
        "bulk_send_recorded",
        recorded,
        plain,
        "GB/s",
    ))
}

/// As `many_memory_per_connection`.
pub(crate) fn memory() -> Outcome<Figure> {
    memory_in_child("recorded_memory_per_connection", || {
        let recorder = Recorder::new("bench");
        memory_per_connection(Server::builder().record(recorder.driver("server")))
    })
}
