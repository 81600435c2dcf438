//! Values that have no domain type with a reader of its own.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::num::NonZeroU64;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

use crate::gateway::Rate;
use crate::net::settings::Listen;
use crate::oauth::provider::BusinessUnit;

/// `true` or `false` and nothing that YAML once took for them.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    one_of(text, &[("true", true), ("false", false)])
}

/// The name of a header that a proxy sets for those behind it.
pub(super) fn header(text: &str) -> Result<HeaderName, &'static str> {
    let name = HeaderName::try_from(text).map_err(|_| "is not a header's name")?;
    if name.as_str().starts_with("x-") {
        Ok(name)
    } else {
        Err("must start with X-, such as X-Forwarded-Uri")
    }
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("must be one of: {}", names.join(", "))
    })
}

pub(super) fn workers(text: &str) -> Result<NonZeroUsize, &'static str> {
    let workers = whole_number(text).and_then(|number| usize::try_from(number).ok());
    workers
        .filter(|&number| number <= MAX_WORKERS)
        .and_then(NonZeroUsize::new)
        .ok_or("must be a whole number from 1 to 1024")
}

/// How many connections an upstream gets.
pub(super) fn connections(text: &str) -> Result<usize, &'static str> {
    let number = whole_number(text).and_then(|number| usize::try_from(number).ok());
    number
        .filter(|number| (1..=MAX_CONNECTIONS).contains(number))
        .ok_or("must be a whole number from 1 to 65535")
}

/// How many requests may be under way.
pub(super) fn share(text: &str) -> Result<u32, &'static str> {
    let number = whole_number(text).and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| (1..=MAX_COUNT).contains(number))
        .ok_or("must be a whole number from 1 to 1000000")
}

/// `60/1m`, or `off`.
pub(super) fn rate(text: &str) -> Result<Option<Rate>, &'static str> {
    if text == "off" {
        return Ok(None);
    }
    let read = || {
        let (number, span) = text.split_once('/')?;
        let number = NonZeroU32::new(share(number.trim()).ok()?)?;
        let span = span.trim();
        // `60/s` and `60/m` are as clear as `60/1s`.
        let bare = span.starts_with(|first: char| first.is_ascii_alphabetic());
        let span = if bare {
            duration(&format!("1{span}"))
        } else {
            duration(span)
        }?;
        let fits = (Duration::from_secs(1)..=LONGEST_DEADLINE).contains(&span);
        let rate = Rate {
            count: number,
            span,
        };
        (fits && !(span / number.get()).is_zero()).then_some(Some(rate))
    };
    read().ok_or("must be a number and a duration from 1s to 24h, such as 60/1m, or off")
}

/// The target of a request of our own: a path, with or without a query.
pub(super) fn target(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    let target = text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok();
    if plain && target {
        Ok(text.to_owned())
    } else {
        Err("must be a path such as /healthz")
    }
}

pub(super) fn business_unit(text: &str) -> Result<BusinessUnit, &'static str> {
    whole_number(text)
        .and_then(NonZeroU64::new)
        .map(BusinessUnit)
        .ok_or("must be a MID: a whole number such as 7281698")
}

pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8443")
}

/// A network, or a single address.
pub(super) fn network(text: &str) -> Result<IpNet, &'static str> {
    let single = text.parse::<IpAddr>().map(IpNet::from);
    let network = single.or_else(|_| text.parse::<IpNet>());
    let network = network.map_err(|_| "must be a network such as 10.0.0.0/8, or an IP address")?;
    // Peers are compared in their IPv4 form, so that such a network would match nobody.
    let mapped =
        |net: ipnet::Ipv6Net| net.prefix_len() >= 96 && net.network().to_ipv4_mapped().is_some();
    match network {
        IpNet::V6(net) if mapped(net) => Err("must be written as an IPv4 network"),
        _ => Ok(network),
    }
}

/// How long a session may last.
pub(super) fn span(text: &str) -> Result<Duration, &'static str> {
    duration(text)
        .filter(|&span| span >= Duration::from_secs(1))
        .ok_or("must be a duration of at least 1s, such as 90s, 12h or 1h 30m")
}

/// How long to wait for something.
pub(super) fn deadline(text: &str) -> Result<Duration, &'static str> {
    let range = Duration::from_millis(1)..=LONGEST_DEADLINE;
    duration(text)
        .filter(|span| range.contains(span))
        .ok_or("must be a duration from 1ms to 24h, such as 5s")
}

/// How long to wait, if at all.
pub(super) fn delay(text: &str) -> Result<Duration, &'static str> {
    duration(text)
        .filter(|&span| span <= LONGEST_DEADLINE)
        .ok_or("must be a duration from 0s to 24h, such as 5s")
}

/// A number of bytes: digits, and a unit if it is not bytes.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = match text.strip_prefix(digits).map(str::trim) {
        Some("" | "B") => 1,
        Some("KiB") => 1 << 10,
        Some("MiB") => 1 << 20,
        Some("GiB") => 1 << 30,
        _ => return Err(SIZE),
    };
    let number = whole_number(digits).and_then(|number| number.checked_mul(unit));
    number
        .filter(|&bytes| bytes > 0 && bytes <= LARGEST)
        .ok_or(SIZE)
}

const SIZE: &str = "must be a size such as 512 KiB, 32 MiB or 1 GiB, up to 1024 GiB";
const LARGEST: u64 = 1 << 40;

/// A whole number in `range`.
pub(super) fn count(
    text: &str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<NonZeroUsize, String> {
    let number = whole_number(text).and_then(|number| usize::try_from(number).ok());
    number
        .filter(|number| range.contains(number))
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            format!("must be a whole number from {least} to {most}")
        })
}

/// Permissions of a file, in octal.
pub(super) fn mode(text: &str) -> Result<u32, &'static str> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    mode.filter(|mode| *mode <= 0o777)
        .ok_or("must be permissions in octal, such as 0660")
}

/// Where to listen: an address and a port, or `unix:` and a path.
pub(super) fn listen(text: &str, base: &Path) -> Result<Listen, &'static str> {
    match text.strip_prefix("unix:") {
        // The system's limit, less the zero behind it.
        Some(path)
            if !path.is_empty() && base.join(path).as_os_str().len() <= MAX_SOCKET_PATH => {
            Ok(Listen::Unix {
                path: base.join(path),
                mode: DEFAULT_MODE,
            })
        }
        Some(_) => Err("must be unix: and a path of at most 107 bytes"),
        None => text.parse().map(Listen::Tcp).map_err(
            |_| "must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8443, or unix:/a/path",
        ),
    }
}

const MAX_SOCKET_PATH: usize = 107;

/// The owner and its group.
const DEFAULT_MODE: u32 = 0o660;

const MAX_WORKERS: usize = 1024;
const MAX_COUNT: u32 = 1_000_000;
const MAX_CONNECTIONS: usize = 65_535;
const LONGEST_DEADLINE: Duration = Duration::from_hours(24);

fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// Digits only: no sign, no leading zero that might be meant as octal.
fn whole_number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits() {
        for text in [
            "", "0", "007", "+1", "-1", "1.0", "1e3", " 1", "1_000", "0x10", "1025",
        ] {
            assert!(workers(text).is_err(), "{text}");
        }
        for (text, number) in [("1", 1), ("1024", 1024)] {
            assert_eq!(workers(text).map(NonZeroUsize::get), Ok(number));
        }
        assert!(business_unit("18446744073709551616").is_err());
        assert_eq!(
            business_unit("7281698").map(|unit| unit.0.get()),
            Ok(7_281_698)
        );
    }

    #[test]
    fn only_two_words_are_booleans() {
        assert_eq!(boolean("true"), Ok(true));
        for text in ["", "True", "yes", "on", "1", "off"] {
            assert_eq!(
                boolean(text),
                Err("must be one of: true, false".to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(span("1h 30m"), Ok(Duration::from_mins(90)));
        for text in [
            "",
            "12",
            "0",
            "0s",
            "999ms",
            "-1s",
            "1 fortnight",
            "99999999999999999999y",
        ] {
            assert!(span(text).is_err(), "{text}");
        }
        assert_eq!(deadline("50ms"), Ok(Duration::from_millis(50)));
        for text in ["0", "10us", "25h"] {
            assert!(deadline(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_numbers_in_spans() {
        let read =
            |text| rate(text).map(|rate| rate.map(|rate| (rate.count.get(), rate.span.as_secs())));
        for (text, meant) in [
            ("60/1m", Some((60, 60))),
            ("60/m", Some((60, 60))),
            ("5 / 10s", Some((5, 10))),
            ("off", None),
        ] {
            assert_eq!(read(text), Ok(meant), "{text}");
        }
        for text in [
            "", "60", "60/", "/1m", "0/1m", "60/0s", "60/10ms", "60/2d", "-1/1m", "on", "6e1/1m",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in [
            ("1", 1),
            ("512 B", 512),
            ("64KiB", 65_536),
            ("32 MiB", 32 << 20),
            ("1024 GiB", 1 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "0",
            "0 KiB",
            "-1",
            "1.5 MiB",
            "1MB",
            "1 kib",
            "KiB",
            "1 TiB",
            "1025 GiB",
            "1 KiB x",
            "99999999999 GiB",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("0660"), Ok(0o660));
        assert_eq!(mode("600"), Ok(0o600));
        for text in ["", "66", "0o660", "0888", "1777", "rw-rw----"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_can_match_somebody() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("::1", "::1/128"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(
                network(text).map(|net| net.to_string()).as_deref(),
                Ok(shown)
            );
        }
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0",
            "tool",
            "::ffff:10.0.0.0/104",
            "::ffff:10.0.0.1",
        ] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}
