//! Real clients against servers with defects: each refuses, for the reason that the guide's matrix
//! names.

use std::fs;
use std::process::Command;

use standin::reply::{Replies, Then, reply};
use standin::socket::framing::Matching;
use standin::{Defect, Environment, Lifecycle, Result, RunningEnvironment, TcpServer, Tls};

use crate::matrix;
use crate::program::find;

/// How long a client waits, in seconds: short where nothing ever comes.
fn patience(defect: Option<Defect>) -> &'static str {
    match defect {
        Some(Defect::Silent | Defect::Dribble) => "2",
        _ => "30",
    }
}

/// A server with a defect, and what a client is told of it.
struct Bank {
    _env: RunningEnvironment,
    port: String,
    ca: String,
    crl: String,
}

impl Bank {
    fn new(defect: Option<Defect>) -> Result<Bank> {
        let mut tls = Tls::new();
        tls.defect = defect;
        // Only the end of the connection ends the answer.
        let answer = reply("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello").then(Then::Close);
        let requests = Matching::new(|bytes: &[u8]| {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            end.map(|end| end + 4)
        });
        let replies = Replies::framed(requests).on(standin::reply::anything(), answer);
        let mut env = Environment::new("bank");
        let server = TcpServer::builder("bank").tls(tls).replies(replies);
        let server = env.add(server.build()?)?;
        let env = env.start()?;
        let context = server.context();
        let text = |name| context.text(name).expect("it is published");
        Ok(Bank {
            port: text("port"),
            ca: text("ca_file"),
            crl: text("crl_file"),
            _env: env,
        })
    }
}

/// Runs a client against a server without defects, which it must like, and against one with each
/// of them: it must say what the guide has in that column.
fn check(column: &str, client: impl Fn(&Bank, Option<Defect>) -> Command) -> Result<()> {
    let likes = Bank::new(None)?;
    let (is_ok, said) = run(client(&likes, None));
    assert!(is_ok && said.contains("hello"), "without a defect: {said}");
    let mut wrong = Vec::new();
    for defect in Defect::ALL {
        let bank = Bank::new(Some(defect))?;
        let (is_ok, said) = run(client(&bank, Some(defect)));
        let expected = matrix::cell(defect.name(), column);
        let is_as_expected = match expected.as_str() {
            "notices nothing" => is_ok && said.contains("hello"),
            "waits" => !is_ok && said.is_empty(),
            text => !is_ok && said.contains(text.trim_matches('`')),
        };
        if !is_as_expected {
            wrong.push(format!(
                "{defect}: the guide has {expected:?}, but it says:\n{said}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
    Ok(())
}

fn run(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn curl_refuses_each_defect() -> Result<()> {
    let Some(curl) = find("curl") else {
        return Ok(());
    };
    let client = |bank: &Bank, defect: Option<Defect>| {
        let mut command = Command::new(&curl);
        command
            .args([
                "--silent",
                "--show-error",
                "--noproxy",
                "*",
                "--max-time",
                patience(defect),
            ])
            .args(["--cacert", &bank.ca])
            .arg(format!("https://localhost:{}/", bank.port));
        match defect {
            Some(Defect::Revoked) => command.args(["--crlfile", &bank.crl]),
            Some(Defect::Tls12Only) => command.arg("--tlsv1.3"),
            Some(Defect::OldProtocol) => command.arg("--tlsv1.2"),
            _ => &mut command,
        };
        command
    };
    check("curl", client)
}

const PYTHON: &str = r#"
import socket, ssl, sys
port, ca, crl, defect, patience = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
# Distributions change the defaults of both.
context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0x80)
context.minimum_version = ssl.TLSVersion.TLSv1_2
if defect == "revoked":
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.load_verify_locations(crl)
if defect == "tls12-only":
    context.minimum_version = ssl.TLSVersion.TLSv1_3
if defect == "no-alpn-overlap":
    context.set_alpn_protocols(["http/1.1"])
with socket.create_connection(("localhost", int(port)), timeout=float(patience)) as plain:
    with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while piece := s.recv(4096):
            print(piece.decode())
"#;

#[test]
fn python_refuses_each_defect() -> Result<()> {
    let Some(python) = find("python3") else {
        return Ok(());
    };
    let client = |bank: &Bank, defect: Option<Defect>| {
        let mut command = Command::new(&python);
        command
            .args(["-c", PYTHON, &bank.port, &bank.ca, &bank.crl])
            .args([defect.map_or("", Defect::name), patience(defect)]);
        command
    };
    check("Python", client)
}

#[test]
fn openssl_refuses_each_defect() -> Result<()> {
    let (Some(openssl), Some(timeout)) = (find("openssl"), find("timeout")) else {
        return Ok(());
    };
    let folder = tempfile::tempdir().unwrap();
    let request = folder.path().join("request");
    fs::write(&request, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let client = |bank: &Bank, defect: Option<Defect>| {
        // It would wait forever.
        let mut command = Command::new(&timeout);
        command
            .args([
                patience(defect),
                openssl.to_str().unwrap(),
                "s_client",
                "-ign_eof",
                "-brief",
            ])
            .args(["-connect", &format!("localhost:{}", bank.port)])
            .args(["-CAfile", &bank.ca, "-verify_return_error"])
            .args(["-servername", "localhost", "-verify_hostname", "localhost"])
            .stdin(fs::File::open(&request).unwrap());
        match defect {
            Some(Defect::Revoked) => command.args(["-crl_check", "-CRL", &bank.crl]),
            Some(Defect::Tls12Only) => command.arg("-tls1_3"),
            Some(Defect::OldProtocol) => command.args(["-min_protocol", "TLSv1.2"]),
            Some(Defect::NoAlpnOverlap) => command.args(["-alpn", "http/1.1"]),
            _ => &mut command,
        };
        command
    };
    check("openssl s_client", client)
}

const NODE: &str = r#"
const fs = require("fs"), https = require("https");
const [port, ca, crl, defect, patience] = process.argv.slice(1);
const options = { port, host: "localhost", ca: fs.readFileSync(ca), timeout: patience * 1000 };
if (defect == "revoked") options.crl = fs.readFileSync(crl);
if (defect == "tls12-only") options.minVersion = "TLSv1.3";
if (defect == "no-alpn-overlap") options.ALPNProtocols = ["http/1.1"];
const request = https.get(options, (response) => {
  response.on("data", (data) => console.log(data.toString()));
  response.on("error", (error) => { console.error(error); process.exit(1); });
});
request.on("timeout", () => request.destroy(new Error("timed out")));
request.on("error", (error) => { console.error(error); process.exit(1); });
"#;

#[test]
fn node_refuses_each_defect() -> Result<()> {
    let Some(node) = find("node") else {
        return Ok(());
    };
    let client = |bank: &Bank, defect: Option<Defect>| {
        let mut command = Command::new(&node);
        command
            .args(["-e", NODE, &bank.port, &bank.ca, &bank.crl])
            .args([defect.map_or("", Defect::name), patience(defect)]);
        command
    };
    check("Node", client)
}
