//! A `TcpClient` with each defect, against real servers that ask their clients for certificates:
//! what they make of it is what the guide's table names.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use standin::{Defect, Environment, Result, TcpClient, Tls};
use test_port::TestPort;

use crate::matrix;
use crate::program::{Program, find};
use crate::servers::{nginx, s_server};

/// How long a client keeps at it that does not come to an end. The servers that have a limit were
/// given a shorter one.
const LIMIT: Duration = Duration::from_secs(3);

/// Lets a client without defects, which the server must like, and one with each of them talk to it:
/// the server must log, or tell the client, what the guide has in that column. `start` starts the
/// server with `bank.pem`, `bank.key`, `ca.pem` and `crl.pem` in its folder, and waits for it.
fn check(column: &str, start: impl Fn(&Path, u16, Option<Defect>) -> Program) -> Result<()> {
    for defect in std::iter::once(None).chain(Defect::ALL.map(Some)) {
        let mut tls = Tls::new().server_name("bank.test");
        tls.defect = defect;
        if let Some(Defect::Silent | Defect::Dribble) = defect {
            tls = tls.handshake_limit(LIMIT);
        }
        let port = TestPort::claim();
        let client = TcpClient::builder("client")
            .host("127.0.0.1")
            .port(port.number())
            .connect_at_start(false)
            .tls(tls);
        let mut env = Environment::new("clients");
        let client = env.add(client.build()?)?;
        let _env = env.start()?;
        let folder = tempfile::tempdir().unwrap();
        let authority = client.authority()?;
        let identity = authority.issue(["bank.test"])?;
        for (name, text) in [
            ("bank.pem", identity.certificate_pem()),
            ("bank.key", identity.key_pem()),
            ("ca.pem", authority.certificate_pem().to_owned()),
            ("crl.pem", authority.revoked_pem()?),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut server = start(folder.path(), port.number(), defect);
        let outcome = client.connect().and_then(|connection| {
            connection.send_text("GET / HTTP/1.0\r\n\r\n")?;
            let answer = connection.receive_some(4096);
            connection.close();
            answer
        });
        let told = outcome.as_ref().err().map(|error| format!("{error:?}"));
        let told = told.unwrap_or_default();
        let cell = defect.map_or("notices nothing".to_owned(), |defect| {
            matrix::cell(defect.name(), column)
        });
        match cell.as_str() {
            "notices nothing" => assert!(outcome.is_ok(), "{defect:?}: {told}"),
            "waits" => assert!(told.contains("had waited for 3s"), "{defect:?}: {told}"),
            text => {
                let text = text.trim_matches('`');
                assert!(
                    told.contains(text) || server.wait_for(text).is_some(),
                    "{defect:?}: expected {text:?}, the client was told: {told}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn openssls_server_refuses_each_defect() -> Result<()> {
    if find("openssl").is_none() {
        return Ok(());
    }
    check("openssl s_server", |folder, port, defect| {
        let mut options = vec!["-CAfile", "ca.pem", "-Verify", "1", "-verify_return_error"];
        options.extend(["-alpn", "h2"]);
        match defect {
            Some(Defect::Revoked) => options.extend(["-crl_check", "-CRL", "crl.pem"]),
            Some(Defect::Tls12Only) => options.push("-tls1_3"),
            _ => options.extend(["-min_protocol", "TLSv1.2"]),
        }
        s_server(folder, port, &options)
    })
}

#[test]
fn nginx_refuses_each_defect() -> Result<()> {
    let Some(program) = find("nginx") else {
        return Ok(());
    };
    check("nginx", |folder, port, defect| {
        let protocols = match defect {
            Some(Defect::Tls12Only) => "TLSv1.3",
            _ => "TLSv1.2 TLSv1.3",
        };
        let crl = match defect {
            Some(Defect::Revoked) => "ssl_crl crl.pem;",
            _ => "",
        };
        let options = format!(
            "ssl_protocols {protocols}; client_header_timeout 1s; {crl}\n\
             ssl_verify_client on; ssl_client_certificate ca.pem;"
        );
        nginx(&program, folder, port, "ssl http2", &options)
    })
}

#[test]
fn redis_refuses_each_defect() -> Result<()> {
    let Some(redis) = find("redis-server") else {
        return Ok(());
    };
    check("redis", |folder, port, defect| {
        let mut command = Command::new(&redis);
        command
            .args(["--port", "0", "--tls-port", &port.to_string()])
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--loglevel", "verbose", "--timeout", "1"])
            .args(["--tls-cert-file", "bank.pem", "--tls-key-file", "bank.key"])
            .args(["--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "yes"])
            .current_dir(folder);
        if defect == Some(Defect::Tls12Only) {
            command.args(["--tls-protocols", "TLSv1.3"]);
        }
        let mut program = Program::spawn("redis-server", &mut command);
        let is_ready = program.wait_for("Ready to accept connections").is_some();
        assert!(is_ready, "it has ended, or was built without TLS");
        program
    })
}
