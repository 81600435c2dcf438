//! The requests that the package `http_desync_guardian` sorts by how differently two readers could
//! frame them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use http_desync_guardian::RequestSafetyTier;
use http_desync_guardian::request_analyzer::HttpRequestData;
use proptest::strategy::Strategy as _;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use yaml_rust2::Yaml;
use yaml_rust2::YamlLoader;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::corpus;
use crate::support::raw;

/// One classified request.
#[derive(Debug)]
struct Case {
    name: String,
    class: String,
    head: Vec<u8>,
}

/// Severe and ambiguous requests end in 400 and the end of the connection, and nothing of them or
/// behind them is forwarded. The others are forwarded, but for those in which [`beyond`] finds what is
/// not taken here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_readers_frame_differently_is_never_forwarded() {
    let (gate, heads, _puppet) = before_a_listener().await;
    let host = gate.address().to_string();
    let mut counts = BTreeMap::<(String, bool), usize>::new();
    let mut wrong = Vec::new();
    for case in cases(&host) {
        let (text, forwarded, next) = try_out(&gate, &heads, &case.head).await;
        let refused = text.is_empty() || raw::status(&text) == 400;
        let clear = matches!(case.class.as_str(), "Compliant" | "Acceptable");
        let expected = clear && beyond(&case.head).is_none();
        if forwarded != expected || refused == expected || (next && !clear) {
            let head = String::from_utf8_lossy(&case.head);
            let (class, name) = (&case.class, &case.name);
            wrong.push(format!("{class} {name:?}, forwarded {forwarded}: {head:?}"));
        }
        *counts.entry((case.class, forwarded)).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{counts:?}\n{}", wrong.join("\n"));
    let of = |class: &str| {
        let forwarded = counts.get(&(class.to_owned(), true)).copied();
        let refused = counts.get(&(class.to_owned(), false)).copied();
        (forwarded.unwrap_or_default(), refused.unwrap_or_default())
    };
    // The corpus is whole: 58, 58, 15 and 28 cases, 159 together.
    assert_eq!(of("Severe"), (0, 58));
    assert_eq!(of("Ambiguous"), (0, 58));
    assert_eq!(of("Acceptable"), (2, 13));
    assert_eq!(of("Compliant"), (15, 13));
}

/// The same by the package's own judgement, on heads made of what frames and of what looks like it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_requests_that_readers_frame_differently_are_never_forwarded() {
    let (gate, heads, _puppet) = before_a_listener().await;
    let host = gate.address().to_string();
    let mut runner = TestRunner::deterministic();
    let field = (
        "(Content-Length|content-length|Content_Length|Transfer-Encoding|transfer-encoding|Transfer--Encoding|X|Host|TE|\
          Content-Length |\tTransfer-Encoding|Transfer-Encoding\x00|\x0bContent-Length|Connection)",
        "(:|: |:\t| : |::)",
        "(0|1|5|05|\\+5|5, 5|5;|0x5|chunked|Chunked|chunked, chunked|identity|gzip, chunked|chunked\x00|\x0bchunked|,chunked|x|)",
        "(\r\n|\r\n|\r\n|\r\n|\n|\r|\r\n )",
    );
    let head = (
        "(GET|HEAD|POST|PUT|DELETE|OPTIONS)",
        "( |  |\t)?",
        "(1\\.1|1\\.1|1\\.1|1\\.0)",
        proptest::collection::vec(field, 0..4),
    );
    let (mut bad, mut good) = (0, 0);
    for _ in 0..1_500 {
        let made = head.new_tree(&mut runner).expect("a head").current();
        let (method, blank, version, fields) = made;
        let fields: String = fields
            .into_iter()
            .flat_map(|(name, colon, value, end)| [name, colon, value, end])
            .collect();
        // Mostly there is one blank, and it is a space.
        let blank = if blank.len() == 1 {
            " "
        } else {
            blank.as_str()
        };
        let blank = if blank.is_empty() { " " } else { blank };
        let text = format!("{method}{blank}/x HTTP/{version}\r\nHost: {host}\r\n{fields}\r\n");
        let verdict = HttpRequestData::analyze_raw_request(text.as_bytes()).tier;
        let (answer, forwarded, next) = try_out(&gate, &heads, text.as_bytes()).await;
        if matches!(
            verdict,
            RequestSafetyTier::Ambiguous | RequestSafetyTier::Severe
        ) {
            bad += 1;
            assert!(!forwarded && !next, "{verdict:?} {text:?}: {answer}");
        } else if forwarded {
            good += 1;
        }
    }
    assert!(bad > 300 && good > 100, "{bad} bad ones, {good} good ones");
}

/// A gateway before an upstream that notes the head of every request, and takes that for all of it.
async fn before_a_listener() -> (Gate, Heads, Puppet) {
    let heads = Heads::default();
    let log = Arc::clone(&heads);
    let puppet = Puppet::playing(move |_, mut line| {
        let log = Arc::clone(&log);
        async move {
            if let Some(head) = line.wire.head().await {
                log.lock().expect("sound").push(head);
                line.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    let gate = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    (gate, heads, puppet)
}

type Heads = Arc<Mutex<Vec<String>>>;

/// The answer to `head`, whether it was forwarded, and whether only the request behind it was.
async fn try_out(gate: &Gate, heads: &Heads, head: &[u8]) -> (String, bool, bool) {
    let host = gate.address();
    let next = format!("GET /next HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let text = raw::talk(host, [head, next.as_bytes()].concat()).await;
    let heads = std::mem::take(&mut *heads.lock().expect("sound"));
    let forwarded = heads.iter().any(|head| !head.starts_with("GET /next "));
    (text, forwarded, !heads.is_empty() && !forwarded)
}

/// What the corpus lets pass and this gateway does not.
fn beyond(head: &[u8]) -> Option<&'static str> {
    let head = String::from_utf8_lossy(head);
    let (line, fields) = head.split_once("\r\n").expect("a line");
    let [_, target, "HTTP/1.1"] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Some("another version, or spaces (H1)");
    };
    let escaped = ["%09", "%0A", "%0D"].iter().any(|bad| target.contains(bad));
    if !target.starts_with('/') || !target.is_ascii() || target.contains('#') || escaped {
        return Some("an ambiguous target (H24)");
    }
    let fields = fields.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut codings = Vec::new();
    for (name, value) in fields {
        let spaced = name.contains(|c: char| c == ' ' || c.is_control());
        if spaced || value.trim().contains(char::is_control) {
            return Some("a space before the colon (H3), or a control (H5)");
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            codings.push(value.trim());
        }
    }
    (!codings.is_empty() && codings != ["chunked"]).then_some("codings beside chunked (H9)")
}

fn cases(host: &str) -> Vec<Case> {
    FILES
        .iter()
        .flat_map(|file| {
            let text = corpus::read("http_desync_guardian", &format!("tests/{file}.yaml"));
            let documents = YamlLoader::load_from_str(&text).expect("YAML");
            documents[0].as_vec().expect("a list").clone()
        })
        .map(|case| case_of(&case, host))
        .collect()
}

fn case_of(case: &Yaml, host: &str) -> Case {
    let mut head = format!(
        "{} {} {}\r\n",
        text(&case["method"]),
        text(&case["uri"]),
        text(&case["version"])
    );
    let fields = case["headers"].as_vec().map_or(&[][..], Vec::as_slice);
    let mut named = false;
    for field in fields {
        let (name, mut value) = (text(&field["name"]), text(&field["value"]));
        if name.eq_ignore_ascii_case("host") {
            named = true;
            host.clone_into(&mut value);
        }
        head.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
    }
    if !named {
        head.extend(["Host: ", host, "\r\n"]);
    }
    head.push_str("\r\n");
    if head.contains("chunked") {
        head.push_str("0\r\n\r\n");
    }
    Case {
        name: case["name"].as_str().expect("a name").to_owned(),
        class: text(&case["expected"]["tier"]),
        head: head.chars().flat_map(bytes).collect(),
    }
}

/// The cases write bytes as characters below 256.
fn bytes(c: char) -> Vec<u8> {
    u8::try_from(u32::from(c)).map_or_else(|_| c.to_string().into_bytes(), |byte| vec![byte])
}

/// A scalar; the cases add escapes of their own to those of YAML.
fn text(value: &Yaml) -> String {
    let written = match value {
        Yaml::String(text) | Yaml::Real(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        Yaml::Boolean(value) => value.to_string(),
        other => panic!("not a scalar: {other:?}"),
    };
    let mut plain = String::new();
    let mut chars = written.chars();
    while let Some(c) = chars.next() {
        plain.push(match (c, c == '\\') {
            (c, false) => c,
            _ => match chars.next().expect("an escape") {
                'x' => {
                    let digits: String = chars.by_ref().take(2).collect();
                    char::from(u8::from_str_radix(&digits, 16).expect("hexadecimal"))
                }
                'b' => '\x08',
                'f' => '\x0c',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                c => c,
            },
        });
    }
    plain
}

const FILES: [&str; 10] = [
    "single-case",
    "edge-cases",
    "rfc-compliant",
    "acceptable",
    "ambiguous",
    "bad-header-characters",
    "more-compliant-tests",
    "severe",
    "uri-specific-test-cases",
    "real-life-test-cases",
];
