//! One address and how to reach it: its name, its TLS, what is known of its health.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::net::UnixStream;

use super::error::UpstreamError;
use super::names::InProcess;
use super::names::Name;
use super::names::Resolve;
use super::public::is_public;
use super::settings::Address;
use super::settings::Protocol;
use super::stream::Stream;
use super::stream::Wire;
use super::tls::ClientTls;
use crate::http::Origin;
use crate::http::Scheme;

/// Shared by all workers; what they read of it for each request is one atomic.
pub(super) struct Endpoint {
    pub(super) protocol: Protocol,
    place: Place,
    shown: Address,
    /// The same as text, for records.
    name: Box<str>,
    /// What the checks say, if there are any.
    checked: Option<Checked>,
    /// How many workers leave it out since connections failed.
    left_out: AtomicUsize,
}

/// What the health checks found.
pub(super) struct Checked {
    down: AtomicBool,
    /// Until the next one.
    interval: Duration,
}

enum Place {
    Unix(Arc<PathBuf>),
    InProcess(InProcess),
    Tcp {
        host: Host,
        tls: Option<(Arc<ClientTls>, ServerName<'static>)>,
    },
    /// A name that cannot be in a certificate.
    Nameless,
}

enum Host {
    Literal(SocketAddr),
    Name {
        name: Name,
        /// Whether its addresses have to be public.
        public_only: bool,
    },
    /// A literal address that is not public, where it has to be.
    Forbidden,
}

/// What endpoints are made with.
#[derive(Clone)]
pub(super) struct Making {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) resolve_every: Duration,
    pub(super) tls: Arc<ClientTls>,
}

impl Endpoint {
    /// An address of a tool.
    pub(super) fn of_tool(
        address: &Address,
        protocol: Protocol,
        check_every: Option<Duration>,
        making: &Making,
    ) -> Self {
        let plain = address.scheme() == Scheme::Http;
        let near = plain.then(|| making.resolver.in_process(address));
        let place = match (near.flatten(), address) {
            (Some(tool), _) => Place::InProcess(tool),
            (None, Address::Unix(path)) => Place::Unix(Arc::clone(path)),
            (None, Address::Tcp(origin)) => place(origin, false, making),
        };
        Self {
            protocol,
            place,
            shown: address.clone(),
            name: address.to_string().into(),
            checked: check_every.map(|interval| Checked {
                down: AtomicBool::new(false),
                interval,
            }),
            left_out: AtomicUsize::new(0),
        }
    }

    /// A tenant's API.
    pub(super) fn of_tenant(origin: &Origin, public_only: bool, making: &Making) -> Self {
        Self {
            protocol: Protocol::Http1,
            place: place(origin, public_only, making),
            shown: Address::Tcp(origin.clone()),
            name: origin.to_string().into(),
            checked: None,
            left_out: AtomicUsize::new(0),
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.shown
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// When the next check is due, if the last ones say that nothing works here.
    pub(super) fn reported_down(&self) -> Option<Duration> {
        let checked = self.checked.as_ref()?;
        let down = checked.down.load(Ordering::Relaxed);
        down.then_some(checked.interval)
    }

    /// One more worker leaves it out.
    pub(super) fn leave_out(&self) {
        self.left_out.fetch_add(1, Ordering::Relaxed);
    }

    /// One of them no longer does.
    pub(super) fn let_in(&self) {
        self.left_out.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many workers leave it out.
    pub(super) fn left_out(&self) -> usize {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Takes down what a check found; tells whether that is news.
    pub(super) fn report(&self, down: bool) -> bool {
        let checked = self.checked.as_ref();
        checked.is_some_and(|checked| checked.down.swap(down, Ordering::Relaxed) != down)
    }

    /// A new connection, as far as TLS.
    pub(super) async fn open(&self) -> Result<Stream, UpstreamError> {
        let (host, tls) = match &self.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path.as_path()).await;
                let wire = stream.map(Wire::Unix).map_err(UpstreamError::Connect)?;
                return Ok(wire.into());
            }
            Place::InProcess(connect) => return Ok(Wire::Memory(connect()).into()),
            Place::Nameless => {
                let error = io::Error::other("no certificate can hold the name");
                return Err(UpstreamError::Connect(error));
            }
            Place::Tcp { host, tls } => (host, tls),
        };
        let tcp = host.connect().await?;
        tcp.set_nodelay(true).map_err(UpstreamError::Connect)?;
        let Some((tls, name)) = tls else {
            return Ok(Wire::Plain(tcp).into());
        };
        let stream = tls.connector().connect(name.clone(), tcp).await;
        let stream = stream.map_err(UpstreamError::Connect)?;
        Ok(Wire::Tls(Box::new(stream)).into())
    }
}

impl Host {
    async fn connect(&self) -> Result<TcpStream, UpstreamError> {
        let (name, public_only) = match self {
            Self::Literal(address) => {
                return TcpStream::connect(address)
                    .await
                    .map_err(UpstreamError::Connect);
            }
            Self::Forbidden => return Err(UpstreamError::NotPublic),
            Self::Name { name, public_only } => (name, *public_only),
        };
        let addresses = name.addresses().await.map_err(UpstreamError::Connect)?;
        let allowed = |address: &&SocketAddr| !public_only || is_public(address.ip());
        let mut allowed = addresses.iter().filter(allowed).copied().peekable();
        if allowed.peek().is_none() {
            return Err(UpstreamError::NotPublic);
        }
        race(allowed).await.map_err(UpstreamError::Connect)
    }
}

/// Tries one address after the other, each a moment after the last, and takes the first that answers
/// (RFC 8305 §5).
async fn race(mut addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::other("no address");
    let mut next = addresses.next();
    loop {
        if let Some(address) = next.take() {
            attempts.push(TcpStream::connect(address));
        }
        next = addresses.next();
        let outcome = if next.is_some() {
            tokio::select! {
                outcome = attempts.next() => outcome,
                () = tokio::time::sleep(STAGGER) => continue,
            }
        } else {
            attempts.next().await
        };
        match outcome {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failure = error,
            None if next.is_none() => return Err(failure),
            None => {}
        }
    }
}

fn place(origin: &Origin, public_only: bool, making: &Making) -> Place {
    let host = match origin.ip() {
        Some(ip) if public_only && !is_public(ip) => Host::Forbidden,
        Some(ip) => Host::Literal(SocketAddr::new(ip, origin.port())),
        None => Host::Name {
            name: Name::new(
                origin.host(),
                origin.port(),
                Arc::clone(&making.resolver),
                making.resolve_every,
            ),
            public_only,
        },
    };
    if origin.scheme() == Scheme::Http {
        return Place::Tcp { host, tls: None };
    }
    let name = match origin.ip() {
        Some(ip) => Ok(ServerName::from(ip)),
        None => ServerName::try_from(origin.host().to_owned()),
    };
    match name {
        Ok(name) => Place::Tcp {
            host,
            tls: Some((Arc::clone(&making.tls), name)),
        },
        Err(_) => Place::Nameless,
    }
}

/// How long an address has before the next one is tried beside it.
pub(super) const STAGGER: Duration = Duration::from_millis(250);

#[cfg(test)]
pub(super) mod tests {
    use std::net::Ipv4Addr;

    use socket2::Domain;
    use socket2::Socket;
    use socket2::Type;
    use tokio::net::TcpListener;

    use super::*;
    use crate::crypto;
    use crate::upstream::Resolving;
    use crate::upstream::SystemResolver;

    /// Says of everything that it is here.
    struct Near;

    impl Resolve for Near {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
            Box::pin(std::future::ready(Ok(Vec::new())))
        }

        fn in_process(&self, _: &Address) -> Option<InProcess> {
            Some(Box::new(|| tokio::io::duplex(1).0))
        }
    }

    #[test]
    fn only_tools_without_tls_can_be_in_this_process() {
        let making = |resolver: Arc<dyn Resolve>| Making {
            resolver,
            resolve_every: Duration::from_secs(30),
            tls: Arc::new(ClientTls::plain(&crypto::tls::client_config())),
        };
        let origin = |text| Origin::parse(text).expect("an origin");
        let tool = |text, making: &Making| {
            let address = Address::Tcp(origin(text));
            Endpoint::of_tool(&address, Protocol::Http1, None, making).place
        };
        let (near, system) = (making(Arc::new(Near)), making(Arc::new(SystemResolver)));
        let plain = "http://127.0.0.1:3000";
        assert!(matches!(tool(plain, &near), Place::InProcess(_)));
        assert!(matches!(tool(plain, &system), Place::Tcp { .. }));
        let secure = tool("https://127.0.0.1:3000", &near);
        assert!(matches!(secure, Place::Tcp { tls: Some(_), .. }));
        let tenant = Endpoint::of_tenant(&origin(plain), false, &near).place;
        assert!(matches!(tenant, Place::Tcp { .. }));
    }

    #[tokio::test]
    async fn the_first_address_that_answers_is_taken() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let good = listener.local_addr().expect("bound");
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let dead = closed.local_addr().expect("bound");
        drop(closed);
        let stream = race([dead, dead, good].into_iter())
            .await
            .expect("connects");
        assert_eq!(stream.peer_addr().expect("connected"), good);
        assert!(race([dead, dead].into_iter()).await.is_err());
        assert!(race(std::iter::empty()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_hangs_costs_one_stagger() {
        let (hanging, _held) = hanging();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let good = listener.local_addr().expect("bound");
        let begun = tokio::time::Instant::now();
        let stream = race([hanging, hanging, good].into_iter())
            .await
            .expect("connects");
        assert_eq!(stream.peer_addr().expect("connected"), good);
        assert_eq!(begun.elapsed().as_millis(), 2 * STAGGER.as_millis());
        // A failure is no reason to wait for the next turn, nor to forget an attempt under way.
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let dead = closed.local_addr().expect("bound");
        drop(closed);
        let begun = tokio::time::Instant::now();
        let stream = race([hanging, dead, good].into_iter())
            .await
            .expect("connects");
        assert_eq!(stream.peer_addr().expect("connected"), good);
        assert_eq!(begun.elapsed().as_millis(), STAGGER.as_millis());
        // All of them hang: whoever connects has a deadline.
        let all = tokio::time::timeout(Duration::from_secs(5), race([hanging; 3].into_iter()));
        assert!(all.await.is_err());
    }

    /// An address that answers nothing: its queue is full and nobody accepts.
    pub(in crate::upstream) fn hanging() -> (SocketAddr, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        listener.bind(&any.into()).expect("a port");
        listener.listen(0).expect("listens");
        let address = listener.local_addr().expect("bound");
        let mut held = vec![listener];
        for _ in 0..8 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.set_nonblocking(true).expect("allowed");
            // The first fills the queue, the others wait for room.
            let _pending = socket.connect(&address);
            held.push(socket);
        }
        (address.as_socket().expect("an address"), held)
    }
}
