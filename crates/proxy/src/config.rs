use std::path::Path;
use std::time::Duration;

use miette::Diagnostic as _;
use standin_config::{Config, Misfit, Port, Setting, Step, context};
use standin_driver::DriverConfig;
use standin_error::text::Quoted;
use standin_tcp::StreamFraming;

use crate::frames::NewFraming;
use crate::{Fault, ProxyError, TcpProxy};

/// A proxy between a peer and its target, with faults on the way.
///
/// These are the options of a [`TcpProxy`].
#[derive(Clone, Debug, Config)]
#[config(
    type_name = "tcp-proxy",
    builds = TcpProxy,
    check(to) = target_misfits,
    check(framing) = framing_misfits,
    check(faults, framing, framed) = fault_misfits
)]
pub struct TcpProxyConfig {
    /// The options that every driver has.
    #[config(include)]
    pub driver: DriverConfig,

    /// Where the connections go: a host and a port, `127.0.0.1:5432`, or `unix:` and the path of a
    /// Unix socket. Of another driver it is `{ driver = "bank", value = "{{ host }}:{{ port }}" }`.
    #[config(example = "127.0.0.1:5432", check = standin_config::no_template)]
    pub to: Setting<String>,

    /// Host name or address to listen on, or `unix:` and the path of a Unix socket.
    #[config(default = "localhost", check = standin_config::no_template)]
    pub host: Setting<String>,

    /// Port to listen on: a number, a numeric text or the name of a service.
    /// With 0 the system chooses a free one.
    #[config(default = 0)]
    pub port: Setting<Port>,

    /// How the way to the target is: `latency`, `jitter`, `bandwidth`, `shared_bandwidth`, `slice`,
    /// `limit`. One table, or a list of tables for different connections. Default: as if there
    /// were no proxy.
    #[config(default)]
    pub up: crate::Links,

    /// How the way back from the target is, as `up`.
    #[config(default)]
    pub down: crate::Links,

    /// Faults, `[[driver.fault]]`: what happens to a connection, and where. Each must happen on
    /// one connection at least, unless it is `optional`.
    #[config(key = "fault", default, append = fault)]
    pub faults: Vec<Fault>,

    /// How the streams are divided into frames, in both directions, for faults that apply to frames
    /// (in code: `framed`). Default: not at all.
    ///
    /// It is `"lines"`, `{ delimiter = "\u0000" }`, `{ length_prefix = { width = 2 } }`,
    /// `{ fixed_size = 16 }`, or `{ matching = '\r?\n\r?\n' }`: a frame ends where the regular
    /// expression does.
    #[config(file_only, example = "lines")]
    pub(crate) framing: Option<StreamFraming>,

    /// How the streams are cut into frames, in both directions, for faults that are about frames.
    /// Default: not at all.
    #[config(
        code_only,
        accepts(impl crate::Framing + std::clone::Clone + Send + Sync + 'static),
        with = crate::NewFraming::new
    )]
    pub framed: Option<crate::NewFraming>,

    /// Whether it refuses connections from the start, until code lets it [come
    /// back](TcpProxy::come_back). It reserves its port anyway.
    #[config(default = false)]
    pub refuse: bool,

    /// How long a connect to the target may take. After that, the connection is reset.
    #[config(default = Duration::from_secs(10))]
    pub connect_limit: Duration,

    /// Where the numbers come from that jitter and probabilities use: the same for the same seed.
    /// Default: the variable `STANDIN_SEED`, or another one each time, which a failure shows.
    pub seed: Option<u64>,
}

impl TcpProxyBuilder {
    /// Sends the connections to the driver of that name, such as a `TcpServer` of the same
    /// environment: sets `to` to the host and port that it publishes.
    ///
    /// ```
    /// use standin_proxy::TcpProxy;
    ///
    /// let wan = TcpProxy::builder("wan").to_driver("bank").build()?;
    /// # Ok::<(), standin_entity::Error>(())
    /// ```
    pub fn to_driver(self, driver: impl Into<String>) -> Self {
        self.to(context(driver, "{{ host }}:{{ port }}"))
    }

    /// Listens on a Unix socket at `path`, which must not exist: sets `host` to `unix:` and the
    /// path.
    pub fn unix(self, path: impl AsRef<Path>) -> Self {
        self.host(format!("unix:{}", path.as_ref().display()))
    }
}

impl TcpProxyConfig {
    /// Creates the framing of the streams, if there is one.
    pub(crate) fn new_framing(&self) -> Option<NewFraming> {
        let in_file = || {
            let framing = self.framing.as_ref()?.maker().ok()??;
            Some(NewFraming::by(move || framing()))
        };
        self.framed.clone().or_else(in_file)
    }
}

/// The parts of a target; `None` if it is not one.
pub(crate) fn host_and_port(to: &str) -> Option<(&str, u16)> {
    // A server on a Unix socket publishes port 0.
    let (host, port) = match to.strip_prefix("unix:") {
        Some(_) => (to.strip_suffix(":0").unwrap_or(to), 0),
        None => {
            let (host, port) = to.rsplit_once(':')?;
            (host, port.parse().ok()?)
        }
    };
    (!host.is_empty()).then_some((host, port))
}

/// A target that cannot be one.
fn target_misfits(to: &Setting<String>) -> Vec<Misfit> {
    let to = to.as_plain();
    let Some(to) = to.filter(|to| host_and_port(to).is_none()) else {
        return Vec::new();
    };
    let error = ProxyError::Target {
        proxy: String::new(),
        to: to.clone(),
    };
    let misfit = Misfit::new("to", format!("{} is not a host and a port", Quoted(to)));
    let help = error.help().map(|help| help.to_string());
    vec![misfit.help(help.unwrap_or_default())]
}

/// A framing that there is not.
fn framing_misfits(framing: &Option<StreamFraming>) -> Vec<Misfit> {
    match framing.as_ref().map(StreamFraming::maker) {
        Some(Err((key, message))) => {
            vec![Misfit::new("framing", message).at([Step::Key(key.into())])]
        }
        _ => Vec::new(),
    }
}

/// Faults that are about frames, where there are none.
fn fault_misfits(
    faults: &[Fault],
    framing: &Option<StreamFraming>,
    framed: &Option<NewFraming>,
) -> Vec<Misfit> {
    let has_frames = match framing.as_ref().map(StreamFraming::maker) {
        Some(Ok(maker)) => maker.is_some(),
        Some(Err(_)) => true,
        None => framed.is_some(),
    };
    let needing = faults
        .iter()
        .enumerate()
        .filter(|(_, fault)| fault.needs_frames() && !has_frames);
    let misfit = |(index, _)| {
        Misfit::new("fault", "it is about frames, but no framing is set")
            .at([Step::Index(index)])
            .help("say how the streams are cut into frames: framing = \"lines\"")
    };
    needing.map(misfit).collect()
}
