//! Drivers of every recorded kind, made from options that are values.

use std::sync::Arc;

use indexmap::IndexMap;
use standin::config::{Config, ConfigDescription, FromOptions, Layer, TypedOptions};
use standin::driver::DriverBuilder;
use standin::tcp::{TcpClientBuilder, TcpServerBuilder};
use standin::{
    Attributes, Driver, DriverConfig, TcpClient, TcpClientConfig, TcpServer, TcpServerConfig,
};

use super::trace_driver::{ContextStub, TraceDriver, hook};
use crate::failure::Failure;
use crate::value::{Function, Object, Value};
use crate::world::{Call, Outcome};

/// A driver of one of the recorded kinds.
#[derive(Clone)]
pub(crate) enum AnyDriver {
    Trace(Arc<TraceDriver>),
    Stub(Arc<ContextStub>),
    Client(Arc<TcpClient>),
    Server(Arc<TcpServer>),
    /// A server that files can be installed for.
    InstallServer(Arc<TcpServer>),
}

impl Object for AnyDriver {
    fn class(&self) -> String {
        let class = match self {
            AnyDriver::InstallServer(_) => "InstallTCPServer",
            AnyDriver::Server(_) => "TCPServer",
            AnyDriver::Client(_) => "TCPClient",
            other => other.as_driver().base().kind(),
        };
        class.to_owned()
    }
}

impl AnyDriver {
    pub(crate) fn as_driver(&self) -> &dyn Driver {
        match self {
            AnyDriver::Trace(driver) => &**driver,
            AnyDriver::Stub(driver) => &**driver,
            AnyDriver::Client(driver) => &**driver,
            AnyDriver::Server(driver) | AnyDriver::InstallServer(driver) => &**driver,
        }
    }

    pub(crate) fn shared(&self) -> Arc<dyn Driver> {
        match self {
            AnyDriver::Trace(driver) => driver.clone(),
            AnyDriver::Stub(driver) => driver.clone(),
            AnyDriver::Client(driver) => driver.clone(),
            AnyDriver::Server(driver) | AnyDriver::InstallServer(driver) => driver.clone(),
        }
    }

    pub(crate) fn server(&self) -> Result<&Arc<TcpServer>, Failure> {
        match self {
            AnyDriver::Server(server) | AnyDriver::InstallServer(server) => Ok(server),
            _ => Err(Failure::broken("the step needs a TCP server")),
        }
    }

    pub(crate) fn client(&self) -> Result<&Arc<TcpClient>, Failure> {
        match self {
            AnyDriver::Client(client) => Ok(client),
            _ => Err(Failure::broken("the step needs a TCP client")),
        }
    }
}

/// What a constructor is given: values, and hooks, which have no written form.
struct Given {
    values: Vec<(String, standin::config::Value)>,
    hooks: Vec<(String, Arc<Function>)>,
}

/// Options without those that are given as "none", which means the default.
fn given(
    description: &ConfigDescription,
    options: &IndexMap<String, Value>,
) -> Result<Given, Failure> {
    let mut given = Given {
        values: Vec::new(),
        hooks: Vec::new(),
    };
    for (name, value) in options {
        let takes_code = description
            .option(name)
            .is_some_and(|option| option.is_code_only());
        match value {
            Value::Null | Value::Unset | Value::Absent => {}
            // With other parameters a closure is of another type.
            Value::Function(function) if takes_code && function.takes_driver() => {
                given.hooks.push((name.clone(), function.clone()));
            }
            value => given.values.push((name.clone(), value.to_option()?)),
        }
    }
    Ok(given)
}

macro_rules! typed_options {
    ($name:ident: $options:ty, $config:ty) => {
        fn $name(call: &Call, options: &IndexMap<String, Value>) -> Result<$options, Failure> {
            let description = <$config>::description();
            let Given { values, hooks } = given(description, options)?;
            let layer = Layer::read(description, description.name(), values)?;
            let mut options = <$options>::from_layer(layer)
                .map_err(|_| Failure::broken("the layer is of another config"))?;
            for (name, function) in hooks {
                let hook = hook(&call.world.trace, &function);
                options = match name.as_str() {
                    "pre_start" => options.pre_start(hook),
                    "post_start" => options.post_start(hook),
                    "pre_stop" => options.pre_stop(hook),
                    "post_stop" => options.post_stop(hook),
                    other => return Err(Failure::broken(format!("{other} is not a hook"))),
                };
            }
            Ok(options)
        }
    };
}

typed_options!(driver_options: DriverBuilder, DriverConfig);
typed_options!(server_options: TcpServerBuilder, TcpServerConfig);
typed_options!(client_options: TcpClientBuilder, TcpClientConfig);

pub(super) fn new(call: &Call) -> Outcome {
    let options = call.map("options");
    let driver = match call.text("kind")? {
        "TraceDriver" => {
            let options = driver_options(call, &options)?;
            let trace = call.world.trace.clone();
            let driver = TraceDriver::new(options, trace, call.map("behaviour"))?;
            AnyDriver::Trace(Arc::new(driver))
        }
        "ContextStub" => AnyDriver::Stub(Arc::new(ContextStub::new(
            "ContextStub",
            driver_options(call, &options)?,
            attributes(&call.map("attrs"))?,
        )?)),
        "Driver" => AnyDriver::Stub(Arc::new(ContextStub::new(
            "Driver",
            driver_options(call, &options)?,
            Attributes::new(),
        )?)),
        "TCPServer" => AnyDriver::Server(Arc::new(TcpServer::from_options(server_options(
            call, &options,
        )?)?)),
        "InstallTCPServer" => AnyDriver::InstallServer(Arc::new(TcpServer::from_options(
            server_options(call, &options)?,
        )?)),
        "TCPClient" => AnyDriver::Client(Arc::new(TcpClient::from_options(client_options(
            call, &options,
        )?)?)),
        other => return Err(Failure::broken(format!("unknown kind {other}"))),
    };
    Ok(Value::handle(driver))
}

pub(super) fn attributes(values: &IndexMap<String, Value>) -> Result<Attributes, Failure> {
    let mut attributes = Attributes::new();
    for (name, value) in values {
        attributes.insert(name.clone(), value.to_option()?);
    }
    Ok(attributes)
}
