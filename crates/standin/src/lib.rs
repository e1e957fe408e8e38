#![doc = include_str!("../README.md")]
#![expect(
    clippy::test_attr_in_doctest,
    reason = "the README shows a test; tests/greeting.rs runs it"
)]

pub use standin_config::facade::{Config, OptionValue};
pub use standin_config::{ContextValue, FromOptions, Port, Setting, Text, context, verbatim};
pub use standin_connection::{ConnectionGraph, ConnectionInfo};
pub use standin_driver::{
    Attributes, BuildError, Driver, DriverBase, DriverBuilder, DriverConfig, Hook, InstallFile,
    Lifecycle, LogMatcher, Readiness,
};
pub use standin_entity::{Check, Report, Status};
pub use standin_environment::{
    AbortHandle, DriverGroup, DriverTypes, Environment, EnvironmentBuilder, EnvironmentError,
    RunningEnvironment,
};
pub use standin_error::{Error, Reportable, Result, reportable};
pub use standin_process::{Listen, Process, ProcessBuilder, ProcessConfig, Signal};
#[cfg(feature = "proxy")]
pub use standin_proxy::{EveryCut, Fault, Link, TcpProxy, TcpProxyBuilder, TcpProxyConfig};
pub use standin_tcp::{
    Encoding, TcpClient, TcpClient as TCPClient, TcpClientBuilder, TcpClientConfig, TcpConnection,
    TcpError, TcpHeld, TcpServer, TcpServer as TCPServer, TcpServerBuilder, TcpServerConfig,
    testplan,
};

#[cfg(feature = "tls")]
pub use standin_tcp::{TlsCertificate, TlsCertificateBuilder, TlsCertificateConfig};
#[cfg(feature = "tls")]
pub use standin_tls::{Authority, ClientAuth, Defect, Tls, TlsInfo};

#[cfg(feature = "proxy")]
pub use standin_proxy as proxy;
#[cfg(feature = "tls")]
pub use standin_tls as tls;

#[cfg(any(feature = "smol", feature = "tokio"))]
pub use standin_async as asynchronous;
pub use {
    standin_child as child, standin_config as config, standin_connection as connection,
    standin_driver as driver, standin_entity as entity, standin_environment as environment,
    standin_error as error, standin_process as process, standin_reactor as reactor,
    standin_record as record, standin_reply as reply, standin_socket as socket, standin_tcp as tcp,
};
