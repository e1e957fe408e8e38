//! What becomes of each defect when rustls is on the other side.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod common;

use common::{both, meet, said, sides, written};
use standin_tls::{Authority, ClientAuth, Defect, Plain, Side, Tls, TlsError, Version};

/// What the client makes of a server with this defect.
#[track_caller]
fn refused_by_client(defect: Defect) -> (TlsError, TlsError) {
    let (server, client) = both(Tls::new().defect(defect), Tls::new());
    match (server, client) {
        (Err(server), Err(client)) => (server, client),
        (Err(server), Ok(_)) => panic!("the client noticed nothing; the server: {server}"),
        // The client has refused, and the server learns of it by an alert.
        (Ok(_), client) => panic!("the server noticed nothing; the client: {client:?}"),
    }
}

#[track_caller]
fn check_certificate(defect: Defect, reason: &str, alert: &str) {
    let (server, client) = refused_by_client(defect);
    let (server, client) = (server.to_string(), client.to_string());
    assert!(client.contains(reason), "{client}");
    assert!(
        client.starts_with("this side refused the certificate of the server: it"),
        "{client}"
    );
    let ended = format!("the client ended the handshake with alert {alert}");
    assert!(server.starts_with(&ended), "{server}");
    assert!(server.contains("after it saw the certificate"), "{server}");
}

#[test]
fn a_certificate_that_has_expired_is_refused() {
    check_certificate(
        Defect::Expired,
        "it has expired; it was valid until",
        "certificate_expired",
    );
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_refused() {
    check_certificate(
        Defect::NotYetValid,
        "it is not valid before",
        "certificate_expired",
    );
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let name = "it is not for \"bank.test\"; it showed \"wrong-name.invalid\"";
    let (server, client) = refused_by_client(Defect::WrongName);
    assert!(client.to_string().contains(name), "{client}");
    assert!(
        server.to_string().contains("alert bad_certificate (42)"),
        "{server}"
    );
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused() {
    let (server, client) = refused_by_client(Defect::Untrusted);
    let client = client.to_string();
    assert!(client.contains("standin nobody-knows"), "{client}");
    assert!(server.to_string().contains("unknown_ca (48)"), "{server}");
}

#[test]
fn a_certificate_that_nobody_else_has_signed_is_refused() {
    check_certificate(Defect::SelfSigned, "it is self-signed", "unknown_ca");
}

#[test]
fn a_certificate_without_the_one_in_between_is_refused() {
    let (server, client) = refused_by_client(Defect::NoIntermediate);
    let client = client.to_string();
    assert!(client.contains("intermediate"), "{client}");
    assert!(
        client.contains("no intermediate certificate was sent"),
        "{client}"
    );
    assert!(server.to_string().contains("unknown_ca (48)"), "{server}");
}

#[test]
fn a_certificate_that_is_revoked_is_refused() {
    check_certificate(
        Defect::Revoked,
        "its authority has revoked it",
        "certificate_revoked",
    );
}

/// On either side, and whenever that was.
#[test]
fn a_certificate_that_is_revoked_later_is_refused() {
    let authority = Authority::new("test").unwrap();
    let strict = Tls::new().client_auth(ClientAuth::Required);
    let (acceptor, connector) = sides(&strict, &Tls::new(), &authority);
    let revoked = Tls::new().defect(Defect::Revoked);
    let (revoked_acceptor, revoked_connector) = sides(&revoked, &revoked, &authority);
    for (server, client) in [
        meet(&acceptor, &revoked_connector),
        meet(&revoked_acceptor, &connector),
    ] {
        let errors = [server.err(), client.err()].into_iter().flatten();
        let errors: Vec<_> = errors.map(|error| error.to_string()).collect();
        let reason = "its authority has revoked it";
        assert!(
            errors.iter().any(|error| error.contains(reason)),
            "{errors:?}"
        );
    }
}

/// Only the one that has the defect.
#[test]
fn other_certificates_of_an_authority_that_revokes_are_accepted() {
    let authority = Authority::new("test").unwrap();
    let revoked = Tls::new().defect(Defect::Revoked);
    drop(sides(&revoked, &Tls::new(), &authority));
    let (acceptor, connector) = sides(&Tls::new(), &Tls::new(), &authority);
    let (server, client) = meet(&acceptor, &connector);
    assert!(server.is_ok() && client.is_ok());
    assert!(authority.revoked_pem().unwrap().contains("X509 CRL"));
}

#[test]
fn one_that_speaks_tls_1_2_only_is_refused_by_who_wants_more() {
    let old = Tls::new().defect(Defect::Tls12Only);
    let (server, client) = both(old.clone(), Tls::new().versions([Version::Tls13]));
    let server = server.unwrap_err().to_string();
    assert_eq!(
        server,
        "the two sides have no version of TLS in common: the client offered TLS 1.3, the server \
         supports TLS 1.2"
    );
    let client = client.unwrap_err().to_string();
    let alert = "the server ended the handshake with alert protocol_version (70): it supports \
                 none of the offered versions of TLS";
    assert_eq!(client, alert);

    let (server, client) = both(old, Tls::new());
    assert_eq!(server.unwrap().info().version, Version::Tls12);
    assert_eq!(client.unwrap().info().version, Version::Tls12);
}

#[test]
fn one_that_speaks_tls_1_0_is_refused() {
    let (server, client) = refused_by_client(Defect::OldProtocol);
    let client = client.to_string();
    assert!(client.contains("no version of TLS in common"), "{client}");
    assert!(
        server.to_string().contains("protocol_version (70)"),
        "{server}"
    );
    assert_eq!(server.alert().unwrap().name(), "protocol_version");
}

#[test]
fn one_that_speaks_no_protocol_of_the_client_is_refused() {
    let server = Tls::new().defect(Defect::NoAlpnOverlap);
    let (server, client) = both(server, Tls::new().alpn(["h2", "http/1.1"]));
    let (server, client) = (
        server.unwrap_err().to_string(),
        client.unwrap_err().to_string(),
    );
    assert!(
        server.contains(
            "no protocol (ALPN) in common: the client offered h2, http/1.1, the server supports \
             standin-speaks-nothing-else"
        ),
        "{server}"
    );
    assert!(client.contains("no_application_protocol (120)"), "{client}");
}

#[test]
fn one_that_speaks_no_tls_is_refused() {
    let (server, client) = refused_by_client(Defect::Plaintext);
    let client = client.to_string();
    assert!(
        client.starts_with("the server does not speak TLS: it sent \"HTTP/1.1 400 Bad Request\\r"),
        "{client}"
    );
    let server = server.to_string();
    assert!(server.contains("the defect \"plaintext\""), "{server}");
}

#[test]
fn one_that_is_silent_is_waited_for_until_the_time_is_up() {
    let (server, client) = refused_by_client(Defect::Silent);
    let client = client.to_string();
    assert_eq!(
        client,
        "the handshake did not finish within 10s: the server had sent 0 bytes"
    );
    assert!(server.to_string().contains("\"silent\""), "{server}");
}

#[test]
fn one_that_dribbles_pauses_after_each_byte_of_the_handshake() {
    let authority = Authority::new("test").unwrap();
    let (acceptor, connector) = sides(&Tls::new().defect(Defect::Dribble), &Tls::new(), &authority);
    assert!(acceptor.handshake().unwrap().pause().is_some());
    assert!(connector.handshake().unwrap().pause().is_none());
    let (server, client) = meet(&acceptor, &connector);
    assert!(server.is_ok() && client.is_ok());
}

#[test]
fn a_record_with_a_wrong_bit_is_refused() {
    let (server, client) = both(Tls::new().defect(Defect::BadRecord), Tls::new());
    let (mut server, mut client) = (server.unwrap(), client.unwrap());
    let wire = said(&mut server, b"hello");
    let error = client.read_wire(&mut &wire[..]).unwrap_err();
    assert!(
        matches!(error, TlsError::BadRecord { peer: Side::Server }),
        "{error}"
    );
    // Now and every time after.
    assert!(client.read_wire(&mut &[][..]).is_err());

    let alert = written(&mut client);
    let error = server.read_wire(&mut &alert[..]).unwrap_err().to_string();
    assert!(
        error.contains("ended the connection with alert bad_record_mac (20)"),
        "{error}"
    );
}

#[test]
fn one_that_closes_in_the_handshake_is_reported() {
    let (server, client) = refused_by_client(Defect::CutInHandshake);
    let client = client.to_string();
    assert!(
        client.starts_with("the server closed the connection during the handshake, after"),
        "{client}"
    );
    assert!(
        server.to_string().contains("\"cut-in-handshake\""),
        "{server}"
    );
}

#[test]
fn one_that_does_not_say_that_nothing_is_missing_is_reported() {
    for defect in [None, Some(Defect::NoCloseNotify)] {
        let mut tls = Tls::new();
        tls.defect = defect;
        let (server, client) = both(tls, Tls::new());
        let (mut server, mut client) = (server.unwrap(), client.unwrap());
        let mut wire = said(&mut server, b"bye");
        server.close();
        wire.extend(written(&mut server));
        let (mut rest, mut bytes) = (&wire[..], [0; 16]);
        client.read_wire(&mut rest).unwrap();
        assert_eq!(client.read_plain(&mut bytes), Plain::Bytes(3));
        client.read_wire(&mut rest).unwrap();
        assert!(rest.is_empty());
        match defect {
            None => {
                assert_eq!(client.read_plain(&mut bytes), Plain::Ended);
                client.wire_ended().unwrap();
            }
            Some(_) => {
                assert_eq!(client.read_plain(&mut bytes), Plain::Nothing);
                let error = client.wire_ended().unwrap_err();
                assert!(matches!(error, TlsError::Truncated { .. }), "{error}");
            }
        }
    }
}

/// A client may have them, too: a server that asks for certificates has to look at them.
#[test]
fn a_client_with_a_defective_certificate_is_refused() {
    let reasons = [
        (Defect::Expired, "it has expired"),
        (Defect::NotYetValid, "it is not valid before"),
        (Defect::Untrusted, "not trusted"),
        (Defect::SelfSigned, "it is self-signed"),
        (Defect::NoIntermediate, "no intermediate certificate"),
        (Defect::Revoked, "its authority has revoked it"),
    ];
    for (defect, reason) in reasons {
        let strict = Tls::new().client_auth(ClientAuth::Required);
        let (server, _) = both(strict, Tls::new().defect(defect));
        let error = server.unwrap_err().to_string();
        let begin = "this side refused the certificate of the client: ";
        assert!(
            error.starts_with(begin) && error.contains(reason),
            "{error}"
        );
    }
}

#[test]
fn a_client_with_a_defect_in_what_it_says_is_refused() {
    let found = [
        (
            Defect::Plaintext,
            "the client does not speak TLS: it sent \"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n\"",
        ),
        (Defect::OldProtocol, "the client offered TLS 1.0"),
        (
            Defect::CutInHandshake,
            "the client closed the connection during the handshake",
        ),
        (Defect::Silent, "the client had sent 0 bytes"),
    ];
    for (defect, what) in found {
        let (server, client) = both(Tls::new(), Tls::new().defect(defect));
        let error = server.unwrap_err().to_string();
        assert!(error.contains(what), "{defect}: {error}");
        assert!(client.is_err(), "{defect}");
    }
}

#[test]
fn every_name_is_found_again() {
    for defect in Defect::ALL {
        assert_eq!(defect.name().parse::<Defect>().unwrap(), defect);
    }
    let error = "expierd".parse::<Defect>().unwrap_err();
    assert_eq!(error.to_string(), "\"expierd\" is not a defect");
}
