//! In environment files.

use std::time::Duration;

use standin::tls::Identity;
use standin::{
    Defect, DriverTypes, Lifecycle as _, Process, Result, TcpClient, TcpServer, TlsCertificate,
};

use crate::program::find;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_table_is_all_it_takes() -> Result<()> {
    let env = DriverTypes::standard().parse(
        "tls.toml",
        r#"
        name = "tls"

        [[driver]]
        type = "tcp-server"
        name = "bank"
        tls = { names = ["bank.test"], client_auth = "required", alpn = ["h2"] }

        [[driver]]
        type = "tcp-client"
        name = "client"
        host = { driver = "bank", value = "{{ host }}" }
        port = { driver = "bank", value = "{{ port }}" }
        tls = { server_name = "bank.test", alpn = ["h2"] }

        [[driver]]
        type = "process"
        name = "app"
        binary = "sh"
        args = ["-c", "cat {{ context.bank.ca_file }} $SSL_CERT_FILE"]
        trust = ["bank"]
        "#,
    )?;
    let (server, client) = (
        env.get::<TcpServer>("bank")?,
        env.get::<TcpClient>("client")?,
    );
    let app = env.get::<Process>("app")?;
    let env = env.start()?;
    assert_eq!(app.wait_for_exit(LIMIT)?.retcode(), 0);
    client.send_text("hello\n")?;
    let peer = server.accept_connection(LIMIT)?;
    assert_eq!(peer.receive_line_text()?, "hello");
    assert_eq!(peer.tls()?.server_name.as_deref(), Some("bank.test"));
    Ok(env.stop()?)
}

/// A program under test that serves over TLS, and a client that talks to it.
fn with_a_server_under_test(certificate: &str) -> String {
    format!(
        r#"
        name = "tls"

        [[driver]]
        type = "tls-certificate"
        name = "identity"
        {certificate}

        [[driver]]
        type = "process"
        name = "app"
        binary = "openssl"
        args = [
            "s_server", "-rev", "-accept", "127.0.0.1:{{{{ ports.tls }}}}",
            "-cert", "{{{{ context.identity.certificate_file }}}}",
            "-key", "{{{{ context.identity.key_file }}}}",
        ]
        listen = [{{ name = "tls", mode = "reserve" }}]
        stdout_regexps = ["ACCEPT"]

        [[driver]]
        type = "tcp-client"
        name = "client"
        host = "127.0.0.1"
        port = {{ driver = "app", value = "{{{{ port }}}}" }}
        tls = {{ server_name = "app.test" }}
        "#
    )
}

#[test]
fn a_server_under_test_has_a_certificate_that_its_client_trusts() -> Result<()> {
    if find("openssl").is_none() {
        return Ok(());
    }
    let text = with_a_server_under_test("names = [\"app.test\"]");
    let env = DriverTypes::standard().parse("tls.toml", &text)?;
    let client = env.get::<TcpClient>("client")?;
    let identity = env.get::<TlsCertificate>("identity")?;
    let env = env.start()?;
    client.send_text("stressed\n")?;
    assert_eq!(client.receive_line_text()?, "desserts");
    let tls = client.connection()?.tls()?;
    let certificate = tls.peer_certificate().expect("a server shows one");
    for name in ["app.test", "localhost", "127.0.0.1", "identity"] {
        assert!(
            certificate.names.contains(&name.to_owned()),
            "{certificate}"
        );
    }
    let (authority, issuer) = (identity.authority()?, &certificate.issuer);
    assert_eq!(*issuer, format!("CN={}", authority.name()));
    Ok(env.stop()?)
}

#[test]
fn a_server_under_test_can_show_a_certificate_that_is_not_in_order() -> Result<()> {
    if find("openssl").is_none() {
        return Ok(());
    }
    for (defect, message) in [
        ("expired", "it has expired"),
        ("wrong-name", "app.test"),
        ("untrusted", "not trusted"),
    ] {
        let text = with_a_server_under_test(&format!("defect = \"{defect}\""));
        let env = DriverTypes::standard().parse("tls.toml", &text)?;
        let error = format!("{:?}", env.start().map(drop).expect_err(defect));
        assert!(error.contains(message), "{defect}: {error}");
    }
    Ok(())
}

#[test]
fn a_certificate_is_issued_anew_at_each_start_for_its_owner_alone() -> Result<()> {
    let certificate = TlsCertificate::builder("identity").build()?;
    assert_eq!(certificate.key_file(), None);
    let mut seen = Vec::new();
    for _ in 0..2 {
        certificate.start()?;
        let [file, key] = [certificate.certificate_file(), certificate.key_file()];
        let (file, key) = (file.expect("started"), key.expect("started"));
        Identity::from_files(&file, &key)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode =
                |path| -> Result<u32> { Ok(std::fs::metadata(path)?.permissions().mode() & 0o777) };
            assert_eq!(mode(&key)?, 0o600);
            // Certificates are for everybody, such as programs that change their user.
            let usual = file.with_file_name("usual");
            std::fs::write(&usual, "")?;
            assert_eq!(mode(&file)?, mode(&usual)?);
        }
        seen.push(std::fs::read(file)?);
        certificate.stop()?;
    }
    assert_ne!(seen[0], seen[1]);
    Ok(())
}

#[test]
fn what_a_certificate_cannot_be_is_refused_with_its_place() {
    let refused = |options: &str| {
        let text = format!(
            "name = \"tls\"\n[[driver]]\ntype = \"tls-certificate\"\nname = \"c\"\n{options}\n"
        );
        let error = DriverTypes::standard().parse("tls.toml", &text).map(drop);
        format!("{:?}", error.unwrap_err())
    };
    let error = refused("names = [\"app.test\", \"not a name\"]");
    assert!(
        error.contains("names[1]") && error.contains("5:"),
        "{error}"
    );
    let error = refused("defect = \"silent\"");
    assert!(
        error.contains("\"silent\"") && error.contains("\"not-yet-valid\"") && error.contains("5:"),
        "{error}"
    );
    let in_code = TlsCertificate::builder("c").defect(Defect::Silent).build();
    let error = in_code.unwrap_err().to_string();
    assert!(
        error.contains("\"silent\"") && error.contains("\"not-yet-valid\""),
        "{error}"
    );
    let error = refused("defect = \"expierd\"");
    assert!(error.contains("\"expired\""), "{error}");
}

#[track_caller]
fn refused(tls: &str) -> String {
    let text = format!(
        "name = \"tls\"\n[[driver]]\ntype = \"tcp-server\"\nname = \"bank\"\ntls = {tls}\n"
    );
    format!(
        "{:?}",
        DriverTypes::standard()
            .parse("tls.toml", &text)
            .map(drop)
            .unwrap_err()
    )
}

#[test]
fn every_mistake_has_its_place() {
    let error = refused("{ defect = \"expierd\" }");
    assert!(error.contains("expired") && error.contains("5:"), "{error}");
    let error = refused("{ client_auth = \"maybe\" }");
    assert!(
        error.contains("optional") && error.contains("5:"),
        "{error}"
    );
    let error = refused("{ versions = [] }");
    assert!(
        error.contains("versions") && error.contains("5:"),
        "{error}"
    );
    let error = refused("{ certificate = \"a.pem\" }");
    assert!(
        error.contains("`certificate` needs its `key`") && error.contains("5:"),
        "{error}"
    );
    let error = refused("{ alpn = [\"\"] }");
    assert!(
        error.contains("protocol (ALPN)") && error.contains("5:"),
        "{error}"
    );
    let error = refused("{ nmaes = [] }");
    assert!(error.contains("names"), "{error}");
    let error = refused("true");
    assert!(error.contains("table"), "{error}");
}
