//! Who the client is: the peer, or whom a trusted proxy says it speaks for (RFC 7239).

use std::net::IpAddr;
use std::net::SocketAddr;

use http::HeaderMap;

use super::connection::Peer;
use super::settings::TrustedProxies;

/// The chain of addresses a request came through, as far as it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The nearest address that is not a trusted proxy.
    pub address: IpAddr,
    /// Whether the peer is a trusted proxy, so that its word counts.
    pub vouched: bool,
}

impl Client {
    /// Walks `X-Forwarded-For` from the right, as long as trusted proxies speak.
    pub fn of(peer: &Peer, headers: &HeaderMap, trusted: &TrustedProxies) -> Self {
        let mut address = peer.address.ip().to_canonical();
        let vouched = trusted.contains(address);
        if vouched {
            let fields: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
            let hops = fields
                .iter()
                .rev()
                .flat_map(|field| field.as_bytes().rsplit(|&b| b == b','));
            for hop in hops {
                // What cannot be read was not written by a proxy of ours.
                let Some(hop) = parse(hop) else { break };
                address = hop;
                if !trusted.contains(hop) {
                    break;
                }
            }
        }
        Self { address, vouched }
    }
}

fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.parse::<IpAddr>().ok();
    // Some proxies write the client's port as well.
    let address = bare.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, trusted: &[&str], chain: &[&'static str]) -> (String, bool) {
        let peer = Peer {
            address: format!("{peer}:1").parse().expect("an address"),
            tls: false,
            certificate: None,
        };
        let trusted = TrustedProxies(
            trusted
                .iter()
                .map(|net| net.parse().expect("a network"))
                .collect(),
        );
        let mut headers = HeaderMap::new();
        for field in chain {
            headers.append("x-forwarded-for", HeaderValue::from_static(field));
        }
        let client = Client::of(&peer, &headers, &trusted);
        (client.address.to_string(), client.vouched)
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (peer, trusted, chain, address, vouched) in [
            ("9.9.9.9", &[][..], &["1.1.1.1"][..], "9.9.9.9", false),
            ("10.0.0.1", &["10.0.0.0/8"], &["1.1.1.1"], "1.1.1.1", true),
            (
                "10.0.0.1",
                &["10.0.0.0/8"],
                &["6.6.6.6, 1.1.1.1, 10.0.0.2"],
                "1.1.1.1",
                true,
            ),
            (
                "10.0.0.1",
                &["10.0.0.0/8"],
                &["6.6.6.6", "1.1.1.1"],
                "1.1.1.1",
                true,
            ),
            (
                "10.0.0.1",
                &["10.0.0.0/8"],
                &["1.1.1.1, evil"],
                "10.0.0.1",
                true,
            ),
            ("10.0.0.1", &["10.0.0.0/8"], &[], "10.0.0.1", true),
            (
                "10.0.0.1",
                &["10.0.0.0/8"],
                &["6.6.6.6, 1.1.1.1:4711,10.0.0.2:80"],
                "1.1.1.1",
                true,
            ),
            (
                "10.0.0.1",
                &["10.0.0.0/8"],
                &["[2001:db8::1]:4711"],
                "2001:db8::1",
                true,
            ),
            (
                "[::ffff:10.0.0.1]",
                &["10.0.0.0/8"],
                &["2001:db8::1"],
                "2001:db8::1",
                true,
            ),
        ] {
            assert_eq!(
                client(peer, trusted, chain),
                (address.to_owned(), vouched),
                "{peer} {chain:?}"
            );
        }
    }
}
