//! Keys in all forms in which openssl writes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use standin::tls::Identity;
use standin::{ClientAuth, Environment, Result, TcpClient, TcpServer, Tls};

use crate::program::find;

/// Runs openssl in a folder.
#[track_caller]
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "openssl {arguments}: {said}");
}

/// A folder with the certificate `bank.pem` that has the key `bank.key`, which `makes` makes.
fn folder(makes: &str) -> tempfile::TempDir {
    folder_with(makes, "-addext basicConstraints=critical,CA:FALSE")
}

/// The same, of a certificate with these extensions.
fn folder_with(makes: &str, extensions: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    openssl(folder.path(), makes);
    let names = "-subj /CN=bank.test -addext subjectAltName=DNS:bank.test";
    let request = format!("req -x509 -new -key bank.key -out bank.pem {names} -days 30");
    openssl(folder.path(), &format!("{request} {extensions}"));
    folder
}

fn files(folder: &Path, key: &str) -> (PathBuf, PathBuf) {
    (folder.join("bank.pem"), folder.join(key))
}

const RSA: &str = "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out bank.key";
const EC: &str = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out bank.key";

#[test]
fn keys_of_all_kinds_and_forms_are_used() -> Result<()> {
    if find("openssl").is_none() {
        return Ok(());
    }
    let p384 = EC.replace("P-256", "P-384");
    for (makes, converts, section) in [
        (RSA, "pkey -in bank.key -out form.key", "PRIVATE KEY"),
        (
            RSA,
            "rsa -in bank.key -traditional -out form.key",
            "RSA PRIVATE KEY",
        ),
        (EC, "pkey -in bank.key -out form.key", "PRIVATE KEY"),
        (EC, "ec -in bank.key -out form.key", "EC PRIVATE KEY"),
        (&p384, "ec -in bank.key -out form.key", "EC PRIVATE KEY"),
        (
            "genpkey -algorithm ED25519 -out bank.key",
            "pkey -in bank.key -out form.key",
            "PRIVATE KEY",
        ),
    ] {
        let folder = folder(makes);
        openssl(folder.path(), converts);
        let (certificate, key) = files(folder.path(), "form.key");
        let text = std::fs::read_to_string(&key).unwrap();
        assert!(
            text.contains(&format!("-----BEGIN {section}-----")),
            "{text}"
        );

        let mut env = Environment::new("pem");
        let server = Tls::new().certificate(&certificate, &key);
        let server = env.add(TcpServer::builder("bank").tls(server).build()?)?;
        let trusts = Tls::new().trust(&certificate).server_name("bank.test");
        let client = TcpClient::builder("client").connect_to("bank").tls(trusts);
        let client = env.add(client.build()?)?;
        let env = env.start()?;
        client.send_text("hello\n")?;
        let peer = server.accept_connection(std::time::Duration::from_secs(10))?;
        assert_eq!(peer.receive_line_text()?, "hello", "{makes}");
        env.stop()?;
    }
    Ok(())
}

/// What is in front of a key does not matter.
#[test]
fn parameters_before_a_key_are_passed_over() -> Result<()> {
    if find("openssl").is_none() {
        return Ok(());
    }
    let folder = folder("ecparam -name prime256v1 -genkey -out bank.key");
    let (certificate, key) = files(folder.path(), "bank.key");
    let text = std::fs::read_to_string(&key).unwrap();
    assert!(text.starts_with("-----BEGIN EC PARAMETERS-----"), "{text}");
    Ok(Identity::from_files(certificate, key).map(drop)?)
}

#[test]
fn keys_that_cannot_be_used_are_refused() -> Result<()> {
    if find("openssl").is_none() {
        return Ok(());
    }
    let folder = folder(RSA);
    openssl(
        folder.path(),
        "pkcs8 -topk8 -in bank.key -passout pass:secret -out new.key",
    );
    openssl(
        folder.path(),
        "rsa -in bank.key -traditional -aes128 -passout pass:secret -out old.key",
    );
    for name in ["new.key", "old.key"] {
        let (certificate, key) = files(folder.path(), name);
        let error = format!(
            "{:?}",
            Identity::from_files(&certificate, &key).unwrap_err()
        );
        let encrypted = format!("the private key in `{}` is encrypted", key.display());
        assert!(error.contains(&encrypted), "{error}");
        let decrypts = format!("`openssl pkey -in \"{}\" -out plain.key`", key.display());
        assert!(error.contains(&decrypts), "{error}");
        assert!(error.contains("standin::tls::encrypted_key"), "{error}");
    }

    // In DER, as some programs write them.
    openssl(
        folder.path(),
        "x509 -in bank.pem -outform DER -out bank.der",
    );
    openssl(folder.path(), "pkey -in bank.key -outform DER -out key.der");
    let (certificate, key) = files(folder.path(), "key.der");
    let error = format!(
        "{:?}",
        Identity::from_files(&certificate, &key).unwrap_err()
    );
    assert!(error.contains("it has DER, the binary form"), "{error}");
    let der = folder.path().join("bank.der");
    let error = format!("{:?}", Identity::from_files(der, key).unwrap_err());
    assert!(error.contains("it has DER, the binary form"), "{error}");

    for (makes, reason) in [
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out bank.key".to_owned(),
            "cannot be used",
        ),
        (RSA.replace("2048", "1024"), "cannot be used"),
    ] {
        let folder = self::folder(&makes);
        let (certificate, key) = files(folder.path(), "bank.key");
        let error = format!("{:?}", Identity::from_files(certificate, key).unwrap_err());
        assert!(error.contains(reason), "{error}");
        assert!(
            error.contains("keys are RSA (2048 bits and more)"),
            "{error}"
        );
    }
    Ok(())
}

#[test]
fn a_certificate_that_cannot_be_used_is_blamed_and_not_its_key() {
    if find("openssl").is_none() {
        return;
    }
    let folder = folder_with(EC, "-addext 1.2.3.4=critical,ASN1:UTF8String:x");
    let (certificate, key) = files(folder.path(), "bank.key");
    let error = Identity::from_files(&certificate, &key).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the certificate in `{}` cannot be used: unsupported critical extension",
            certificate.display()
        )
    );
}

#[test]
fn a_client_with_the_certificate_of_an_authority_is_refused_in_words() -> Result<()> {
    if find("openssl").is_none() {
        return Ok(());
    }
    let folder = folder_with(EC, "-addext basicConstraints=critical,CA:TRUE");
    let (certificate, key) = files(folder.path(), "bank.key");
    let required = Tls::new()
        .client_auth(ClientAuth::Required)
        .trust(&certificate);
    let mut env = Environment::new("pem");
    let server = env.add(TcpServer::builder("bank").tls(required).build()?)?;
    let client = TcpClient::builder("client")
        .connect_to("bank")
        .tls(Tls::new().certificate(certificate, key));
    let client = env.add(client.build()?)?;
    let env = env.start()?;
    let error = server.accept_connection(std::time::Duration::from_secs(10));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("the certificate of the client: ca used as end entity; it showed"),
        "{error}"
    );
    let error = format!("{:?}", client.receive_some(1).unwrap_err());
    assert!(
        error.contains("help: does the server trust the authority of the client"),
        "{error}"
    );
    env.stop()?;
    Ok(())
}
