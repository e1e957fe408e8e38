//! Real servers with certificates that are not in order, and with defects of other kinds, against a
//! `TcpClient`: it refuses each for the reason that the guide's table names.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use standin::tls::{Authority, Identity, Version};
use standin::{ClientAuth, Defect, Environment, Result, RunningEnvironment, TcpClient, Tls};
use test_port::TestPort;

use crate::matrix;
use crate::program::{Program, find};

/// Those that a certificate can have.
const OF_CERTIFICATES: [Defect; 7] = [
    Defect::Expired,
    Defect::NotYetValid,
    Defect::WrongName,
    Defect::Untrusted,
    Defect::SelfSigned,
    Defect::NoIntermediate,
    Defect::Revoked,
];

/// A client that has not connected yet, and the port of a server that has not started.
struct Trial {
    _env: RunningEnvironment,
    client: Arc<TcpClient>,
    port: TestPort,
    folder: tempfile::TempDir,
}

impl Trial {
    fn new(tls: Tls) -> Result<Trial> {
        let port = TestPort::claim();
        let client = TcpClient::builder("client")
            .host("127.0.0.1")
            .port(port.number())
            .connect_at_start(false)
            .tls(tls.server_name("bank.test"));
        let mut env = Environment::new("servers");
        let client = env.add(client.build()?)?;
        Ok(Trial {
            _env: env.start()?,
            client,
            port,
            folder: tempfile::tempdir().unwrap(),
        })
    }

    fn authority(&self) -> Authority {
        self.client.authority().unwrap()
    }

    /// Writes the certificate and the key of the server.
    fn write(&self, identity: &Identity) {
        fs::write(
            self.folder.path().join("bank.pem"),
            identity.certificate_pem(),
        )
        .unwrap();
        fs::write(self.folder.path().join("bank.key"), identity.key_pem()).unwrap();
        let ca = self.authority();
        fs::write(self.folder.path().join("ca.pem"), ca.certificate_pem()).unwrap();
    }
}

/// The server with a certificate in order, and with each that is not. `start` starts it with
/// `bank.pem`, `bank.key` and `ca.pem` in its folder, and waits for it.
fn check(start: impl Fn(&Path, u16) -> Program) -> Result<()> {
    let trial = Trial::new(Tls::new())?;
    trial.write(&trial.authority().issue(["bank.test"]).unwrap());
    let server = start(trial.folder.path(), trial.port.number());
    let connection = trial.client.connect()?;
    assert_eq!(connection.tls()?.version, Version::Tls13);
    connection.close();
    drop(server);
    for defect in OF_CERTIFICATES {
        let trial = Trial::new(Tls::new())?;
        let identity = trial.authority().issue_defective(["bank.test"], defect);
        trial.write(&identity.unwrap());
        let _server = start(trial.folder.path(), trial.port.number());
        let error = trial.client.connect().unwrap_err().to_string();
        let expected = matrix::cell(defect.name(), "TcpClient");
        let expected = expected.trim_matches('`');
        assert!(
            error.contains(expected),
            "{defect}: expected {expected:?}: {error}"
        );
    }
    Ok(())
}

/// Starts `openssl s_server` and waits for it.
pub(crate) fn s_server(folder: &Path, port: u16, options: &[&str]) -> Program {
    let mut command = Command::new("openssl");
    command
        .args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-www"])
        .args(["-cert", "bank.pem", "-key", "bank.key"])
        .args(options)
        .current_dir(folder);
    let mut program = Program::spawn("openssl", &mut command);
    assert!(program.wait_for("ACCEPT").is_some(), "it has ended");
    program
}

/// Starts nginx with one server, and waits for it. It logs what its clients do wrong.
pub(crate) fn nginx(
    program: &Path,
    folder: &Path,
    port: u16,
    listens: &str,
    options: &str,
) -> Program {
    let text = format!(
        "daemon off; pid nginx.pid; error_log stderr info; worker_processes 1;\nevents {{}}\n\
         http {{ access_log off; server {{ listen 127.0.0.1:{port} {listens};\n\
         ssl_certificate bank.pem; ssl_certificate_key bank.key; {options} }} }}\n"
    );
    let config = folder.join("nginx.conf");
    fs::write(&config, text).unwrap();
    let mut command = Command::new(program);
    command
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(&config)
        .args(["-e", "stderr"]);
    let mut program = Program::spawn("nginx", &mut command);
    let is_ready = program.wait_for("start worker process ").is_some();
    assert!(is_ready, "it has ended");
    program
}

#[test]
fn openssls_server_is_refused_for_its_certificate() -> Result<()> {
    if find("openssl").is_none() {
        return Ok(());
    }
    check(|folder, port| s_server(folder, port, &[]))
}

#[test]
fn openssls_server_is_refused_for_its_versions_and_protocols() -> Result<()> {
    if find("openssl").is_none() {
        return Ok(());
    }
    let refused = |tls: Tls, options: &[&str]| -> Result<String> {
        let trial = Trial::new(tls)?;
        trial.write(&trial.authority().issue(["bank.test"]).unwrap());
        let _server = s_server(trial.folder.path(), trial.port.number(), options);
        let outcome = trial.client.connect().and_then(|connection| {
            connection.send_text("GET / HTTP/1.0\r\n\r\n")?;
            connection.receive_to_end()
        });
        Ok(format!("{:?}", outcome.unwrap_err()))
    };
    let error = refused(Tls::new().versions([Version::Tls13]), &["-tls1_2"])?;
    assert!(error.contains("alert protocol_version (70)"), "{error}");
    let error = refused(Tls::new().alpn(["h2"]), &["-alpn", "http/1.1"])?;
    assert!(
        error.contains("alert no_application_protocol (120)"),
        "{error}"
    );
    let shy = Tls::new().shows_certificate(false);
    let error = refused(shy, &["-Verify", "1", "-verify_return_error"])?;
    assert!(
        error.contains("alert certificate_required (116)"),
        "{error}"
    );
    Ok(())
}

/// What the client shows is of the same authority as what the server has.
#[test]
fn openssls_server_accepts_the_certificate_of_a_client() -> Result<()> {
    if find("openssl").is_none() {
        return Ok(());
    }
    let trial = Trial::new(Tls::new().client_auth(ClientAuth::None))?;
    trial.write(&trial.authority().issue(["bank.test"]).unwrap());
    let options = ["-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"];
    let _server = s_server(trial.folder.path(), trial.port.number(), &options);
    let connection = trial.client.connect()?;
    connection.send_text("GET / HTTP/1.0\r\n\r\n")?;
    let answer = connection.receive_until(b"\r\n")?;
    assert!(
        answer.starts_with(b"HTTP/1.0 200"),
        "{}",
        answer.escape_ascii()
    );
    Ok(())
}

#[test]
fn nginx_is_refused_for_its_certificate() -> Result<()> {
    let Some(program) = find("nginx") else {
        return Ok(());
    };
    let protocols = "ssl_protocols TLSv1.2 TLSv1.3;";
    check(|folder, port| nginx(&program, folder, port, "ssl", protocols))?;

    let trial = Trial::new(Tls::new())?;
    trial.write(&trial.authority().issue(["bank.test"]).unwrap());
    let _nginx = nginx(&program, trial.folder.path(), trial.port.number(), "", "");
    let error = trial.client.connect().unwrap_err().to_string();
    let expected = matrix::cell("plaintext", "TcpClient");
    assert!(error.contains(expected.trim_matches('`')), "{error}");
    Ok(())
}

#[test]
fn redis_is_refused_for_its_certificate() -> Result<()> {
    let Some(redis) = find("redis-server") else {
        return Ok(());
    };
    check(|folder, port| {
        let mut command = Command::new(&redis);
        command
            .args([
                "--port",
                "0",
                "--tls-port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
            ])
            .args(["--tls-cert-file", "bank.pem", "--tls-key-file", "bank.key"])
            .args(["--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "no"])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(folder);
        let mut program = Program::spawn("redis-server", &mut command);
        let is_ready = program.wait_for("Ready to accept connections").is_some();
        assert!(is_ready, "it has ended, or was built without TLS");
        program
    })
}
