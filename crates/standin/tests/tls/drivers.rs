//! In code: both drivers in one environment, from one thread.

use std::time::Duration;

use standin::reply::{Replies, equals};
use standin::socket::framing::Lines;
use standin::tls::Version;
use standin::{
    ClientAuth, Defect, Environment, Lifecycle, Process, Result, RunningEnvironment, TcpClient,
    TcpConnection, TcpServer, Tls,
};
use std::sync::Arc;

const LIMIT: Duration = Duration::from_secs(60);

struct Pair {
    env: RunningEnvironment,
    server: Arc<TcpServer>,
    client: Arc<TcpClient>,
}

fn pair(server: Tls, client: Tls) -> Result<Pair> {
    let mut env = Environment::new("tls");
    let server = env.add(TcpServer::builder("bank").tls(server).build()?)?;
    let client = TcpClient::builder("client").connect_to("bank").tls(client);
    let client = env.add(client.build()?)?;
    let env = env.start()?;
    Ok(Pair {
        env,
        server,
        client,
    })
}

impl Pair {
    fn accept(&self) -> TcpConnection {
        self.server.accept_connection(LIMIT).unwrap()
    }
}

#[test]
fn one_line_on_either_side_is_all_it_takes() -> Result<()> {
    for version in Version::ALL {
        let pair = pair(Tls::new().versions([version]), Tls::new())?;
        // The client has connected in the start, and nobody has accepted it yet.
        pair.client.send_text("hello\n")?;
        let peer = pair.accept();
        assert_eq!(peer.receive_line_text()?, "hello");
        pair.server.send_text("hi\n")?;
        assert_eq!(pair.client.receive_line_text()?, "hi");
        let tls = peer.tls()?;
        assert_eq!(tls.version, version);
        assert_eq!(tls.server_name.as_deref(), Some("localhost"));
        let tls = pair.client.connection()?.tls()?;
        let certificate = tls.peer_certificate().unwrap();
        assert!(
            certificate.names.contains(&"localhost".to_owned()),
            "{certificate}"
        );
        assert!(
            certificate.names.contains(&"bank".to_owned()),
            "{certificate}"
        );
        pair.env.stop()?;
    }
    Ok(())
}

#[test]
fn all_drivers_of_an_environment_have_one_authority() -> Result<()> {
    let pair = pair(Tls::new().client_auth(ClientAuth::Required), Tls::new())?;
    let peer = pair.accept();
    let tls = peer.tls()?;
    let certificate = tls.peer_certificate().unwrap();
    let authority = pair.server.authority()?;
    assert_eq!(authority.name(), pair.client.authority()?.name());
    assert_eq!(certificate.issuer, format!("CN={}", authority.name()));
    assert!(
        authority.name().starts_with("standin tls "),
        "{}",
        authority.name()
    );
    let context = pair.server.context();
    for name in [
        "ca_file",
        "crl_file",
        "client_certificate_file",
        "client_key_file",
    ] {
        let file = context.text(name).unwrap();
        assert!(
            std::fs::read_to_string(&file)
                .unwrap()
                .contains("-----BEGIN "),
            "{file}"
        );
    }
    Ok(pair.env.stop()?)
}

#[test]
fn what_is_said_is_recorded_as_it_was_said() -> Result<()> {
    let pair = pair(Tls::new(), Tls::new())?;
    pair.client.send_text("a secret word\n")?;
    pair.accept().receive_line()?;
    let transcript = pair.env.transcript();
    let text = transcript.text().to_string();
    assert!(text.contains("a secret word"), "{text}");
    assert!(text.contains("TLS 1.3, TLS_"), "{text}");
    Ok(pair.env.stop()?)
}

#[test]
fn a_refused_server_fails_the_start_of_its_client() -> Result<()> {
    let mut env = Environment::new("tls");
    let expired = Tls::new().defect(Defect::Expired);
    env.add(TcpServer::builder("bank").tls(expired).build()?)?;
    env.add(
        TcpClient::builder("client")
            .connect_to("bank")
            .tls(Tls::new())
            .build()?,
    )?;
    let error = format!("{:?}", env.start().unwrap_err());
    assert!(
        error.contains("it has expired; it was valid until"),
        "{error}"
    );
    assert!(error.contains("driver \"client\""), "{error}");
    Ok(())
}

#[test]
fn a_refused_client_is_an_error_of_the_accept() -> Result<()> {
    let strict = Tls::new()
        .client_auth(ClientAuth::Required)
        .versions([Version::Tls12]);
    let mut env = Environment::new("tls");
    let server = env.add(TcpServer::builder("bank").tls(strict).build()?)?;
    let client = TcpClient::builder("client")
        .connect_to("bank")
        .connect_at_start(false);
    let client = client.tls(Tls::new().shows_certificate(false)).build()?;
    let client = env.add(client)?;
    let env = env.start()?;
    let error = format!("{:?}", client.connect().unwrap_err());
    assert!(
        error.contains("the server ended the handshake with alert"),
        "{error}"
    );
    let error = format!("{:?}", server.accept_connection(LIMIT).unwrap_err());
    assert!(error.contains("the client sent no certificate"), "{error}");
    // The next one is accepted as ever.
    assert!(
        server
            .accept_connection(Duration::ZERO)
            .unwrap_err()
            .is_timeout()
    );
    drop(env.stop());
    Ok(())
}

#[test]
fn either_end_begins_tls_in_the_middle_in_any_order() -> Result<()> {
    for server_first in [true, false] {
        let mut env = Environment::new("starttls");
        let server = env.add(TcpServer::builder("mail").build()?)?;
        let client = env.add(TcpClient::builder("client").connect_to("mail").build()?)?;
        let env = env.start()?;
        let (near, far) = (client.connection()?, server.accept_connection(LIMIT)?);
        near.send_text("STARTTLS\n")?;
        assert_eq!(far.receive_line_text()?, "STARTTLS");
        assert!(far.tls().is_err());
        if server_first {
            far.start_tls()?;
            near.start_tls()?;
        } else {
            near.start_tls()?;
            far.start_tls()?;
        }
        far.send_text("220 welcome\n")?;
        assert_eq!(near.receive_line_text()?, "220 welcome");
        assert_eq!(near.tls()?.version, Version::Tls13);
        assert!(far.tls().is_ok());
        env.stop()?;
    }
    Ok(())
}

#[test]
fn options_for_later_are_those_of_start_tls() -> Result<()> {
    let later = Tls::new().on_request(true).alpn(["smtp"]);
    let pair = pair(later.clone(), later)?;
    let (near, far) = (pair.client.connection()?, pair.accept());
    near.send_text("plain\n")?;
    assert_eq!(far.receive_line_text()?, "plain");
    far.start_tls()?;
    near.start_tls()?;
    near.send_text("secured\n")?;
    assert_eq!(far.receive_line_text()?, "secured");
    assert_eq!(far.tls()?.alpn.as_deref(), Some("smtp"));
    Ok(pair.env.stop()?)
}

#[test]
fn a_server_that_answers_by_itself_does_over_tls() -> Result<()> {
    let replies = Replies::framed(Lines::new())
        .greeting("ready\n")
        .on(equals("PING").named("ping").times(2), "PONG\n");
    let mut env = Environment::new("answers");
    let server = TcpServer::builder("bank").tls(Tls::new()).replies(replies);
    let server = env.add(server.build()?)?;
    let client = TcpClient::builder("client")
        .connect_to("bank")
        .tls(Tls::new());
    let client = env.add(client.build()?)?;
    let env = env.start()?;
    assert_eq!(client.receive_line_text()?, "ready");
    client.send_text("PING\nPING\n")?;
    assert_eq!(client.receive_line_text()?, "PONG");
    assert_eq!(client.receive_line_text()?, "PONG");
    server.wait_until(standin::reply::Seen::rule("ping"), LIMIT)?;
    Ok(env.stop()?)
}

#[test]
fn a_large_answer_arrives_as_a_whole() -> Result<()> {
    let size = 3_000_000;
    let large = vec![b'x'; size];
    let answer = standin::reply::reply_bytes(large).then(standin::reply::Then::Close);
    let replies = Replies::framed(Lines::new()).on(equals("GET"), answer);
    let mut env = Environment::new("large");
    let server = TcpServer::builder("bank").tls(Tls::new()).replies(replies);
    env.add(server.build()?)?;
    let client = TcpClient::builder("client")
        .connect_to("bank")
        .tls(Tls::new());
    let client = env.add(client.build()?)?;
    let env = env.start()?;
    client.send_text("GET\n")?;
    assert_eq!(client.receive_to_end()?.len(), size);
    Ok(env.stop()?)
}

#[test]
fn a_program_is_handed_whom_to_trust() -> Result<()> {
    let mut env = Environment::new("trust");
    env.add(TcpServer::builder("my bank").tls(Tls::new()).build()?)?;
    let script = "test -f \"$SSL_CERT_FILE\" && test \"$NODE_EXTRA_CA_CERTS\" = \"$SSL_CERT_FILE\" \
                  && echo \"$SSL_CERT_FILE $CURL_CA_BUNDLE\"";
    let app = Process::builder("app")
        .binary("sh")
        .args(["-c", script])
        .trust(["my bank".to_owned()])
        .env([("CURL_CA_BUNDLE", "mine")]);
    let app = env.add(app.build()?)?;
    let env = env.start()?;
    let exit = app.wait_for_exit(LIMIT)?;
    assert_eq!(exit.retcode(), 0);
    let out = std::fs::read_to_string(app.context().text("outpath").unwrap()).unwrap();
    assert!(out.ends_with("tls/ca.pem mine\n"), "{out}");
    Ok(env.stop()?)
}

#[test]
fn whom_to_trust_must_speak_tls() -> Result<()> {
    for (server, starts, way_out) in [
        (
            TcpServer::builder("bank"),
            true,
            "give \"bank\" `tls = {}`, or name another driver",
        ),
        (
            TcpServer::builder("bank").tls(Tls::new()),
            false,
            "it was never started: start \"bank\" first",
        ),
    ] {
        let mut env = Environment::new("trust");
        env.add(server.auto_start(starts).build()?)?;
        let app = Process::builder("app")
            .binary("true")
            .trust(["bank".to_owned()]);
        env.add(app.build()?)?;
        let error = format!("{:?}", env.start().unwrap_err());
        let option =
            "process \"app\": option \"trust\" names \"bank\", which has no certificate to trust";
        assert!(
            error.contains(option) && error.contains(way_out) && !error.contains("ca_file"),
            "{error}"
        );
    }
    Ok(())
}

#[test]
fn a_driver_starts_again_with_tls() -> Result<()> {
    let server = TcpServer::builder("bank").tls(Tls::new()).build()?;
    for _ in 0..2 {
        server.start()?;
        let client = TcpClient::builder("client")
            .host("127.0.0.1")
            .port(server.port().unwrap())
            .tls(Tls::new().verify(false))
            .build()?;
        client.start()?;
        client.send_text("x\n")?;
        assert_eq!(server.accept_connection(LIMIT)?.receive_line_text()?, "x");
        client.stop()?;
        server.stop()?;
    }
    Ok(())
}

#[test]
fn options_that_do_not_fit_are_refused_at_once() {
    let build = |tls: Tls| {
        let error = TcpServer::builder("bank").tls(tls).build().map(drop);
        format!("{:?}", error.unwrap_err())
    };
    let error = build(Tls::new().alpn([""]));
    assert!(
        error.contains("cannot be the name of a protocol (ALPN)"),
        "{error}"
    );
    let error = build(
        Tls::new()
            .certificate("a.pem", "a.key")
            .defect(Defect::Expired),
    );
    assert!(
        error.contains("the defect \"expired\" concerns the certificate"),
        "{error}"
    );
    let error = build(Tls::new().names(["not a name"]));
    assert!(error.contains("neither a name nor an address"), "{error}");
}

#[test]
fn a_handshake_that_a_failure_of_the_test_ends_says_so() -> Result<()> {
    // It accepts, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut env = Environment::new("tls");
    let replies = Replies::framed(Lines::new()).on(equals("PING"), "PONG");
    let bank = env.add(TcpServer::builder("bank").replies(replies).build()?)?;
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(port)
        .tls(Tls::new().handshake_limit(Duration::from_secs(600)))
        .connect_at_start(false);
    let client = env.add(client.build()?)?;
    let env = env.start()?;
    let error = std::thread::scope(|scope| {
        let connects = scope.spawn(|| client.connect().map(drop));
        let _peer = silent.accept().unwrap();
        let address = ("127.0.0.1", bank.port().unwrap());
        let mut surprises = std::net::TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut surprises, b"SURPRISE\n").unwrap();
        connects.join().unwrap().unwrap_err()
    });
    assert!(error.to_string().contains("SURPRISE"), "{error:?}");
    env.stop().unwrap_err();
    Ok(())
}

#[test]
fn an_accept_that_an_abort_ends_says_so() -> Result<()> {
    let mut env = Environment::new("tls");
    let server = env.add(TcpServer::builder("bank").tls(Tls::new()).build()?)?;
    let env = env.start()?;
    let handle = env.abort_handle();
    let error = std::thread::scope(|scope| {
        let (begins, begun) = std::sync::mpsc::channel();
        let server = &server;
        let accepts = scope.spawn(move || {
            begins.send(()).unwrap();
            server.accept_connection(None).map(drop)
        });
        begun.recv().unwrap();
        // Whether it waits by then or not.
        handle.abort();
        accepts.join().unwrap().unwrap_err()
    });
    let text = error.to_string();
    assert!(
        text.contains("aborted") || text.contains("not running"),
        "{error:?}"
    );
    Ok(())
}
