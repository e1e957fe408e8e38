//! What TLS costs, next to rustls over the sockets of `std::net`, with the same certificate, the
//! same cryptography and no sessions resumed.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use standin_socket::{Client, Connection, Server};
use standin_tls::{Acceptor, Authority, Connector, Tls, TlsListener, connect};

use super::measure::{in_turn, micros_each};
use super::socket::LIMIT;
use super::{Figure, Outcome};

const HOST: &str = "localhost";
const MESSAGE: [u8; 64] = [0x5a; 64];

/// What both ways have in common.
struct Common {
    authority: Authority,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Common {
    fn new() -> Outcome<Common> {
        let authority = Authority::new("bench")?;
        let identity = authority.issue([HOST])?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(identity.certificate_pem().as_bytes())
            .collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes())?;
        let mut roots = RootCertStore::empty();
        let root = authority.certificate_pem().as_bytes();
        roots.add(CertificateDer::from_pem_slice(root)?)?;
        let provider = Arc::new(ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = rustls::client::Resumption::disabled();
        Ok(Common {
            authority,
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }
}

/// Our server, and what a client of it needs.
struct Ours {
    server: Server,
    listener: TlsListener,
    client: Client,
    connector: Connector,
}

impl Ours {
    fn new(common: &Common) -> Outcome<Ours> {
        let tls = Tls::new().resumption(false);
        let server = Server::builder().host("127.0.0.1").bind()?;
        let acceptor = Acceptor::new(&tls, &[HOST], &common.authority, None)?;
        let listener = TlsListener::new(&server, acceptor)?;
        let client = Client::builder().host("127.0.0.1").port(server.port());
        Ok(Ours {
            listener,
            client: client.build(),
            connector: Connector::new(&tls, HOST, &[], &common.authority, None)?,
            server,
        })
    }

    fn pair(&self) -> Outcome<(Connection, Connection)> {
        let near = self.client.connect(LIMIT)?;
        connect(&near, &self.connector)?;
        Ok((near, self.listener.accept(LIMIT)?))
    }
}

type PlainServer = StreamOwned<ServerConnection, TcpStream>;
type PlainClient = StreamOwned<ClientConnection, TcpStream>;

/// A thread that accepts and shakes hands, as one would write it by hand.
struct Plain {
    address: SocketAddr,
    accepted: Receiver<std::io::Result<PlainServer>>,
    client: Arc<ClientConfig>,
}

impl Plain {
    fn new(common: &Common) -> Outcome<Plain> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (send, accepted) = channel();
        let config = Arc::clone(&common.server);
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shaken = stream.and_then(|mut stream| {
                    stream.set_nodelay(true)?;
                    let tls = ServerConnection::new(Arc::clone(&config));
                    let mut tls = tls.map_err(std::io::Error::other)?;
                    tls.complete_io(&mut stream)?;
                    Ok(StreamOwned::new(tls, stream))
                });
                if send.send(shaken).is_err() {
                    break;
                }
            }
        });
        Ok(Plain {
            address,
            accepted,
            client: Arc::clone(&common.client),
        })
    }

    fn pair(&self) -> Outcome<(PlainClient, PlainServer)> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let mut tls = ClientConnection::new(Arc::clone(&self.client), ServerName::try_from(HOST)?)?;
        tls.complete_io(&mut stream)?;
        let near = StreamOwned::new(tls, stream);
        Ok((near, self.accepted.recv()??))
    }
}

/// One thread sends 64 bytes from one end, receives them at the other, and back.
pub(crate) fn roundtrip() -> Outcome<Figure> {
    const COUNT: usize = 500;
    let common = Common::new()?;
    let ours = Ours::new(&common)?;
    let (near, far) = ours.pair()?;
    let (mut plain_near, mut plain_far) = Plain::new(&common)?.pair()?;
    let mut our_way = || {
        micros_each(COUNT, || {
            for _ in 0..COUNT {
                near.send(&MESSAGE, LIMIT)?;
                far.receive_exactly(MESSAGE.len(), LIMIT)?;
                far.send(&MESSAGE, LIMIT)?;
                near.receive_exactly(MESSAGE.len(), LIMIT)?;
            }
            Ok(())
        })
    };
    let mut plain_way = || {
        micros_each(COUNT, || {
            let mut buffer = [0; MESSAGE.len()];
            for _ in 0..COUNT {
                plain_near.write_all(&MESSAGE)?;
                plain_far.read_exact(&mut buffer)?;
                plain_far.write_all(&MESSAGE)?;
                plain_near.read_exact(&mut buffer)?;
            }
            Ok(())
        })
    };
    let [ours, plain] = in_turn(101, [&mut our_way, &mut plain_way])?;
    Ok(Figure::compared("tls_roundtrip", ours, plain, "µs"))
}

/// One client after the other connects, shakes hands, and sends 64 bytes that the server has.
pub(crate) fn handshake() -> Outcome<Figure> {
    const COUNT: usize = 20;
    let common = Common::new()?;
    let (ours, plain) = (Ours::new(&common)?, Plain::new(&common)?);
    let mut our_way = || {
        micros_each(COUNT, || {
            for _ in 0..COUNT {
                let (near, far) = ours.pair()?;
                near.send(&MESSAGE, LIMIT)?;
                far.receive_exactly(MESSAGE.len(), LIMIT)?;
                far.close();
                near.close();
            }
            Ok(())
        })
    };
    let mut plain_way = || {
        micros_each(COUNT, || {
            let mut buffer = [0; MESSAGE.len()];
            for _ in 0..COUNT {
                let (mut near, mut far) = plain.pair()?;
                near.write_all(&MESSAGE)?;
                far.read_exact(&mut buffer)?;
                far.conn.send_close_notify();
                far.flush()?;
                drop(far);
                near.conn.send_close_notify();
                near.flush()?;
            }
            Ok(())
        })
    };
    let outcome = in_turn(51, [&mut our_way, &mut plain_way]);
    ours.server.close();
    let [ours, plain] = outcome?;
    Ok(Figure::compared("tls_handshake", ours, plain, "µs each"))
}

/// One thread sends pieces of 64 KiB to another.
pub(crate) fn bulk() -> Outcome<Figure> {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 1_000;
    let common = Common::new()?;
    let (ours, plain) = (Ours::new(&common)?, Plain::new(&common)?);
    let piece = vec![0x5a; PIECE];
    let throughput = |begin: Instant| (PIECE * PIECES) as f64 / begin.elapsed().as_secs_f64() / 1e9;
    let mut our_way = || -> Outcome<f64> {
        let (near, far) = ours.pair()?;
        let begin = Instant::now();
        thread::scope(|scope| -> Outcome<()> {
            let sends =
                scope.spawn(|| (0..PIECES).try_for_each(|_| near.send(&piece, LIMIT).map(drop)));
            let mut buffer = vec![0; PIECE];
            let mut left = PIECE * PIECES;
            while left > 0 {
                left -= far.receive_into(&mut buffer, LIMIT)?;
            }
            sends.join().map_err(|_| "the sender panicked")??;
            Ok(())
        })?;
        Ok(throughput(begin))
    };
    let mut plain_way = || -> Outcome<f64> {
        let (mut near, mut far) = plain.pair()?;
        let begin = Instant::now();
        thread::scope(|scope| -> Outcome<()> {
            let sends = scope.spawn(|| (0..PIECES).try_for_each(|_| near.write_all(&piece)));
            let mut buffer = vec![0; PIECE];
            let mut left = PIECE * PIECES;
            while left > 0 {
                left -= far.read(&mut buffer)?;
            }
            sends.join().map_err(|_| "the sender panicked")??;
            Ok(())
        })?;
        Ok(throughput(begin))
    };
    let [ours, plain] = in_turn(15, [&mut our_way, &mut plain_way])?;
    Ok(Figure::compared("tls_bulk", ours, plain, "GB/s"))
}
