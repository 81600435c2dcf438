//! The access record: one line per request, however it ended.

use std::cell::RefCell;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use crate::time::UnixTime;

use super::settings::LogFormat;
use super::sink;

/// One worker's records, written in batches so that a request costs no system call.
#[derive(Debug)]
pub struct AccessLog {
    format: LogFormat,
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
    /// The client's address.
    pub client: IpAddr,
    /// Method.
    pub method: &'a str,
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
    /// The code of the refusal.
    pub fault: Option<&'a str>,
    /// From accept of the head to the answer's last byte.
    pub duration: Duration,
    /// From sending the request to the upstream's head.
    pub upstream: Option<Duration>,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// `complete`, or why not.
    pub end: &'static str,
}

impl AccessLog {
    /// A log with an empty buffer.
    pub fn new(format: LogFormat) -> Self {
        Self {
            format,
            buffer: RefCell::default(),
            stamp: RefCell::default(),
        }
    }

    /// Adds a record.
    pub fn write(&self, record: &AccessRecord<'_>) {
        let mut buffer = self.buffer.borrow_mut();
        let mut stamp = self.stamp.borrow_mut();
        let now = stamp.at(record.at);
        // Writing into memory does not fail.
        let _written = match self.format {
            LogFormat::Json => json(&mut buffer, record, now),
            LogFormat::Text => text(&mut buffer, record, now),
        };
        if buffer.len() >= BATCH {
            flush(&mut buffer);
        }
    }

    /// Writes out what is waiting.
    pub fn flush(&self) {
        flush(&mut self.buffer.borrow_mut());
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

fn flush(buffer: &mut Vec<u8>) {
    if !buffer.is_empty() {
        let next = Vec::with_capacity(buffer.len());
        sink::standard_error().send(std::mem::replace(buffer, next));
    }
}

fn json(out: &mut Vec<u8>, record: &AccessRecord<'_>, now: &str) -> std::io::Result<()> {
    // Put together piece by piece: every request pays for this, and formatting costs several times more.
    out.extend_from_slice(b"{\"timestamp\":\"");
    out.extend_from_slice(now.as_bytes());
    out.extend_from_slice(b"\",\"level\":\"INFO\",\"event\":\"request\",\"request_id\":");
    string(out, record.id)?;
    out.extend_from_slice(b",\"client\":\"");
    address(out, record.client)?;
    out.extend_from_slice(b"\",\"method\":");
    string(out, record.method)?;
    out.extend_from_slice(b",\"path\":");
    string(out, record.path)?;
    number(out, b",\"status\":", u64::from(record.status));
    if let Some(tenant) = record.tenant {
        out.extend_from_slice(b",\"tenant\":");
        string(out, tenant)?;
    }
    out.extend_from_slice(b",\"route\":");
    string(out, record.route)?;
    if let Some(user) = record.user {
        out.extend_from_slice(b",\"user\":");
        string(out, user)?;
    }
    if let Some(unit) = record.business_unit {
        number(out, b",\"business_unit\":", unit);
    }
    if let Some(fault) = record.fault {
        out.extend_from_slice(b",\"code\":");
        string(out, fault)?;
    }
    number(out, b",\"duration_us\":", micros(record.duration));
    if let Some(upstream) = record.upstream {
        number(out, b",\"upstream_us\":", micros(upstream));
    }
    number(out, b",\"bytes\":", record.bytes);
    out.extend_from_slice(b",\"end\":\"");
    out.extend_from_slice(record.end.as_bytes());
    out.extend_from_slice(b"\"}\n");
    Ok(())
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

fn text(out: &mut Vec<u8>, record: &AccessRecord<'_>, now: &str) -> std::io::Result<()> {
    write!(
        out,
        "{now} INFO request {} {} ",
        record.client, record.method
    )?;
    string(out, record.path)?;
    write!(out, " {} {}", record.status, record.fault.unwrap_or("-"))?;
    write!(
        out,
        " {}us {}B {} user=",
        record.duration.as_micros(),
        record.bytes,
        record.end
    )?;
    string(out, record.user.unwrap_or("-"))?;
    if let Some(tenant) = record.tenant {
        write!(out, " tenant={tenant}")?;
    }
    writeln!(out, " request_id={}", record.id)
}

/// A quoted string; a line break in a path must not begin a line of the log.
fn string(out: &mut Vec<u8>, text: &str) -> std::io::Result<()> {
    // What needs no escape is nearly everything, and copied as it stands.
    let plain = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
    // All bytes are looked at, since that is done many at a time.
    if text.bytes().fold(true, |all, b| all & plain(b)) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return Ok(());
    }
    serde_json::to_writer(out, text).map_err(std::io::Error::from)
}

/// Bytes that are written out at once, or once a second: each batch wakes the thread that writes.
const BATCH: usize = 48 * 1024;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const RECORD: AccessRecord<'_> = AccessRecord {
        at: UnixTime::from_millis(1_000),
        id: "id",
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        method: "GET",
        path: "/a\n\"b",
        status: 200,
        tenant: None,
        route: "/",
        user: Some("105\r\n"),
        business_unit: Some(7),
        fault: None,
        duration: Duration::from_micros(42),
        upstream: Some(Duration::from_micros(40)),
        bytes: 3,
        end: "complete",
    };

    #[test]
    fn a_record_is_one_line_of_json() {
        let mut out = Vec::new();
        json(&mut out, &RECORD, &RECORD.at.to_rfc3339()).expect("memory");
        let line = String::from_utf8(out).expect("text");
        assert_eq!(line.matches('\n').count(), 1);
        let parsed: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(parsed["path"], "/a\n\"b");
        assert_eq!(parsed["timestamp"], "1970-01-01T00:00:01.000Z");
        assert_eq!(
            (&parsed["status"], &parsed["duration_us"]),
            (&200.into(), &42.into())
        );
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

    #[test]
    fn a_record_is_one_line_of_text() {
        let mut out = Vec::new();
        text(&mut out, &RECORD, &RECORD.at.to_rfc3339()).expect("memory");
        assert_eq!(
            String::from_utf8(out).expect("text").matches('\n').count(),
            1
        );
    }
}
