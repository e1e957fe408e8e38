//! A capture of what was said over TLS decrypts in tshark.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use standin::tls::{Connector, Version};
use standin::{Environment, Result, RunningEnvironment, TcpClient, TcpServer, Tls};

use crate::program::find;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_capture_of_a_conversation_over_tls_decrypts_in_tshark() -> Result<()> {
    let Some(tshark) = find("tshark") else {
        return Ok(());
    };
    for version in Version::ALL {
        let mut env = Environment::new("capture");
        let tls = Tls::new().versions([version]);
        let server = env.add(TcpServer::builder("web").tls(tls).build()?)?;
        let client = TcpClient::builder("client")
            .connect_to("web")
            .tls(Tls::new());
        let client = env.add(client.build()?)?;
        let env = env.start()?;
        client.send_text("GET /balance/4711 HTTP/1.1\r\nHost: web\r\n\r\n")?;
        let peer = server.accept_connection(LIMIT)?;
        peer.receive_until(b"\r\n\r\n")?;
        peer.send_text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n42.00")?;
        client.receive_until(b"42.00")?;
        client.close();
        peer.receive_to_end()?;

        let said = requests(&tshark, &env, server.port().unwrap());
        assert!(said.contains("/balance/4711"), "{version}: {said}");
        assert!(said.contains("200"), "{version}: {said}");
        assert!(said.contains("0x0303"), "as it was on the wire: {said}");
        // The text says what was said.
        let text = env.transcript().text().to_string();
        assert!(text.contains("GET /balance/4711"), "{text}");
        env.stop()?;
    }
    Ok(())
}

/// What tshark finds of HTTP over TLS in the capture of an environment.
fn requests(tshark: &Path, env: &RunningEnvironment, port: u16) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("capture.pcapng");
    std::fs::write(&file, env.transcript().to_pcapng()).unwrap();
    let output = Command::new(tshark)
        .arg("-r")
        .arg(&file)
        .args(["-n", "-d", &format!("tcp.port=={port},tls")])
        .args(["-d", &format!("tls.port=={port},http")])
        .args(["-Y", "http", "-T", "fields", "-e", "http.request.uri"])
        .args(["-e", "http.response.code", "-e", "tls.record.version"])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

/// A client that does not wait for the answer: what begins TLS comes in one piece with the command
/// before it, and is read with that.
#[test]
fn a_client_may_begin_tls_in_one_piece_with_the_command() -> Result<()> {
    let mut env = Environment::new("early");
    let server = env.add(TcpServer::builder("web").build()?)?;
    let env = env.start()?;
    let port = server.port().unwrap();
    let tls = Tls::new();
    let connector = Connector::new(&tls, "localhost", &[], &server.authority()?, None)?;
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut handshake = connector.handshake().unwrap();
        let begin = [b"STARTTLS\r\n", &handshake.take_output()[..]].concat();
        stream.write_all(&begin).unwrap();
        let mut bytes = [0; 4096];
        while !handshake.is_done() {
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "the server has closed the connection");
            handshake.read(&mut &bytes[..count]).unwrap();
        }
        let mut output = handshake.take_output();
        let mut session = handshake.into_session().unwrap();
        session.write_plain(b"GET /early HTTP/1.1\r\nHost: web\r\n\r\n");
        session.write_wire(&mut output).unwrap();
        stream.write_all(&output).unwrap();
        stream
    });
    let peer = server.accept_connection(LIMIT)?;
    assert_eq!(peer.receive_line_text()?, "STARTTLS");
    peer.start_tls()?;
    let request = peer.receive_until(b"\r\n\r\n")?;
    assert!(
        request.starts_with(b"GET /early"),
        "{}",
        request.escape_ascii()
    );
    drop(client.join().unwrap());

    // The capture has the piece as it was, once, and what was on the wire after it.
    let capture = env.transcript().to_pcapng();
    let occurs = |bytes: &[u8]| capture.windows(bytes.len()).filter(|w| *w == bytes).count();
    assert_eq!(occurs(b"STARTTLS\r\n\x16\x03\x01"), 1);
    assert_eq!(occurs(b"GET /early"), 0, "it was encrypted");
    let text = env.transcript().text().to_string();
    assert!(text.contains("GET /early"), "{text}");
    Ok(env.stop()?)
}

/// What was put in front of the handshake is not taken for said over TLS.
#[test]
fn what_is_sent_before_the_handshake_is_refused() -> Result<()> {
    let mut env = Environment::new("injected");
    let server = env.add(TcpServer::builder("mail").build()?)?;
    let client = env.add(TcpClient::builder("client").connect_to("mail").build()?)?;
    let env = env.start()?;
    let (near, far) = (client.connection()?, server.accept_connection(LIMIT)?);
    near.send_text("STARTTLS\r\nRSET\r\n")?;
    assert_eq!(far.receive_line_text()?, "STARTTLS");
    far.start_tls()?;
    near.start_tls()?;
    let error = format!("{:?}", far.receive_line().unwrap_err());
    let reason = "the client does not speak TLS: it sent \"RSET\\r\\n";
    assert!(error.contains(reason), "{error}");
    assert!(
        near.send_text("MAIL FROM:<a@b>\r\n")
            .and_then(|_| near.receive_line())
            .is_err()
    );
    drop(env.stop());
    Ok(())
}
