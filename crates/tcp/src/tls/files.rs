//! [`Files`]: certificates and keys in files, for programs under test.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use standin_driver::{Attributes, DriverBase};
use standin_tls::{Authority, Identity};

use crate::TcpError;

/// The files that a driver has written for programs, by the attributes that publish them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files(Vec<(&'static str, PathBuf)>);

impl Files {
    /// Publishes their paths.
    pub(crate) fn publish(&self, attributes: Attributes) -> Attributes {
        self.0.iter().fold(attributes, |attributes, (name, path)| {
            attributes.with(*name, path.display().to_string())
        })
    }

    pub(crate) fn get(&self, attribute: &str) -> Option<PathBuf> {
        let found = self.0.iter().find(|(name, _)| *name == attribute);
        found.map(|(_, path)| path.clone())
    }
}

/// Writes [`Files`] below the runpath of a driver.
pub(crate) struct Folder<'a> {
    driver: &'a str,
    path: PathBuf,
    files: Files,
}

impl<'a> Folder<'a> {
    pub(crate) fn create(driver: &'a DriverBase) -> standin_entity::Result<Self> {
        let runpath = match driver.entity().runpath() {
            Some(runpath) => runpath,
            None => driver.entity().make_runpath_dirs(false)?,
        };
        let folder = Folder {
            driver: driver.name(),
            path: runpath.join("tls"),
            files: Files::default(),
        };
        fs::create_dir_all(&folder.path).map_err(|source| folder.failed(source))?;
        Ok(folder)
    }

    /// Writes what a program needs to trust the certificates of an authority.
    pub(crate) fn add_authority(&mut self, authority: &Authority) -> Result<(), TcpError> {
        self.add("ca_file", "ca.pem", authority.certificate_pem(), EVERYBODY)?;
        self.add("crl_file", "crl.pem", &authority.revoked_pem()?, EVERYBODY)
    }

    /// Writes a certificate and its key.
    pub(crate) fn add_identity(
        &mut self,
        [certificate, key]: [(&'static str, &str); 2],
        identity: &Identity,
    ) -> Result<(), TcpError> {
        let pem = identity.certificate_pem();
        self.add(certificate.0, certificate.1, &pem, EVERYBODY)?;
        self.add(key.0, key.1, &identity.key_pem(), OWNER)
    }

    pub(crate) fn into_files(self) -> Files {
        self.files
    }

    fn add(
        &mut self,
        attribute: &'static str,
        file: &str,
        text: &str,
        mode: u32,
    ) -> Result<(), TcpError> {
        let path = self.path.join(file);
        write(&path, text, mode).map_err(|source| self.failed(source))?;
        self.files.0.push((attribute, path));
        Ok(())
    }

    fn failed(&self, source: io::Error) -> TcpError {
        TcpError::TlsFile {
            driver: self.driver.to_owned(),
            path: self.path.clone(),
            source,
        }
    }
}

/// Who may read a file, as a mode of Unix: as with other files that the process makes.
const EVERYBODY: u32 = 0o666;

/// The same of keys: PostgreSQL and others refuse those that anybody else can read.
const OWNER: u32 = 0o600;

#[cfg_attr(
    not(unix),
    expect(unused_variables, reason = "files have no modes there")
)]
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    options.open(path)?.write_all(text.as_bytes())
}
