//! A capture of what was said over TLS decrypts in tshark.

use std::process::Command;
use std::time::Duration;

use standin::tls::Version;
use standin::{Environment, Result, TcpClient, TcpServer, Tls};

use crate::program::find;

const LIMIT: Duration = Duration::from_secs(10);

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

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("capture.pcapng");
        std::fs::write(&file, env.transcript().to_pcapng()).unwrap();
        let port = server.port().unwrap();
        let output = Command::new(&tshark)
            .arg("-r")
            .arg(&file)
            .args(["-n", "-d", &format!("tcp.port=={port},tls")])
            .args(["-d", &format!("tls.port=={port},http")])
            .args(["-Y", "http", "-T", "fields", "-e", "http.request.uri"])
            .args(["-e", "http.response.code", "-e", "tls.record.version"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("/balance/4711"), "{version}: {said}{errors}");
        assert!(said.contains("200"), "{version}: {said}{errors}");
        assert!(said.contains("0x0303"), "as it was on the wire: {said}");
        // The text says what was said.
        let text = env.transcript().text().to_string();
        assert!(text.contains("GET /balance/4711"), "{text}");
        env.stop()?;
    }
    Ok(())
}
