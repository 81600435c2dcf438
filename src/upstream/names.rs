//! From a host's name to its addresses: asked off the worker's thread, remembered for a while.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::time::Instant;
use tokio::time::timeout;

use super::settings::Address;
use crate::http::origin::is_below_localhost;

/// A question that is under way.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// How to get to a tool that runs in this process.
pub type InProcess = Box<dyn Fn() -> DuplexStream + Send + Sync>;

/// Who knows the addresses of a name. The system does; tests give other answers.
pub trait Resolve: Send + Sync {
    /// The addresses of `host`, with `port`.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;

    /// The tool at `address`, if it runs in this process, for measurements: the system knows of none. Asked
    /// for tools without TLS only, never for a tenant.
    fn in_process(&self, _address: &Address) -> Option<InProcess> {
        None
    }
}

/// The system's resolver, on a thread of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move {
            if is_below_localhost(host) {
                return Ok(vec![
                    (Ipv4Addr::LOCALHOST, port).into(),
                    (Ipv6Addr::LOCALHOST, port).into(),
                ]);
            }
            Ok(tokio::net::lookup_host((host, port)).await?.collect())
        })
    }
}

/// The addresses of one name. All workers share it, and touch it for new connections only.
pub(super) struct Name {
    host: Box<str>,
    port: u16,
    resolver: Arc<dyn Resolve>,
    good_for: Duration,
    known: Mutex<Option<Known>>,
    /// One question at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    addresses: Arc<[SocketAddr]>,
    at: Instant,
}

impl Name {
    /// A name that nobody has asked for yet.
    pub(super) fn new(
        host: &str,
        port: u16,
        resolver: Arc<dyn Resolve>,
        good_for: Duration,
    ) -> Self {
        Self {
            host: host.into(),
            port,
            resolver,
            good_for,
            known: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The addresses, asked for anew where the answer is old. While nobody answers, the old one holds.
    pub(super) async fn addresses(&self) -> io::Result<Arc<[SocketAddr]>> {
        if let Some(addresses) = self.fresh() {
            return Ok(addresses);
        }
        let _turn = self.turn.lock().await;
        // Whoever had the turn before may have brought the answer.
        if let Some(addresses) = self.fresh() {
            return Ok(addresses);
        }
        let old = self.known().map(|known| known.addresses);
        let patience = if old.is_some() { PATIENCE } else { FIRST };
        let answer = timeout(patience, self.resolver.resolve(&self.host, self.port)).await;
        let error = match answer {
            Ok(Ok(addresses)) if !addresses.is_empty() => {
                return Ok(self.remember(in_turn(&addresses).into()));
            }
            Ok(Ok(_)) => io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
            Ok(Err(error)) => error,
            Err(_) => io::Error::new(io::ErrorKind::TimedOut, "the resolver took too long"),
        };
        let Some(old) = old else { return Err(error) };
        tracing::warn!(event = "upstream.unresolved", host = %self.host, %error, "A name does not resolve; its old addresses hold.");
        Ok(self.remember(old))
    }

    fn fresh(&self) -> Option<Arc<[SocketAddr]>> {
        self.known()
            .filter(|known| known.at.elapsed() < self.good_for)
            .map(|known| known.addresses)
    }

    fn known(&self) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    fn remember(&self, addresses: Arc<[SocketAddr]>) -> Arc<[SocketAddr]> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Known {
            addresses: Arc::clone(&addresses),
            at: Instant::now(),
        });
        addresses
    }
}

/// Families in turn, beginning with that of the resolver's first address (RFC 8305 §4), and not too
/// many of them.
fn in_turn(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let six_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<SocketAddr>, Vec<_>) = addresses
        .iter()
        .copied()
        .partition(|address| address.is_ipv6() == six_first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut sorted = Vec::with_capacity(addresses.len());
    while sorted.len() < MAX_ADDRESSES {
        let next: Vec<SocketAddr> = one.next().into_iter().chain(other.next()).collect();
        if next.is_empty() {
            break;
        }
        sorted.extend(next);
    }
    sorted
}

/// Addresses of one name that are tried, at most.
const MAX_ADDRESSES: usize = 16;

/// How long the resolver may take where there is an old answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long it may take where there is none. The deadline for connecting is mostly shorter.
const FIRST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Gives these answers, one after the other, then never any.
    struct Script(Mutex<VecDeque<io::Result<Vec<SocketAddr>>>>);

    impl Resolve for Script {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
            let answer = self.0.lock().expect("sound").pop_front();
            Box::pin(async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            })
        }
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        let parse = |text: &&str| text.parse().expect("an address");
        texts.iter().map(parse).collect()
    }

    fn name(answers: Vec<io::Result<Vec<SocketAddr>>>) -> Name {
        let resolver = Arc::new(Script(Mutex::new(answers.into())));
        Name::new("tool.example", 80, resolver, Duration::from_secs(30))
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_good_for_a_while_and_an_old_one_better_than_none() {
        let (one, two) = (addresses(&["1.1.1.1:80"]), addresses(&["2.2.2.2:80"]));
        let name = name(vec![
            Ok(one.clone()),
            Err(io::Error::other("no")),
            Ok(Vec::new()),
            Ok(two.clone()),
        ]);
        let ask = async || name.addresses().await.expect("addresses").to_vec();
        assert_eq!(ask().await, one);
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(ask().await, one, "not asked again");
        for _ in 0..2 {
            tokio::time::advance(Duration::from_secs(31)).await;
            assert_eq!(ask().await, one, "the resolver failed");
        }
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(ask().await, two);
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(ask().await, two, "the resolver hangs");
    }

    #[tokio::test(start_paused = true)]
    async fn without_any_answer_there_is_an_error() {
        for answers in [
            vec![Err(io::Error::other("no"))],
            vec![Ok(Vec::new())],
            vec![],
        ] {
            assert!(name(answers).addresses().await.is_err());
        }
    }

    #[test]
    fn families_take_turns() {
        let sorted = in_turn(&addresses(&[
            "[2001:db8::1]:1",
            "[2001:db8::2]:1",
            "1.1.1.1:1",
            "[2001:db8::3]:1",
        ]));
        let expected = addresses(&[
            "[2001:db8::1]:1",
            "1.1.1.1:1",
            "[2001:db8::2]:1",
            "[2001:db8::3]:1",
        ]);
        assert_eq!(sorted, expected);
        assert!(in_turn(&[]).is_empty());
    }
}
