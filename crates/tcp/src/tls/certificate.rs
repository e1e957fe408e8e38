//! [`TlsCertificate`]: a driver that issues a certificate for a program under test.

use std::fmt;
use std::path::PathBuf;
use std::sync::RwLock;

use standin_config::{Config, FromOptions, Kind, Misfit, OptionValue, Step, Value, ValueError};
use standin_driver::{Attributes, BuildError, Driver, DriverBase, DriverConfig};
use standin_entity::Result;
use standin_sync::Unpoisoned;
use standin_tls::{Authority, Defect, Tls};

use super::files::{Files, Folder};
use super::options::Named;
use super::side::{LOCAL, authority};
use crate::TcpError;

/// A certificate of the environment's authority, with its key, in files for a program under test.
///
/// These are the options of a [`TlsCertificate`].
#[derive(Clone, Debug, Config)]
#[config(
    type_name = "tls-certificate",
    builds = TlsCertificate,
    check(names) = name_misfits,
    check(defect) = defect_misfits
)]
pub struct TlsCertificateConfig {
    /// The options that every driver has.
    #[config(include)]
    pub driver: DriverConfig,

    /// Names and addresses that the certificate is for, such as `"app.test"`, beside `localhost`,
    /// its addresses and the name of the driver.
    #[config(default)]
    pub names: Vec<String>,

    /// What is wrong with the certificate on purpose, by its name, such as `"expired"`, for a
    /// program that should be refused. Default: nothing.
    #[config(accepts(crate::Defect), with = crate::CertificateDefect::from)]
    pub defect: Option<crate::CertificateDefect>,
}

impl TlsCertificateConfig {
    fn tls(&self) -> Tls {
        let tls = Tls::new().names(&self.names);
        match self.defect {
            Some(CertificateDefect(defect)) => tls.defect(defect),
            None => tls,
        }
    }
}

fn name_misfits(names: &[String]) -> Vec<Misfit> {
    let names = names.iter().enumerate();
    let misfits = names.filter_map(|(index, name)| {
        let error = Tls::new().names([name]).check().err()?;
        Some(Misfit::new("names", error.to_string()).at([Step::Index(index)]))
    });
    misfits.collect()
}

fn defect_misfits(defect: &Option<CertificateDefect>) -> Vec<Misfit> {
    // Code may name any defect.
    let other = defect.filter(|defect| !defect.0.is_of_certificate());
    let misfits = other.iter().map(|defect| {
        let unfit = CertificateDefect::kind().unfit(&defect.to_value());
        Misfit::new("defect", unfit.to_string())
    });
    misfits.collect()
}

/// A [`Defect`] of a certificate, as an option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CertificateDefect(Defect);

impl From<Defect> for CertificateDefect {
    fn from(defect: Defect) -> Self {
        CertificateDefect(defect)
    }
}

impl OptionValue for CertificateDefect {
    fn kind() -> Kind {
        let all = Defect::ALL.into_iter();
        Kind::one_of(
            all.filter(|defect| defect.is_of_certificate())
                .map(Defect::name),
        )
    }

    fn from_value(value: &Value) -> std::result::Result<Self, ValueError> {
        Self::kind().check(value)?;
        Ok(CertificateDefect(Named::from_value(value)?.0))
    }

    fn to_value(&self) -> Value {
        Named(self.0).to_value()
    }
}

/// A driver that issues a certificate with its key, for a program under test that serves over TLS
/// or shows a certificate as a client.
///
/// The authority is that of the environment, which its TCP drivers trust. Files in PEM are below
/// the runpath, and published: `certificate_file` and `key_file`, and of the authority `ca_file`
/// and `crl_file`. The `trust` of another process may name this driver. Each start issues another
/// certificate.
///
/// ```
/// use standin_driver::Lifecycle;
/// use standin_tcp::TlsCertificate;
///
/// # fn main() -> standin_entity::Result<()> {
/// let certificate = TlsCertificate::builder("app").names(["app.test"]).build()?;
/// certificate.start()?;
/// let file = certificate.certificate_file().expect("it is started");
/// assert!(std::fs::read_to_string(file)?.starts_with("-----BEGIN CERTIFICATE-----"));
/// certificate.stop()?;
/// # Ok(())
/// # }
/// ```
///
/// A process of the same environment has it in its arguments as `{{ context.app.certificate_file
/// }}`.
pub struct TlsCertificate {
    base: DriverBase,
    files: RwLock<Files>,
}

impl TlsCertificate {
    /// Begins to describe a certificate; `build` makes the driver.
    pub fn builder(name: impl Into<String>) -> TlsCertificateBuilder {
        TlsCertificateBuilder::new().name(name)
    }

    /// Returns the file with the certificate; `None` before the first start.
    pub fn certificate_file(&self) -> Option<PathBuf> {
        self.file("certificate_file")
    }

    /// Returns the file with its key; `None` before the first start.
    pub fn key_file(&self) -> Option<PathBuf> {
        self.file("key_file")
    }

    /// Returns the certificate authority of its environment.
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no random numbers.
    pub fn authority(&self) -> std::result::Result<Authority, TcpError> {
        Ok(authority(self.base.entity())?)
    }

    fn file(&self, attribute: &str) -> Option<PathBuf> {
        self.files.read().unpoisoned().get(attribute)
    }
}

impl FromOptions<TlsCertificateBuilder> for TlsCertificate {
    type Error = BuildError;

    fn from_options(options: TlsCertificateBuilder) -> std::result::Result<Self, BuildError> {
        Ok(TlsCertificate {
            base: DriverBase::new("TlsCertificate", options)?,
            files: RwLock::default(),
        })
    }
}

impl Driver for TlsCertificate {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn starting(&self) -> Result<()> {
        let config: TlsCertificateConfig = self.base.config()?;
        let authority = self.authority()?;
        let mut names = LOCAL.to_vec();
        names.push(self.base.name());
        let identity = config
            .tls()
            .identity(&names, &authority)
            .map_err(TcpError::from)?;
        let mut folder = Folder::create(&self.base)?;
        folder.add_identity(
            [
                ("certificate_file", "certificate.pem"),
                ("key_file", "certificate.key"),
            ],
            &identity,
        )?;
        // After it was issued: a defect may have revoked it.
        folder.add_authority(&authority)?;
        *self.files.write().unpoisoned() = folder.into_files();
        Ok(())
    }

    fn attributes(&self) -> Attributes {
        self.files.read().unpoisoned().publish(Attributes::new())
    }
}

impl fmt::Debug for TlsCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCertificate")
            .field("name", &self.base.name())
            .field("files", &*self.files.read().unpoisoned())
            .finish_non_exhaustive()
    }
}
