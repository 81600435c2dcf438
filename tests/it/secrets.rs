//! Looks for secrets in logs: for every one that the suite saw, in all that its gateways said at the most
//! talkative level. `tests/run` does that once the suite is through; see [`crate::support::traced`].

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use foldhash::fast::RandomState;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use crate::support::tell;
use crate::support::traced;

#[test]
#[ignore = "tests/run asks for it when all others are through and have written down what they saw"]
fn nothing_that_the_suite_logged_holds_a_secret() {
    let directory = traced::directory().expect("SIDEGATE_TEST_TRACE_DIR names the directory");
    let seen = Seen::read(directory);
    let kinds: HashSet<&str> = seen.secrets.iter().map(|(kind, _)| kind.as_str()).collect();
    for kind in [
        "access token",
        "refresh token",
        "code",
        "state",
        "verifier",
        "client secret",
        "cookie",
        "session key",
        "redis password",
    ] {
        let left_out = kind == "redis password" && has_no_redis();
        assert!(kinds.contains(kind) || left_out, "no {kind} was seen");
    }
    assert!(seen.secrets.len() > 10_000, "{}", seen.secrets.len());
    let needles = Needles::of(&seen.secrets);
    // The search can find: one secret of each kind, however it is written.
    for kind in &kinds {
        let mut known = seen.secrets.iter().filter(|(known, _)| known == kind);
        let Some((_, secret)) = known.find(|(_, secret)| secret.len() > PART) else {
            continue;
        };
        for text in planted(secret) {
            assert!(
                !needles.search(text.as_bytes()).is_empty(),
                "{kind}: {text}"
            );
        }
    }
    let (mut lines, mut bytes, mut found) = (0, 0, Vec::new());
    for (name, text) in &seen.logs {
        lines += memchr::memchr_iter(b'\n', text).count();
        bytes += text.len();
        found.extend(
            needles
                .search(text)
                .into_iter()
                .map(|what| format!("{name}: {what}")),
        );
    }
    tell(&format!(
        "{} secrets in {} spellings were not in {lines} lines, {bytes} bytes",
        seen.secrets.len(),
        needles.count()
    ));
    assert!(lines > 20_000, "{lines}");
    assert!(
        found.is_empty(),
        "{} places:\n{}",
        found.len(),
        found[..found.len().min(40)].join("\n")
    );
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    for secret in [
        "k3-Zq_W8vT.mN5xR7yL2pJ9cB4dF6hG1s/+=&",
        "eyJhbGciOiJIUzI1NiJ9.eyJhIjoiMSJ9.q7Yw3fKz0LxV9bTn4mRc2pHs8dJgE6uA1iXo5yBvQ",
        "hunter2-hunter2",
    ] {
        let needles = Needles::of(&[("secret".to_owned(), secret.to_owned())]);
        for (number, text) in planted(secret).into_iter().enumerate() {
            let log = format!("{{\"event\":\"x\",\"value\":\"{text}\"}}\n");
            assert!(
                !needles.search(log.as_bytes()).is_empty(),
                "{number}: {log}"
            );
        }
        let innocent = b"{\"event\":\"request\",\"request_id\":\"0a1b2c3d4e5f60718293a4b5c6d7e8f9\",\"path\":\"/mc/rest/asset/v1\"}\n";
        assert!(needles.search(innocent).is_empty(), "{secret}");
    }
}

#[test]
fn a_part_of_a_long_secret_is_enough() {
    let secret = "q7Yw3fKz0LxV9bTn4mRc2pHs8dJgE6uA1iXo5yBvQk3Zq_W8vTmN5xR7yL2pJ9cB4dF6hG1s";
    let needles = Needles::of(&[("secret".to_owned(), secret.to_owned())]);
    for part in [&secret[..20], &secret[secret.len() - 20..]] {
        assert!(!needles.search(part.as_bytes()).is_empty(), "{part}");
    }
    // What two secrets have in common is none: a token's header.
    let two = ["a", "b"].map(|end| {
        (
            "token".to_owned(),
            format!("eyJhbGciOiJIUzI1NiJ9{}", end.repeat(40)),
        )
    });
    assert!(Needles::of(&two).search(b"eyJhbGciOiJIUzI1NiJ9").is_empty());
}

/// A text as logs may hold it, alone and inside something longer.
fn planted(secret: &str) -> Vec<String> {
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut all = vec![
        secret.to_owned(),
        lower(&percent),
        percent,
        hexadecimal(secret.as_bytes()),
        hexadecimal(secret.as_bytes()).to_uppercase(),
    ];
    for before in ["", "x", "xy"] {
        let whole = format!("{before}{secret}~~");
        all.push(BASE64_STANDARD.encode(&whole));
        all.push(BASE64_URL_SAFE_NO_PAD.encode(&whole));
    }
    all
}

/// Every spelling of a secret, cut to what is the same wherever it stands.
fn spellings(secret: &str) -> Vec<(&'static str, String)> {
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let hex = hexadecimal(secret.as_bytes());
    let mut all = vec![
        ("raw", secret.to_owned()),
        ("percent-encoded, lower case", lower(&percent)),
        ("percent-encoded", percent),
        ("hexadecimal, upper case", hex.to_uppercase()),
        ("hexadecimal", hex),
    ];
    // Base64 of a text inside a longer one starts at any of three bytes. Padding is no part of it.
    for cut in 0..3.min(secret.len()) {
        let rest = &secret.as_bytes()[cut..];
        let whole = &rest[..rest.len() / 3 * 3];
        all.push(("base64", BASE64_STANDARD.encode(whole)));
        all.push(("base64url", BASE64_URL_SAFE_NO_PAD.encode(whole)));
    }
    all
}

/// Percent-encoding with the digits in lower case, and nothing else.
fn lower(percent: &str) -> String {
    let mut text = String::new();
    let mut digits = 0;
    for c in percent.chars() {
        text.push(if digits > 0 {
            c.to_ascii_lowercase()
        } else {
            c
        });
        digits = if c == '%' { 2 } else { digits.max(1) - 1 };
    }
    text
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory takes all");
        text
    })
}

/// Texts to look for: of long ones three parts, each of which counts.
#[derive(Default)]
struct Needles {
    parts: HashMap<[u8; PART], Option<String>, RandomState>,
    /// A digest of the first bytes of each part, as a set of bits: nearly every place is ruled out by them.
    begins: Vec<u64>,
    short: Vec<(Vec<u8>, String)>,
}

const PART: usize = 16;

/// Shorter texts stand in logs by chance.
const LEAST: usize = 6;

/// Shorter secrets are words that a test chose.
const LEAST_SECRET: usize = 12;

impl Needles {
    fn of(secrets: &[(String, String)]) -> Self {
        let mut needles = Self {
            begins: vec![0; 1 << 18],
            ..Self::default()
        };
        let secrets = secrets
            .iter()
            .filter(|(_, secret)| secret.len() >= LEAST_SECRET);
        for (kind, secret) in secrets {
            for (spelling, text) in spellings(secret) {
                needles.add(kind, spelling, &text);
            }
        }
        needles
    }

    fn add(&mut self, kind: &str, spelling: &str, text: &str) {
        let bytes = text.as_bytes();
        if bytes.len() < PART {
            if bytes.len() >= LEAST {
                self.short
                    .push((bytes.to_vec(), format!("{kind}, {spelling}")));
            }
            return;
        }
        let mut own = HashSet::new();
        for at in [0, (bytes.len() - PART) / 2, bytes.len() - PART] {
            let part: [u8; PART] = bytes[at..at + PART].try_into().expect("its length");
            if !own.insert(part) {
                continue;
            }
            let (word, bit) = begin(&part);
            self.begins[word] |= bit;
            let what = format!("{kind}, {spelling}, ends in {}", &text[text.len() - 4..]);
            // What two have in common is no secret; the spellings of one may well be the same.
            let known = self.parts.entry(part).or_insert_with(|| Some(what.clone()));
            let same = |known: &str| known.ends_with(&text[text.len() - 4..]);
            if !known.as_deref().is_some_and(same) {
                *known = None;
            }
        }
    }

    fn count(&self) -> usize {
        self.parts.len() + self.short.len()
    }

    fn search(&self, text: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for part in text.windows(PART) {
            let part: &[u8; PART] = part.try_into().expect("its length");
            let (word, bit) = begin(part);
            if self.begins[word] & bit != 0
                && let Some(Some(what)) = self.parts.get(part)
            {
                found.push(what.clone());
            }
        }
        for (short, what) in &self.short {
            if memchr::memmem::find(text, short).is_some() {
                found.push(what.clone());
            }
        }
        found
    }
}

fn begin(part: &[u8; PART]) -> (usize, u64) {
    let [a, b, c, d, ..] = *part;
    let digest = u32::from_be_bytes([a, b, c, d]).wrapping_mul(0x9e37_79b1) >> 8;
    let word = usize::try_from(digest >> 6).expect("18 bits");
    (word, 1 << (digest & 63))
}

/// What the suite has left behind.
struct Seen {
    secrets: Vec<(String, String)>,
    logs: Vec<(String, Vec<u8>)>,
}

impl Seen {
    fn read(directory: &Path) -> Self {
        let mut seen = Self {
            secrets: Vec::new(),
            logs: Vec::new(),
        };
        for entry in fs::read_dir(directory).expect("there") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let bytes = fs::read(&path).expect("readable");
            if name.ends_with(".secrets") {
                for line in String::from_utf8(bytes).expect("text").lines() {
                    let line: Value = serde_json::from_str(line).expect("JSON");
                    let text = |member: &str| line[member].as_str().expect("text").to_owned();
                    seen.secrets.push((text("kind"), text("secret")));
                }
            } else {
                seen.logs.push((name, bytes));
            }
        }
        seen
    }
}

/// Then the store's tests have been left out, and said so.
fn has_no_redis() -> bool {
    let said = std::process::Command::new("redis-server")
        .arg("--version")
        .output();
    said.is_err()
}
