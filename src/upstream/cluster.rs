//! The addresses behind one route, and which of them a request goes to.

use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use super::connect::Connector;
use super::dice::Dice;
use super::endpoint::STAGGER;
use super::error::UpstreamError;
use super::lease::Lease;
use super::member::Member;
use super::vitals::Standing;

/// Addresses that serve the same.
pub(super) struct Cluster {
    members: Box<[Rc<Member>]>,
}

/// The addresses that a request has tried already, a bit for each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried(u64);

impl Tried {
    fn add(&mut self, index: usize) {
        self.0 |= 1_u64
            .checked_shl(u32::try_from(index).unwrap_or(u32::MAX))
            .unwrap_or(0);
    }

    fn has(self, index: usize) -> bool {
        let mut bit = Self::default();
        bit.add(index);
        self.0 & bit.0 != 0
    }

    fn count(self) -> u32 {
        self.0.count_ones()
    }
}

/// An address that was chosen for a request. A probe ends with this.
struct Choice<'a> {
    index: usize,
    member: &'a Rc<Member>,
    probe: bool,
}

impl Drop for Choice<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.member.vitals.probed();
        }
    }
}

impl Cluster {
    pub(super) fn new(members: impl IntoIterator<Item = Member>) -> Self {
        Self {
            members: members.into_iter().map(Rc::new).collect(),
        }
    }

    pub(super) fn members(&self) -> &[Rc<Member>] {
        &self.members
    }

    /// A connection to the address with the fewest requests under way. One that cannot be reached is
    /// passed over for another, whatever the method is: nothing was sent. One that hangs is not waited
    /// for alone: after a moment another is tried beside it (RFC 8305 §5).
    pub(super) async fn lease(
        &self,
        connector: &Connector,
        dice: &Dice,
    ) -> Result<Lease, UpstreamError> {
        let mut tried = Tried::default();
        let mut attempts = FuturesUnordered::new();
        // In the order in which they began.
        let mut under_way: Vec<&Rc<Member>> = Vec::new();
        let mut failure = None;
        loop {
            let choice = if tried.count() > MAX_OTHERS {
                None
            } else {
                Some(self.choose(tried, dice))
            };
            match choice {
                // What is slow itself is no relief.
                Some(Ok(choice)) if attempts.is_empty() || !choice.member.vitals.is_slow() => {
                    tried.add(choice.index);
                    under_way.push(choice.member);
                    attempts.push(attempt(choice, connector));
                }
                Some(Err(down)) if attempts.is_empty() => return Err(failure.unwrap_or(down)),
                Some(_) | None => {}
            }
            let others = self.members.len() > 1 && tried.count() <= MAX_OTHERS;
            let outcome = if others {
                match timeout(STAGGER, attempts.next()).await {
                    Ok(outcome) => outcome,
                    Err(_) => continue,
                }
            } else {
                attempts.next().await
            };
            let Some((choice, outcome)) = outcome else {
                continue;
            };
            let place = under_way
                .iter()
                .position(|member| Rc::ptr_eq(member, choice.member));
            match outcome {
                Ok(lease) => {
                    if lease.is_new || choice.probe {
                        choice.member.works();
                    }
                    for overtaken in under_way.iter().take(place.unwrap_or(0)) {
                        overtaken.is_overtaken();
                    }
                    return Ok(lease);
                }
                Err(error) => {
                    self.unreachable(choice.member, &error, dice);
                    if !error.is_unreachable()
                        || (attempts.is_empty() && tried.count() > MAX_OTHERS)
                    {
                        return Err(error);
                    }
                    failure = Some(error);
                    place.map(|place| under_way.remove(place));
                }
            }
        }
    }

    /// A kept connection, as nearly every request finds one: without a wait.
    pub(super) fn lease_kept(&self, dice: &Dice) -> Option<Lease> {
        let choice = self.choose(Tried::default(), dice).ok()?;
        let lease = choice.member.lease_kept()?;
        if choice.probe {
            choice.member.works();
        }
        Some(lease)
    }

    /// Another connection to the same address, and not a kept one.
    pub(super) async fn lease_again(
        &self,
        member: &Rc<Member>,
        connector: &Connector,
        dice: &Dice,
    ) -> Result<Lease, UpstreamError> {
        let outcome = member.lease(connector, true).await;
        match &outcome {
            Ok(_) => member.works(),
            Err(error) => self.unreachable(member, error, dice),
        }
        outcome
    }

    /// A healthy single address costs a look at a cell.
    fn choose(&self, tried: Tried, dice: &Dice) -> Result<Choice<'_>, UpstreamError> {
        let mut best: Option<(usize, &Rc<Member>)> = None;
        let mut soonest: Option<Duration> = None;
        let count = self.members.len();
        let (first, looked_at) = match count {
            1 => (0, 1),
            few if few <= FEW => (dice.below(few), few),
            _ => match self.two(tried, dice) {
                Some(choice) => return Ok(choice),
                // One of both is out: that happens seldom enough to look at all.
                None => (dice.below(count), count),
            },
        };
        for index in (first..count).chain(0..first).take(looked_at) {
            let Some(member) = self.members.get(index).filter(|_| !tried.has(index)) else {
                continue;
            };
            match member.standing() {
                // One request finds out for all others whether the address is back.
                Standing::Probe => {
                    member.vitals.probe();
                    let probe = true;
                    return Ok(Choice {
                        index,
                        member,
                        probe,
                    });
                }
                Standing::Up => {
                    if best.is_none_or(|(_, best)| member.burden() < best.burden()) {
                        best = Some((index, member));
                    }
                }
                Standing::Down(left) => {
                    soonest = Some(soonest.map_or(left, |soonest| soonest.min(left)));
                }
            }
        }
        if let Some((index, member)) = best {
            let probe = false;
            return Ok(Choice {
                index,
                member,
                probe,
            });
        }
        let retry_after = soonest.unwrap_or(Duration::from_secs(1));
        self.in_need(tried, first)
            .ok_or(UpstreamError::Down { retry_after })
    }

    /// Where nothing works, one that was left out for long may be the first to come back.
    fn in_need(&self, tried: Tried, first: usize) -> Option<Choice<'_>> {
        let count = self.members.len();
        let rested = |index: &usize| {
            let member = self.members.get(*index).filter(|_| !tried.has(*index));
            member.is_some_and(|member| {
                member.endpoint.reported_down().is_none() && member.vitals.may_be_tried()
            })
        };
        let index = (first..count).chain(0..first).find(rested)?;
        let member = self.members.get(index)?;
        member.vitals.probe();
        let probe = true;
        Some(Choice {
            index,
            member,
            probe,
        })
    }

    /// Two at random, and of both the one with fewer requests under way.
    fn two(&self, tried: Tried, dice: &Dice) -> Option<Choice<'_>> {
        let count = self.members.len();
        let one = dice.below(count);
        let other = (one + 1 + dice.below(count - 1)) % count;
        let up = |index: usize| {
            let member = self.members.get(index).filter(|_| !tried.has(index))?;
            (member.standing() == Standing::Up).then_some((index, member))
        };
        let (one, other) = (up(one)?, up(other)?);
        let (index, member) = if other.1.burden() < one.1.burden() {
            other
        } else {
            one
        };
        let probe = false;
        Some(Choice {
            index,
            member,
            probe,
        })
    }

    fn unreachable(&self, member: &Rc<Member>, error: &UpstreamError, dice: &Dice) {
        if !error.is_unreachable() {
            return;
        }
        let another = self
            .members
            .iter()
            .any(|other| !Rc::ptr_eq(other, member) && other.standing() == Standing::Up);
        let address = member.endpoint.address();
        match member.fails(!another, dice) {
            Some(out_for) => {
                tracing::warn!(event = "upstream.ejected", %address, %error, ?out_for, "An address does not work and is left out for a while.");
            }
            None => {
                tracing::info!(event = "upstream.unreachable", %address, %error, "An address cannot be reached.");
            }
        }
    }
}

/// One of the ways to a connection that are tried beside each other.
async fn attempt<'a>(
    choice: Choice<'a>,
    connector: &Connector,
) -> (Choice<'a>, Result<Lease, UpstreamError>) {
    let outcome = choice.member.lease(connector, false).await;
    (choice, outcome)
}

/// So many addresses are looked at one by one.
const FEW: usize = 4;

/// Other addresses that a request tries after its first.
const MAX_OTHERS: u32 = 2;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;
    use crate::crypto::tls;
    use crate::http::Origin;
    use crate::upstream::SystemResolver;
    use crate::upstream::Timeouts;
    use crate::upstream::endpoint::Endpoint;
    use crate::upstream::endpoint::Making;
    use crate::upstream::endpoint::tests::hanging;
    use crate::upstream::settings::Address;
    use crate::upstream::settings::PoolLimits;
    use crate::upstream::settings::Protocol;
    use crate::upstream::tls::ClientTls;

    fn cluster(count: u16, checked: bool) -> Cluster {
        let interval = checked.then_some(Duration::from_secs(10));
        made(1..=count, interval)
    }

    fn at<const N: usize>(ports: [u16; N]) -> Cluster {
        made(ports, None)
    }

    fn made(ports: impl IntoIterator<Item = u16>, interval: Option<Duration>) -> Cluster {
        let making = Making {
            resolver: Arc::new(SystemResolver),
            resolve_every: Duration::from_secs(30),
            tls: Arc::new(ClientTls::plain(&tls::client_config())),
        };
        Cluster::new(ports.into_iter().map(|port| {
            let origin = Origin::parse(&format!("http://127.0.0.1:{port}")).expect("an origin");
            let address = Address::Tcp(origin);
            let endpoint = Endpoint::of_tool(&address, Protocol::Http1, interval, &making);
            Member::new(
                Arc::new(endpoint),
                Rc::default(),
                PoolLimits::default(),
                Timeouts::default(),
            )
        }))
    }

    fn chosen(cluster: &Cluster, dice: &Dice) -> Result<usize, Duration> {
        match cluster.choose(Tried::default(), dice) {
            Ok(choice) => Ok(choice.index),
            Err(UpstreamError::Down { retry_after }) => Err(retry_after),
            Err(error) => panic!("{error}"),
        }
    }

    fn fail(cluster: &Cluster, index: usize, dice: &Dice) {
        for _ in 0..3 {
            cluster.unreachable(
                &cluster.members[index],
                &UpstreamError::ConnectTimeout,
                dice,
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_fails_is_left_out_and_probed_by_one_request_at_a_time() {
        for count in [2, 6] {
            let (cluster, dice) = (cluster(count, false), Dice::new(7));
            for index in 1..cluster.members.len() {
                fail(&cluster, index, &dice);
            }
            for _ in 0..50 {
                assert_eq!(chosen(&cluster, &dice), Ok(0), "the one that is left");
            }
            fail(&cluster, 0, &dice);
            let wait = chosen(&cluster, &dice).expect_err("all are out");
            assert_eq!(
                wait,
                Duration::from_secs(1),
                "the last one comes back first"
            );
            tokio::time::advance(wait).await;
            let probe = cluster.choose(Tried::default(), &dice).expect("a probe");
            assert!(probe.probe && probe.index == 0);
            let others: Vec<_> = (1..count)
                .map(|_| cluster.choose(Tried::default(), &dice).expect("in need"))
                .collect();
            assert!(others.iter().all(|other| other.probe && other.index != 0));
            assert!(chosen(&cluster, &dice).is_err(), "one at a time each");
            drop((probe, others));
            assert_eq!(
                chosen(&cluster, &dice),
                Ok(0),
                "a probe that was given up is made again"
            );
            cluster.members[0].vitals.connected();
            for _ in 0..50 {
                assert_eq!(chosen(&cluster, &dice), Ok(0));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_addresses_get_their_share() {
        for count in [1_u16, 2, 3, 10] {
            let (cluster, dice) = (cluster(count, false), Dice::new(3));
            let mut counts = vec![0_u32; usize::from(count)];
            for _ in 0..u32::from(count) * 100 {
                counts[chosen(&cluster, &dice).expect("up")] += 1;
            }
            assert!(counts.iter().all(|&count| count > 50), "{counts:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_check_reports_counts_at_once() {
        let (cluster, dice) = (cluster(2, true), Dice::new(3));
        assert!(cluster.members[0].endpoint.report(true));
        assert!(!cluster.members[0].endpoint.report(true), "no news");
        for _ in 0..20 {
            assert_eq!(chosen(&cluster, &dice), Ok(1));
        }
        cluster.members[1].endpoint.report(true);
        assert_eq!(chosen(&cluster, &dice), Err(Duration::from_secs(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_hangs_costs_one_stagger_once() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let (hanging, _held) = hanging();
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                    .await
                    .expect("a port");
                let good = listener.local_addr().expect("bound");
                let (cluster, dice) = (at([hanging.port(), good.port()]), Dice::new(3));
                let connector = Connector::new();
                let mut waits = Vec::new();
                for _ in 0..20 {
                    let begun = Instant::now();
                    let lease = cluster.lease(&connector, &dice).await.expect("connects");
                    assert!(Rc::ptr_eq(&lease.member(), &cluster.members[1]));
                    waits.push(begun.elapsed());
                }
                let delayed: Vec<_> = waits.iter().filter(|wait| !wait.is_zero()).collect();
                assert_eq!(delayed, [&STAGGER], "{waits:?}");
                // Where all hang, they hang together.
                let (cluster, begun) = (at([hanging.port(); 3]), Instant::now());
                let outcome = cluster.lease(&connector, &dice).await;
                assert!(matches!(outcome, Err(UpstreamError::ConnectTimeout)));
                assert_eq!(begun.elapsed(), Timeouts::default().connect + 2 * STAGGER);
            })
            .await;
    }

    #[test]
    fn what_was_tried_is_remembered() {
        let mut tried = Tried::default();
        tried.add(0);
        tried.add(63);
        tried.add(64);
        assert!(tried.has(0) && tried.has(63) && !tried.has(1));
        assert_eq!(tried.count(), 2);
    }
}
