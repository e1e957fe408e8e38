//! In environment files.

use std::time::Duration;

use standin::{DriverTypes, Process, Result, TcpClient, TcpServer};

const LIMIT: Duration = Duration::from_secs(10);

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
