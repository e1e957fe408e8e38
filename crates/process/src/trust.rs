//! Whose certificates a program trusts.

use std::fs;
use std::path::Path;

use standin_config::ContextValue;
use standin_driver::{ContextError, Driver};
use standin_entity::Result;
use standin_error::read_file;

use crate::{Process, ProcessError};

/// The variables that name trusted authorities: for OpenSSL and its users (Python, Ruby, PHP) and
/// Go; curl, Python's requests, Node, Git, the tools of AWS, Deno, and pip.
pub(crate) const VARIABLES: [&str; 8] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "DENO_CERT",
    "PIP_CERT",
];

/// What names the file of a driver's authority, so that the driver starts before the program.
pub(crate) fn template(driver: &str) -> String {
    format!("{{{{ context[{driver:?}].ca_file }}}}")
}

/// The file with the certificates of the authorities of these drivers; `None` if there are none.
pub(crate) fn file(
    process: &Process,
    drivers: &[String],
    runpath: &Path,
) -> Result<Option<String>> {
    let mut files = Vec::new();
    for driver in drivers {
        let file = process.base().render(&ContextValue {
            driver: driver.clone(),
            template: "{{ ca_file }}".to_owned(),
        });
        files.push(match file {
            // The template is ours, and the option is all that the user knows of.
            Err(ContextError::UnknownAttribute { status, .. }) => Err(ProcessError::NoAuthority {
                driver: process.base().name().to_owned(),
                trusted: driver.clone(),
                status: status.and_then(|status| status.parse().ok()),
            })?,
            file => file?,
        });
    }
    if files.len() < 2 {
        return Ok(files.pop());
    }
    let failed = |path: &Path, source| ProcessError::Stream {
        driver: process.base().name().to_owned(),
        path: path.to_owned(),
        source,
    };
    let mut all = Vec::new();
    for file in &files {
        let certificate =
            read_file(file.as_ref()).map_err(|source| failed(file.as_ref(), source))?;
        all.extend(certificate);
    }
    let bundle = runpath.join("trust.pem");
    fs::write(&bundle, all).map_err(|source| failed(&bundle, source))?;
    Ok(Some(bundle.display().to_string()))
}
