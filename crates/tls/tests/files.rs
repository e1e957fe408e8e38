//! Certificates and keys of files, and what is wrong with them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod common;

use std::path::PathBuf;

use common::{HOST, meet, sides};
use standin_tls::{Acceptor, Authority, Connector, Defect, Identity, Tls, TlsConfigError, Version};

struct Files {
    folder: tempfile::TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

fn files(authority: &Authority) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let identity = authority.issue([HOST]).unwrap();
    let (certificate, key) = (
        folder.path().join("bank.pem"),
        folder.path().join("bank.key"),
    );
    std::fs::write(&certificate, identity.certificate_pem()).unwrap();
    std::fs::write(&key, identity.key_pem()).unwrap();
    Files {
        folder,
        certificate,
        key,
    }
}

#[test]
fn a_certificate_of_a_file_is_shown() {
    let other = Authority::new("other").unwrap();
    let files = files(&other);
    let trusted = files.folder.path().join("ca.pem");
    std::fs::write(&trusted, other.certificate_pem()).unwrap();
    let server = Tls::new().certificate(&files.certificate, &files.key);

    let ours = Authority::new("ours").unwrap();
    let (acceptor, connector) = sides(&server, &Tls::new().trust(&trusted), &ours);
    let (server_side, client_side) = meet(&acceptor, &connector);
    assert!(server_side.is_ok());
    let client_side = client_side.unwrap();
    let issuer = &client_side.info().peer_certificate().unwrap().issuer;
    assert!(issuer.starts_with("CN=standin other "), "{issuer}");

    let (acceptor, connector) = sides(&server, &Tls::new(), &ours);
    let (_, client_side) = meet(&acceptor, &connector);
    let error = client_side.unwrap_err().to_string();
    assert!(error.contains("is not trusted"), "{error}");
}

#[track_caller]
fn refused(tls: Tls) -> TlsConfigError {
    let authority = Authority::new("test").unwrap();
    Acceptor::new(&tls, &[HOST], &authority, None).unwrap_err()
}

#[test]
fn what_is_wrong_with_files_is_said() {
    let authority = Authority::new("test").unwrap();
    let files = files(&authority);
    let of =
        |certificate: &PathBuf, key: &PathBuf| Identity::from_files(certificate, key).unwrap_err();

    let error = of(&files.key, &files.key);
    let text = error.to_string();
    assert!(
        matches!(error, TlsConfigError::NoCertificate { .. }),
        "{text}"
    );
    assert!(text.ends_with("it has \"PRIVATE KEY\""), "{text}");

    let error = of(&files.certificate, &files.certificate);
    assert!(matches!(error, TlsConfigError::NoKey { .. }), "{error}");

    let other = self::files(&authority);
    let error = of(&files.certificate, &other.key);
    assert!(
        matches!(error, TlsConfigError::KeyMismatch { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("the certificate \"bank.test\" (for bank.test; "),
        "{error}"
    );

    let missing = files.folder.path().join("missing.pem");
    let error = of(&missing, &files.key);
    assert!(matches!(error, TlsConfigError::Read { .. }), "{error}");

    let garbage = files.folder.path().join("garbage.pem");
    std::fs::write(&garbage, [0xff, 0, 10, 13]).unwrap();
    let error = of(&garbage, &files.key).to_string();
    assert!(error.ends_with("it has nothing in PEM"), "{error}");

    // Also where nobody may ever be asked for a certificate.
    let error = refused(Tls::new().trust(&garbage));
    assert!(
        matches!(error, TlsConfigError::NoCertificate { .. }),
        "{error}"
    );

    std::fs::write(
        &garbage,
        "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let error = of(&garbage, &files.key);
    assert!(matches!(error, TlsConfigError::NotPem { .. }), "{error}");

    std::fs::write(
        &garbage,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let error = of(&garbage, &files.key);
    assert!(matches!(error, TlsConfigError::NotPem { .. }), "{error}");
}

#[test]
fn what_is_wrong_with_options_is_said() {
    let error = refused(Tls::new().alpn([""]));
    assert!(matches!(error, TlsConfigError::Alpn { .. }), "{error}");
    // Each may be that long, but not all of them together.
    let many = |count: usize| Tls::new().alpn((0..count).map(|index| format!("{index:0>255}")));
    let error = refused(many(300));
    assert!(
        matches!(error, TlsConfigError::ManyProtocols { bytes: 76_800 }),
        "{error}"
    );
    assert!(many(128).check().is_ok() && many(129).check().is_err());
    let error = refused(Tls::new().versions([]));
    assert!(matches!(error, TlsConfigError::NoVersion), "{error}");
    for name in [
        "",
        "a b",
        "bank_!",
        "*.*.test",
        "*.test",
        "*.127.0.0.1",
        "bank.test.",
        "ümlaut.test",
    ] {
        let error = refused(Tls::new().names([name]));
        assert!(
            matches!(error, TlsConfigError::Name { .. }),
            "{name}: {error}"
        );
    }
    let error = refused(Tls::new().certificate("a", "b").defect(Defect::Expired));
    assert!(
        matches!(error, TlsConfigError::DefectOfFile { .. }),
        "{error}"
    );

    let authority = Authority::new("test").unwrap();
    let error = Connector::new(&Tls::new(), "not a host", &[], &authority, None).unwrap_err();
    assert!(matches!(error, TlsConfigError::Name { .. }), "{error}");
    assert!("1.1".parse::<Version>().is_err());
}

#[test]
fn names_may_be_addresses_and_patterns() {
    let authority = Authority::new("").unwrap();
    assert!(authority.name().starts_with("standin test "));
    let identity = authority.issue(["*.bank.test", "::1", "10.0.0.7"]).unwrap();
    let certificate = identity.certificate().unwrap();
    assert_eq!(certificate.names, ["*.bank.test", "::1", "10.0.0.7"]);
    let life = certificate
        .valid_to
        .duration_since(certificate.valid_from)
        .unwrap();
    assert!(
        life.as_secs() <= 398 * 24 * 3600,
        "strict programs refuse more"
    );
}
