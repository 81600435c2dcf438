//! The PROXY protocol header in front of a connection, versions 1 and 2: whom a load balancer speaks for.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use proxy_header::Error;
use proxy_header::ParseConfig;
use proxy_header::ProxyHeader;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;

/// Reads the header. Answers whom it names, if anybody, and the bytes that were read behind it.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<(Option<SocketAddr>, Bytes)> {
    let mut read = Vec::with_capacity(128);
    while read.len() < MAX_SIZE {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((source, size)) = parse(&read)? {
            let behind = read.get(size..).unwrap_or_default();
            return Ok((source, Bytes::copy_from_slice(behind)));
        }
    }
    Err(malformed())
}

/// `None` while the header is not whole. The rest of what it may say, such as about TLS, is not ours to
/// believe.
fn parse(bytes: &[u8]) -> io::Result<Option<(Option<SocketAddr>, usize)>> {
    // The crate looks at what follows the word only once a line's length is there.
    let known = V1.len().min(bytes.len());
    let greeting = bytes.get(..known) == V1.get(..known);
    if !greeting && bytes.first() != Some(&b'\r') {
        return Err(malformed());
    }
    let config = ParseConfig {
        include_tlvs: false,
        ..ParseConfig::default()
    };
    match ProxyHeader::parse(bytes, config) {
        Ok((header, size)) => {
            let source = header.proxied_address().map(|address| address.source);
            Ok(Some((source, size)))
        }
        Err(Error::BufferTooShort) => Ok(None),
        Err(_) => Err(malformed()),
    }
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "no PROXY protocol header where one must be",
    )
}

const V1: &[u8] = b"PROXY ";

/// Bytes of a header, with all that a load balancer may add to version 2.
const MAX_SIZE: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proxy_header::ProxiedAddress;

    use super::*;

    fn v2(source: &str) -> Vec<u8> {
        let source: SocketAddr = source.parse().expect("an address");
        let header = ProxyHeader::with_address(ProxiedAddress::stream(source, source));
        let mut bytes = Vec::new();
        header.encode_v2(&mut bytes).expect("it fits");
        bytes
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_leave_the_rest() {
        for (header, named) in [
            (
                b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n".to_vec(),
                Some("192.0.2.7:5000"),
            ),
            (
                b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n".to_vec(),
                Some("[2001:db8::7]:5000"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (v2("192.0.2.7:5000"), Some("192.0.2.7:5000")),
            (v2("[2001:db8::7]:5000"), Some("[2001:db8::7]:5000")),
            (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), None),
        ] {
            let bytes = [header.as_slice(), b"GET /"].concat();
            let (source, behind) = read(&mut bytes.as_slice()).await.expect("a header");
            assert_eq!(source, named.map(|text| text.parse().expect("an address")));
            assert_eq!(behind, "GET /");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused_at_once() {
        for bytes in [
            b"GET / HTTP/1.1\r\n".as_slice(),
            b"PROXYXTCP4 1.1.1.1 1.1.1.1 1 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 99999\r\n",
            b"PROXY TCP4 ::1 ::1 1 1\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x30\0\0\0",
            b"\x16\x03\x01",
            &[b'P'; 5000],
        ] {
            assert!(read(&mut &*bytes).await.is_err(), "{bytes:?}");
        }
        let endless = [
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".as_slice(),
            &[0; 9000],
        ]
        .concat();
        assert!(read(&mut endless.as_slice()).await.is_err());
    }

    proptest! {
        /// Nothing that is sent makes it panic or read behind what is there.
        #[test]
        fn no_bytes_do_harm(
            start in "PROXY (TCP[46] )?[0-9a-f.: ]{0,40}\r?\n?|PROXY UNKNOWN\r?",
            version in any::<bool>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let start = if version { start.into_bytes() } else { b"\r\n\r\n\0\r\nQUIT\n".to_vec() };
            let all = [start, bytes].concat();
            for end in 0..=all.len() {
                if let Ok(Some((_, size))) = parse(&all[..end]) {
                    prop_assert!(size <= end);
                }
            }
        }

        /// What is cut anywhere is not yet a header, and whole it is the same.
        #[test]
        fn pieces_make_no_difference(a in any::<[u8; 4]>(), port in any::<u16>(), cut in 0..28_usize) {
            let source = SocketAddr::from((a, port));
            let bytes = v2(&source.to_string());
            prop_assert!(matches!(parse(&bytes[..cut.max(1)]), Ok(None)));
            prop_assert_eq!(parse(&bytes).expect("a header"), Some((Some(source), bytes.len())));
        }
    }
}
