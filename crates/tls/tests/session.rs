//! Two sides that agree: on what, and what they say then.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod common;

use std::sync::{Arc, Mutex};

use common::{HOST, both, meet, said, sides};
use standin_tls::{Acceptor, Authority, ClientAuth, Connector, Plain, Tls, TlsError, Version};

#[test]
fn both_sides_know_what_they_have_agreed_on() {
    for version in Version::ALL {
        let server = Tls::new().alpn(["h2", "http/1.1"]).versions([version]);
        let (server, client) = both(server, Tls::new().alpn(["http/1.1"]));
        let (server, client) = (server.unwrap(), client.unwrap());
        for info in [server.info(), client.info()] {
            assert_eq!(info.version, version);
            assert_eq!(info.server_name.as_deref(), Some(HOST));
            assert_eq!(info.alpn.as_deref(), Some("http/1.1"));
            assert!(info.cipher.starts_with("TLS_"), "{}", info.cipher);
            assert!(!info.is_resumed);
        }
        assert!(server.info().peer_certificate().is_none());
        let certificate = client.info().peer_certificate().unwrap();
        assert_eq!(certificate.names, [HOST, "127.0.0.1"]);
        assert!(certificate.issuer.starts_with("CN=standin test "));
    }
}

#[test]
fn a_client_shows_its_certificate_when_it_is_asked() {
    for auth in [ClientAuth::Optional, ClientAuth::Required] {
        let (server, client) = both(Tls::new().client_auth(auth), Tls::new());
        assert!(client.is_ok());
        let server = server.unwrap();
        let certificate = server.info().peer_certificate().unwrap();
        assert_eq!(certificate.names, ["client.test"]);
    }
}

#[test]
fn a_client_without_a_certificate_is_let_in_unless_it_is_required() {
    let shy = || Tls::new().shows_certificate(false);
    let (server, client) = both(Tls::new().client_auth(ClientAuth::Optional), shy());
    assert!(client.is_ok());
    assert!(server.unwrap().info().peer_certificate().is_none());

    let strict = Tls::new().client_auth(ClientAuth::Required);
    let (server, _) = both(strict.clone().versions([Version::Tls12]), shy());
    let error = server.unwrap_err();
    assert!(matches!(error, TlsError::NoCertificateShown), "{error}");

    // With TLS 1.3 the client is done before the server looks, and learns of it later.
    let authority = Authority::new("test").unwrap();
    let (acceptor, connector) = sides(&strict, &shy(), &authority);
    let (mut server, mut client) = (
        acceptor.handshake().unwrap(),
        connector.handshake().unwrap(),
    );
    server.read(&mut &client.take_output()[..]).unwrap();
    client.read(&mut &server.take_output()[..]).unwrap();
    assert!(client.is_done());
    assert!(server.read(&mut &client.take_output()[..]).is_err());
    let mut client = client.into_session().unwrap();
    let error = client
        .read_wire(&mut &server.take_output()[..])
        .unwrap_err();
    assert!(
        error.to_string().contains("certificate_required (116)"),
        "{error}"
    );
}

#[test]
fn what_one_says_the_other_receives_however_the_wire_cuts_it() {
    let (server, client) = both(Tls::new(), Tls::new());
    let (mut server, mut client) = (server.unwrap(), client.unwrap());
    let long: Vec<u8> = (0..100_000_u32).map(|i| i as u8).collect();
    for size in [1, 7, 4096, usize::MAX] {
        let wire = said(&mut client, &long);
        let mut received = Vec::new();
        for mut piece in wire.chunks(size) {
            loop {
                server.read_wire(&mut piece).unwrap();
                let mut bytes = [0; 1000];
                match server.read_plain(&mut bytes) {
                    Plain::Bytes(count) => received.extend_from_slice(&bytes[..count]),
                    Plain::Nothing if piece.is_empty() => break,
                    Plain::Nothing => {}
                    Plain::Ended => panic!("it has not ended"),
                }
            }
        }
        assert!(received == long);
    }
}

#[test]
fn a_session_is_resumed_unless_it_must_not_be() {
    for (resumption, version) in [
        (true, Version::Tls12),
        (true, Version::Tls13),
        (false, Version::Tls13),
    ] {
        let authority = Authority::new("test").unwrap();
        let server = Tls::new().resumption(resumption).versions([version]);
        let (acceptor, connector) = sides(&server, &Tls::new(), &authority);
        let (server, client) = meet(&acceptor, &connector);
        let (mut server, mut client) = (server.unwrap(), client.unwrap());
        // With it come the tickets.
        let wire = said(&mut server, b"hello");
        client.read_wire(&mut &wire[..]).unwrap();
        let (server, client) = meet(&acceptor, &connector);
        assert_eq!(server.unwrap().info().is_resumed, resumption);
        assert_eq!(client.unwrap().info().is_resumed, resumption);
    }
}

#[test]
fn a_client_that_does_not_verify_takes_any_certificate() {
    let server = Tls::new().defect(standin_tls::Defect::WrongName);
    let (server, client) = both(server, Tls::new().verify(false));
    assert!(server.is_ok() && client.is_ok());
}

#[test]
fn secrets_come_as_lines_of_a_key_log() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let authority = Authority::new("test").unwrap();
    let kept = Arc::clone(&lines);
    let on_secret = Arc::new(move |line: &str| kept.lock().unwrap().push(line.to_owned()));
    let acceptor = Acceptor::new(&Tls::new(), &[HOST], &authority, Some(on_secret)).unwrap();
    let connector = Connector::new(&Tls::new(), HOST, &[], &authority, None).unwrap();
    let (server, client) = meet(&acceptor, &connector);
    assert!(server.is_ok() && client.is_ok());
    let lines = lines.lock().unwrap();
    let labels: Vec<_> = lines.iter().map(|l| l.split(' ').next().unwrap()).collect();
    assert!(labels.contains(&"CLIENT_TRAFFIC_SECRET_0"), "{labels:?}");
    assert!(
        lines.iter().all(|line| line.split(' ').count() == 3),
        "{lines:?}"
    );
}

#[test]
fn a_handshake_says_what_was_offered() {
    let authority = Authority::new("test").unwrap();
    let (acceptor, connector) = sides(&Tls::new(), &Tls::new().alpn(["h2"]), &authority);
    let (mut server, mut client) = (
        acceptor.handshake().unwrap(),
        connector.handshake().unwrap(),
    );
    let hello = client.take_output();
    for byte in hello {
        assert!(server.offer().is_none());
        server.read(&mut &[byte][..]).unwrap();
    }
    let offer = server.offer().unwrap();
    assert_eq!(offer.versions, ["TLS 1.3", "TLS 1.2"]);
    assert_eq!(offer.server_name.as_deref(), Some(HOST));
    assert_eq!(offer.alpn, ["h2"]);
    let error = server.timed_out().to_string();
    assert!(
        error.contains("; the client offered TLS 1.3, TLS 1.2, "),
        "{error}"
    );
    assert!(
        error.contains("the server name \"bank.test\", the protocols h2 (ALPN)"),
        "{error}"
    );
}
