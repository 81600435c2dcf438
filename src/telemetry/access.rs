//! The access record: one line per request, however it ended.

use std::cell::RefCell;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use http::Method;

use crate::time::UnixTime;

use super::escape;
use super::sampling::Fraction;
use super::sampling::Lot;
use super::settings::LogFormat;
use super::settings::LogSettings;
use super::sink::Sink;

/// One worker's records, written in batches so that a request costs no system call.
#[derive(Debug)]
pub struct AccessLog {
    settings: LogSettings,
    sink: Sink,
    buffer: RefCell<Vec<u8>>,
    stamp: RefCell<Stamp>,
}

/// The time as it is written, which changes once a millisecond and mostly in its last digits.
#[derive(Debug, Default)]
struct Stamp {
    second: u64,
    text: String,
}

impl Stamp {
    fn at(&mut self, now: UnixTime) -> &str {
        if self.text.is_empty() || self.second != now.as_secs() {
            self.second = now.as_secs();
            self.text = now.to_rfc3339();
            return &self.text;
        }
        // `….123Z`: the same second with other milliseconds.
        let millis = now.as_millis() % 1000;
        self.text
            .truncate(self.text.len().saturating_sub("123Z".len()));
        let digit = |value: u64| char::from(b'0' + u8::try_from(value % 10).unwrap_or(0));
        let digits = [digit(millis / 100), digit(millis / 10), digit(millis), 'Z'];
        self.text.extend(digits);
        &self.text
    }
}

/// What is recorded of a request. No query, no header, no cookie: they hold secrets.
#[derive(Clone, Copy, Debug)]
pub struct AccessRecord<'a> {
    /// When the request ended.
    pub at: UnixTime,
    /// The request's id.
    pub id: &'a str,
    /// The trace, where it is followed.
    pub trace: Option<&'a str>,
    /// The client's address.
    pub client: IpAddr,
    /// Method.
    pub method: &'a Method,
    /// Path without query.
    pub path: &'a str,
    /// The answer's status.
    pub status: u16,
    /// The tenant's configured name, where there are several.
    pub tenant: Option<&'a str>,
    /// The route's prefix, or our own endpoint.
    pub route: &'a str,
    /// The user's stable key.
    pub user: Option<&'a str>,
    /// The business unit of the token.
    pub business_unit: Option<u64>,
    /// What the request came to, in the words of `explain`.
    pub decision: &'static str,
    /// The code of the refusal.
    pub fault: Option<&'static str>,
    /// The address that the request was sent to.
    pub upstream: Option<&'a str>,
    /// From accept of the head to the answer's last byte.
    pub duration: Duration,
    /// What this gateway took until the answer's head: all but waiting for the upstream.
    pub gateway: Duration,
    /// From sending the request to the upstream's head.
    pub waited: Option<Duration>,
    /// Bytes of the request's body that were read.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// `complete`, or why not.
    pub end: &'static str,
    /// How many such requests leave a record, where not all do.
    pub sample: Option<Fraction>,
}

impl AccessLog {
    /// A log with an empty buffer.
    pub fn new(settings: LogSettings, sink: Sink) -> Self {
        Self {
            settings,
            sink,
            buffer: RefCell::default(),
            stamp: RefCell::default(),
        }
    }

    /// Whether a request of this kind leaves a record: all that are remarkable do, and of the others a sample,
    /// whose rate is told.
    pub fn keeps(&self, remarkable: bool, lot: Lot) -> Option<Option<Fraction>> {
        let rate = self.settings.sample;
        if remarkable || rate.is_all() {
            Some(None)
        } else {
            rate.takes(lot).then_some(Some(rate))
        }
    }

    /// Whether an answer that took this long until its head is remarkable.
    pub fn is_slow(&self, until_head: Duration) -> bool {
        until_head >= self.settings.slow
    }

    /// Adds a record.
    pub fn write(&self, record: &AccessRecord<'_>) {
        let mut buffer = self.buffer.borrow_mut();
        let mut stamp = self.stamp.borrow_mut();
        let now = stamp.at(record.at);
        // Writing into memory does not fail.
        let _written = match self.settings.format {
            LogFormat::Json => line::<Json>(&mut buffer, record, now),
            LogFormat::Text => line::<Text>(&mut buffer, record, now),
        };
        if buffer.len() >= BATCH {
            self.send(&mut buffer);
        }
    }

    /// Writes out what is waiting.
    pub fn flush(&self) {
        self.send(&mut self.buffer.borrow_mut());
    }

    fn send(&self, buffer: &mut Vec<u8>) {
        if !buffer.is_empty() {
            let next = Vec::with_capacity(buffer.len());
            self.sink.send(std::mem::replace(buffer, next));
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

/// How fields are written down. Both formats hold the same ones.
trait Form {
    const JSON: bool;
}

struct Json;

impl Form for Json {
    const JSON: bool = true;
}

struct Text;

impl Form for Text {
    const JSON: bool = false;
}

/// A field's name with what stands around it. Put together when this is compiled: every request pays for
/// each piece, and formatting costs several times more.
macro_rules! name {
    ($form:ident, $name:literal) => {
        if $form::JSON {
            concat!(",\"", $name, "\":").as_bytes()
        } else {
            concat!(" ", $name, "=").as_bytes()
        }
    };
}

fn line<F: Form>(out: &mut Vec<u8>, record: &AccessRecord<'_>, now: &str) -> std::io::Result<()> {
    if F::JSON {
        out.extend_from_slice(b"{\"timestamp\":\"");
        out.extend_from_slice(now.as_bytes());
        out.extend_from_slice(b"\",\"level\":\"INFO\",\"event\":\"request\"");
    } else {
        out.extend_from_slice(now.as_bytes());
        out.extend_from_slice(b" INFO request");
    }
    word(out, name!(F, "request_id"), record.id)?;
    if let Some(trace) = record.trace {
        word(out, name!(F, "trace_id"), trace)?;
    }
    out.extend_from_slice(name!(F, "client"));
    out.push(b'"');
    address(out, record.client)?;
    out.push(b'"');
    code(out, name!(F, "method"), record.method.as_str());
    word(out, name!(F, "path"), record.path)?;
    number(out, name!(F, "status"), u64::from(record.status));
    if let Some(tenant) = record.tenant {
        word(out, name!(F, "tenant"), tenant)?;
    }
    word(out, name!(F, "route"), record.route)?;
    if let Some(user) = record.user {
        word(out, name!(F, "user"), user)?;
    }
    if let Some(unit) = record.business_unit {
        number(out, name!(F, "business_unit"), unit);
    }
    code(out, name!(F, "decision"), record.decision);
    if let Some(fault) = record.fault {
        code(out, name!(F, "code"), fault);
    }
    if let Some(upstream) = record.upstream {
        word(out, name!(F, "upstream"), upstream)?;
    }
    number(out, name!(F, "duration_us"), micros(record.duration));
    number(out, name!(F, "gateway_us"), micros(record.gateway));
    if let Some(waited) = record.waited {
        number(out, name!(F, "upstream_us"), micros(waited));
    }
    number(out, name!(F, "bytes_in"), record.bytes_in);
    number(out, name!(F, "bytes"), record.bytes);
    code(out, name!(F, "end"), record.end);
    if let Some(sample) = record.sample {
        out.extend_from_slice(name!(F, "sample"));
        write!(out, "{sample}")?;
    }
    out.extend_from_slice(if F::JSON { b"}\n" } else { b"\n" });
    Ok(())
}

/// A quoted string; a line break in a path must not begin a line of the log.
fn word(out: &mut Vec<u8>, name: &[u8], text: &str) -> std::io::Result<()> {
    out.extend_from_slice(name);
    escape::string(out, text)
}

/// A quoted word of our own, or a method, which is a token (RFC 9110 section 9.1): nothing in it is escaped.
fn code(out: &mut Vec<u8>, name: &[u8], text: &str) {
    out.extend_from_slice(name);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, name: &[u8], number: u64) {
    out.extend_from_slice(name);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn address(out: &mut Vec<u8>, address: IpAddr) -> std::io::Result<()> {
    let IpAddr::V4(address) = address else {
        return write!(out, "{address}");
    };
    let [a, b, c, d] = address.octets();
    for (dot, octet) in [(&b""[..], a), (b".", b), (b".", c), (b".", d)] {
        number(out, dot, octet.into());
    }
    Ok(())
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Bytes that are written out at once, or once a second: each batch wakes the thread that writes.
const BATCH: usize = 48 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    /// A record in which everything has a value.
    fn full() -> AccessRecord<'static> {
        AccessRecord {
            at: UnixTime::from_millis(1_000),
            id: "id",
            trace: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            method: &Method::GET,
            path: "/a\n\"b",
            status: 200,
            tenant: Some("acme"),
            route: "/",
            user: Some("105\r\n user=\"root\""),
            business_unit: Some(7),
            decision: "forward",
            fault: Some("SG-4001"),
            upstream: Some("http://127.0.0.1:3000"),
            duration: Duration::from_micros(42),
            gateway: Duration::from_micros(1),
            waited: Some(Duration::from_micros(40)),
            bytes_in: 5,
            bytes: 3,
            end: "complete",
            sample: Fraction::parse("0.25").ok(),
        }
    }

    /// The fields of a record after the time, with their values as JSON.
    const FIELDS: [(&str, &str); 20] = [
        ("request_id", r#""id""#),
        ("trace_id", r#""4bf92f3577b34da6a3ce929d0e0e4736""#),
        ("client", r#""127.0.0.1""#),
        ("method", r#""GET""#),
        ("path", r#""/a\n\"b""#),
        ("status", "200"),
        ("tenant", r#""acme""#),
        ("route", r#""/""#),
        ("user", r#""105\r\n user=\"root\"""#),
        ("business_unit", "7"),
        ("decision", r#""forward""#),
        ("code", r#""SG-4001""#),
        ("upstream", r#""http://127.0.0.1:3000""#),
        ("duration_us", "42"),
        ("gateway_us", "1"),
        ("upstream_us", "40"),
        ("bytes_in", "5"),
        ("bytes", "3"),
        ("end", r#""complete""#),
        ("sample", "0.25"),
    ];

    fn written<F: Form>(record: &AccessRecord<'_>) -> String {
        let mut out = Vec::new();
        line::<F>(&mut out, record, &record.at.to_rfc3339()).expect("memory");
        let line = String::from_utf8(out).expect("text");
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        line
    }

    #[test]
    fn both_formats_hold_every_field() {
        let fields: Vec<String> = FIELDS
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        assert_eq!(
            written::<Json>(&full()),
            format!(
                "{{\"timestamp\":\"1970-01-01T00:00:01.000Z\",\"level\":\"INFO\",\"event\":\"request\",{}}}\n",
                fields.join(",")
            )
        );
        let fields: Vec<String> = FIELDS
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            written::<Text>(&full()),
            format!(
                "1970-01-01T00:00:01.000Z INFO request {}\n",
                fields.join(" ")
            )
        );
    }

    #[test]
    fn a_record_is_one_object_of_json() {
        let parsed: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&written::<Json>(&full())).expect("JSON");
        assert_eq!(parsed.len(), FIELDS.len() + 3);
        assert_eq!(parsed["path"], "/a\n\"b");
    }

    proptest! {
        #[test]
        fn no_line_holds_what_a_terminal_obeys(
            path in "([\u{7f}-\u{9f}]|[\u{2020}-\u{2070}]|\\PC|.){0,16}",
            user in "([\u{0}-\u{9f}]|[\u{2020}-\u{2070}]){0,16}",
        ) {
            let record = AccessRecord { path: &path, user: Some(&user), ..full() };
            let obeyed = |line: &str| line.trim_end_matches('\n').contains(escape::is_obeyed);
            let (json, text) = (written::<Json>(&record), written::<Text>(&record));
            prop_assert!(!obeyed(&json) && !obeyed(&text), "{json:?}{text:?}");
            let parsed: BTreeMap<String, serde_json::Value> = serde_json::from_str(&json).expect("JSON");
            prop_assert_eq!(parsed["path"].as_str(), Some(&*path));
            prop_assert_eq!(parsed["user"].as_str(), Some(&*user));
            let (_, quoted) = text.split_once(" path=").expect("a path");
            let mut quoted = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
            prop_assert_eq!(quoted.next().expect("one").expect("JSON"), path);
        }
    }

    #[test]
    fn what_is_not_known_is_left_out_of_both() {
        let bare = AccessRecord {
            trace: None,
            tenant: None,
            user: None,
            business_unit: None,
            fault: None,
            upstream: None,
            waited: None,
            sample: None,
            ..full()
        };
        let (json, text) = (written::<Json>(&bare), written::<Text>(&bare));
        for name in [
            "trace_id",
            "tenant",
            "user",
            "business_unit",
            "code",
            "upstream",
            "upstream_us",
            "sample",
        ] {
            assert!(!json.contains(&format!("\"{name}\":")), "{name}: {json}");
            assert!(!text.contains(&format!(" {name}=")), "{name}: {text}");
        }
        serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
    }

    #[test]
    fn what_is_remarkable_is_always_kept() {
        let log = |sample| {
            let sample = Fraction::parse(sample).expect("a fraction");
            let settings = LogSettings {
                sample,
                ..LogSettings::default()
            };
            AccessLog::new(settings, Sink::to(std::io::sink()))
        };
        let (low, high) = (Lot::of_trace(0), Lot::of_trace(u64::MAX));
        assert_eq!(log("1").keeps(false, low), Some(None));
        assert_eq!(log("0").keeps(false, high), None);
        assert_eq!(log("0").keeps(true, low), Some(None));
        let half = Fraction::parse("0.5").ok();
        assert_eq!(log("0.5").keeps(false, high), Some(half));
        assert_eq!(log("0.5").keeps(false, low), None);
        assert_eq!(log("0.5").keeps(true, low), Some(None));
        let log = log("0.5");
        assert!(log.is_slow(Duration::from_secs(1)) && !log.is_slow(Duration::from_millis(999)));
    }

    #[test]
    fn the_time_is_written_as_ever() {
        let mut stamp = Stamp::default();
        for millis in [
            0,
            1,
            999,
            1_000,
            1_234,
            86_399_999,
            86_400_000,
            5,
            1_795_471_200_500,
        ] {
            let now = UnixTime::from_millis(millis);
            assert_eq!(stamp.at(now), now.to_rfc3339());
        }
    }
}
