//! What each parser promises, whatever it is given.

use std::path::Path;

use http::HeaderMap;
use http::HeaderValue;
use http::header;
use sidegate::config::Config;
use sidegate::config::Environment;
use sidegate::config::problem::Code;
use sidegate::crypto::KeyRing;
use sidegate::crypto::MasterKey;
use sidegate::crypto::entropy::Entropy;
use sidegate::crypto::envelope::Binding;
use sidegate::crypto::envelope::Purpose;
use sidegate::crypto::secret::CodeVerifier;
use sidegate::fuzzing;
use sidegate::http::CookieNames;
use sidegate::http::ReturnPath;
use sidegate::http::Target;
use sidegate::http::cookies as jar;
use sidegate::import;
use sidegate::oauth::Partner;
use sidegate::oauth::callback::Callback;
use sidegate::oauth::fence::Fence;
use sidegate::oauth::fence::HostRule;
use sidegate::oauth::fence::InstanceUrl;
use sidegate::oauth::partner::AuthHosts;
use sidegate::oauth::partner::Tenants;
use sidegate::oauth::token::Granted;
use sidegate::oauth::transaction::State;
use sidegate::oauth::transaction::Transaction;
use sidegate::oauth::userinfo::Identity;
use sidegate::session::Presented;
use sidegate::session::Line;
use sidegate::session::id::SessionId;
use sidegate::session::model::Person;
use sidegate::session::model::Session;
use sidegate::time::UnixTime;
use url::Url;

use crate::seeds;

/// Ours are cut out, all of them; the others stay, in their order and byte for byte.
pub fn cookies(bytes: &[u8]) {
    let names = CookieNames::new(true);
    let fields = bytes.split(|&b| b == b'\n');
    let headers: HeaderMap = fields
        .filter_map(|field| Some((header::COOKIE, HeaderValue::from_bytes(field).ok()?)))
        .collect();
    let kept = jar::without_ours(&headers, &names);
    let left: HeaderMap = kept
        .into_iter()
        .map(|kept| (header::COOKIE, kept))
        .collect();
    let written = |headers| -> Vec<(Vec<u8>, Vec<u8>, bool)> {
        let crumbs =
            jar::crumbs(headers).filter(|crumb| !(crumb.name.is_empty() && crumb.value.is_empty()));
        crumbs
            .map(|crumb| {
                (
                    crumb.name.to_vec(),
                    crumb.value.to_vec(),
                    names.is_ours(crumb.subject()),
                )
            })
            .collect()
    };
    let (before, after) = (written(&headers), written(&left));
    let foreign: Vec<_> = before.into_iter().filter(|(_, _, ours)| !ours).collect();
    assert_eq!(
        after, foreign,
        "others stay as they are, and none of ours does"
    );
    // Said once more without the parser: no name of ours stands before an equals sign or at an end.
    for field in left.values() {
        for piece in field.as_bytes().split(|&b| b == b';') {
            let piece = piece.trim_ascii().to_ascii_lowercase();
            let piece = piece
                .strip_prefix(b"=")
                .unwrap_or(&piece)
                .trim_ascii_start();
            let rest = piece.strip_prefix(b"__host-http-sidegate");
            let marked =
                rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'=' | b'.' | b'-')));
            assert!(!marked, "{}", field.as_bytes().escape_ascii());
        }
    }
    for line in headers.values() {
        let _verdict = jar::sets_ours(line, &names);
    }
    let _presented = matches!(Presented::of(&headers, &names), Presented::Sealed(_));
}

/// Nothing opens but what was sealed, where it was sealed for.
pub fn envelope(bytes: &[u8]) {
    let ring = KeyRing::new(MasterKey::generate(&Fixed), Vec::new());
    let binding = Binding {
        purpose: Purpose::Session,
        cookie: "c",
        host: "h",
        tenant: "t",
    };
    assert!(ring.open(&binding, bytes).is_err(), "made up, and it opens");
    let _retired = ring.is_retired(bytes);
    let Some((&change, plaintext)) = bytes.split_first() else {
        return;
    };
    let plaintext = &plaintext[..plaintext.len().min(2_000)];
    let sealed = ring.seal(&binding, plaintext, &Fixed).into_bytes();
    let opened = ring.open(&binding, &sealed).expect("sealed a moment ago");
    assert_eq!(*opened.plaintext, plaintext);
    let login = Binding {
        purpose: Purpose::Login,
        ..binding
    };
    assert!(ring.open(&login, &sealed).is_err(), "moved, and it opens");
    let mut altered = sealed.clone();
    let at = usize::from(change) * 31 % altered.len();
    altered[at] ^= change | 1;
    assert!(
        ring.open(&binding, &altered).is_err(),
        "altered at {at}, and it opens"
    );
}

/// What is accepted has no dot segments, however often it is decoded, and stays as it is.
pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (path, query) = text
        .split_once('?')
        .map_or((text, None), |(path, query)| (path, Some(query)));
    let Ok(target) = Target::from_parts(path, query) else {
        return;
    };
    assert_eq!((target.path(), target.query()), (path, query));
    let whole = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    // A request line holds fewer characters still.
    if let Ok(parsed) = whole.parse::<http::uri::PathAndQuery>() {
        assert_eq!(parsed.as_str(), whole);
    }
    let joined = Url::parse("http://h")
        .expect("a URL")
        .join(path)
        .expect("a path");
    assert_eq!((joined.host_str(), joined.port()), (Some("h"), None));
    let Some(readings) = target.readings() else {
        return;
    };
    assert_eq!(readings.first().map(String::as_str), Some(path));
    if target.is_read_as_written() {
        assert_eq!(readings.len(), 1, "{readings:?}");
    }
}

/// A reply names no host outside the fence.
pub fn token_reply(bytes: &[u8]) {
    let received = UnixTime::from_millis(1_700_000_000_000);
    if let Ok(granted) = Granted::parse(bytes, &Fence::marketing_cloud(), received) {
        assert!(granted.tokens.expires_at >= received);
        granted.rest.iter().chain(&granted.soap).for_each(inside);
        let bearer = granted.tokens.access.bearer();
        assert!(bearer.is_sensitive() && bearer.as_bytes().starts_with(b"Bearer "));
    }
}

/// Nor does this one, and who it is about fits a header field.
pub fn userinfo(bytes: &[u8]) {
    if let Ok(identity) = Identity::parse(bytes, &Fence::marketing_cloud()) {
        identity.rest.iter().chain(&identity.soap).for_each(inside);
        assert!(!identity.sub.is_empty());
    }
}

/// The tenant that an answer names is one label in front of a fixed suffix.
pub fn callback(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(Callback::Granted {
        tssd: Some(tenant), ..
    }) = Callback::parse(text)
    else {
        return;
    };
    for tenants in [Tenants::Listed([tenant.clone()].into()), Tenants::Any] {
        let partner = Partner {
            tenants,
            auth: AuthHosts::marketing_cloud(),
        };
        let Some(auth) = partner.auth_of(&tenant) else {
            continue;
        };
        let label = auth.to_string();
        let label = label
            .strip_prefix("https://")
            .and_then(|host| host.strip_suffix(".auth.marketingcloudapis.com"));
        assert_eq!(label, Some(tenant.as_str()));
        assert!(!tenant.as_str().contains(['.', '/', ':', '@']));
    }
}

/// A browser stays on the site.
pub fn return_path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let base = Url::parse("https://tool.example.com/oauth2/callback").expect("a URL");
    for parsed in [
        ReturnPath::parse(text),
        ReturnPath::parse_with_fragment(text),
    ] {
        let Ok(path) = parsed else { continue };
        assert_eq!(path.as_str(), text);
        assert!(HeaderValue::from_str(text).is_ok(), "fit for Location");
        let joined = base.join(text).expect("a path");
        assert_eq!(joined.origin(), base.origin(), "leads to {joined}");
    }
}

/// A file is taken or refused with a reason that shows, at a place in it.
pub fn yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let environment: Environment = [
        ("SECRET", "secret"),
        ("KEY", "00000000000000000000000000000000000000000000"),
    ]
    .into_iter()
    .collect();
    // No directory of this name is there, so that no file is read.
    let base = Path::new("/nowhere/at/all");
    if let Err(problems) = Config::from_text("fuzz.yaml", text, base, &environment) {
        assert!(!problems.to_string().is_empty());
    }
}

/// However the bytes are cut, the verdict is the same.
pub fn framing(bytes: &[u8]) {
    let whole = fuzzing::is_clearly_framed(bytes, bytes.len());
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(fuzzing::is_clearly_framed(bytes, size), whole, "by {size}");
    }
}

/// What is admitted is one host, under both readings of the text.
pub fn fence(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(url) = Fence::marketing_cloud().admit(text) {
        inside(&url);
        let full = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let read = Url::parse(&full).expect("a URL to a browser too");
        assert_eq!(read.host_str(), Some(url.origin().host()));
        assert_eq!((read.port(), read.path(), read.query()), (None, "/", None));
        let again = Fence::marketing_cloud().admit(&url.to_string());
        assert!(
            again.is_ok_and(|again| again == url),
            "{url} is not admitted again"
        );
    }
    if let Ok(rule) = HostRule::parse(text) {
        // A rule of any kind admits only what it says, and never plain http away from this machine.
        let fence = Fence::new(vec![rule]);
        for url in ["http://evil.example", "http://10.0.0.1"] {
            assert!(fence.admit(url).is_err(), "{text} admits {url}");
        }
    }
}

/// The end of a frame is where RFC 6455 §5.2 has it.
pub fn frames(bytes: &[u8]) {
    let expected = end_of_frames(bytes);
    for size in [1, 3, bytes.len().max(1)] {
        assert_eq!(
            fuzzing::is_between_frames(bytes, size),
            expected,
            "by {size}"
        );
    }
}

/// Whether `bytes` are whole frames, read in the plainest way.
fn end_of_frames(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Some(&second) = bytes.get(1) else {
            return false;
        };
        let (length, width) = match second & 127 {
            126 => (bytes.get(2..4), 2),
            127 => (bytes.get(2..10), 8),
            _ => (Some(&[][..]), 0),
        };
        let Some(length) = length else { return false };
        let payload = match width {
            0 => u64::from(second & 127),
            _ => length
                .iter()
                .fold(0, |all, byte| all << 8 | u64::from(*byte)),
        };
        let mask = if second >= 128 { 4 } else { 0 };
        let rest = bytes.get(2 + width + mask..);
        let payload = usize::try_from(payload).unwrap_or(usize::MAX);
        match rest.and_then(|rest| rest.get(payload..)) {
            Some(rest) => bytes = rest,
            None => return false,
        }
    }
    true
}

/// What is read is what is written again, and stays inside the fence: of the bytes as they are, and
/// of good records with bytes in them changed.
pub fn records(bytes: &[u8]) {
    record(bytes);
    let (session, transaction) = good_records();
    record(&altered(session, bytes));
    record(&altered(transaction, bytes));
}

/// Each three bytes are a place and what is to stand there.
fn altered(mut record: Vec<u8>, bytes: &[u8]) -> Vec<u8> {
    for change in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % record.len();
        record[at] = change[2];
    }
    record
}

fn good_records() -> (Vec<u8>, Vec<u8>) {
    let now = UnixTime::from_millis(1_700_000_000_000);
    let fence = Fence::marketing_cloud();
    let granted = Granted::parse(seeds::TOKEN_REPLY[0], &fence, now).expect("a good reply");
    let session = Session {
        id: SessionId::generate(&Fixed),
        tenant: None,
        tokens: granted.tokens,
        person: Person {
            sub: "10654321".to_owned(),
            name: Some("Ada".to_owned()),
            email: None,
            preferred_username: Some("ada".to_owned()),
            enterprise: Some(7_281_600),
            business_unit: Some(7_281_698),
            ..Person::default()
        },
        rest: granted.rest,
        soap: granted.soap,
        scope: granted.scope,
        signed_in_at: now,
        ends_at: now,
        idle_until: now,
        seen_at: Some(now),
        line: Line::default(),
        ticket: None,
    };
    let transaction = Transaction {
        state: State::generate(&Fixed),
        verifier: CodeVerifier::parse(&"a".repeat(43)).ok(),
        return_path: ReturnPath::parse("/page?x=1").expect("a path"),
        started: now,
        attempts: 1,
    };
    let session = session.to_bytes().expect("short").to_vec();
    (session, transaction.to_bytes().to_vec())
}

fn record(bytes: &[u8]) {
    let fence = Fence::marketing_cloud();
    if let Ok(session) = Session::from_bytes(bytes, &fence) {
        session.rest.iter().chain(&session.soap).for_each(inside);
        let written = session.to_bytes().expect("as long as before");
        let again = Session::from_bytes(&written, &fence).expect("just written");
        assert_eq!(*again.to_bytes().expect("as long as before"), *written);
    }
    if let Some(transaction) = Transaction::from_bytes(bytes) {
        let written = transaction.to_bytes();
        let again = Transaction::from_bytes(&written).expect("just written");
        assert_eq!(*again.to_bytes(), *written);
    }
}

fn inside(url: &InstanceUrl) {
    let text = url.to_string();
    let host = text.strip_prefix("https://").expect("https");
    let label = [
        ".rest.marketingcloudapis.com",
        ".soap.marketingcloudapis.com",
    ]
    .iter()
    .find_map(|suffix| host.strip_suffix(suffix))
    .unwrap_or_else(|| panic!("{text} is outside"));
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!(!label.is_empty() && label.bytes().all(plain), "{text}");
}

/// The same bytes again and again: nothing is secret here.
struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        (0..=u8::MAX)
            .cycle()
            .zip(buffer)
            .for_each(|(byte, slot)| *slot = byte.wrapping_mul(167) ^ 90);
    }
}

/// What passes has the token once, in the one header, for another parser too; cut how one likes; and
/// nothing of it is lost but what was a token of the client's.
pub fn soap(bytes: &[u8]) {
    const TOKEN: &str = "a.b<&>'\"c";
    let size = bytes.len() % 7 + 1;
    let whole = fuzzing::with_token(bytes, usize::MAX, TOKEN);
    assert_eq!(fuzzing::with_token(bytes, size, TOKEN), whole, "by {size}");
    let _verdict = fuzzing::refuses_token(bytes);
    let Some(out) = whole else { return };
    let text = std::str::from_utf8(&out).expect("text");
    let read = roxmltree::Document::parse(text).expect("another parser reads it");
    // In whatever namespace: the tenant reads it in any.
    let is_token = |node: &roxmltree::Node<'_, '_>| {
        let name = node.tag_name().name();
        ["fueloauth", "oauth"].contains(&&*name.to_ascii_lowercase())
    };
    let root = read.root_element();
    let namespace = root.tag_name().namespace().expect("one");
    let headers: Vec<_> = root
        .children()
        .filter(|part| part.has_tag_name((namespace, "Header")))
        .collect();
    let [header] = headers.as_slice() else {
        panic!("{} headers", headers.len());
    };
    let tokens: Vec<_> = header.children().filter(is_token).collect();
    let texts: Vec<_> = tokens.iter().map(|token| token.text()).collect();
    assert_eq!(texts, [Some(TOKEN)]);
    // A second time around, it is taken out and put in again.
    assert_eq!(fuzzing::with_token(&out, size, TOKEN).as_deref(), Some(&*out));
    let body = |bytes: &[u8]| {
        let at = position(bytes, b"Body").expect("a body");
        bytes[at..].to_vec()
    };
    let before = std::str::from_utf8(bytes).expect("text");
    if before.matches("Body").count() == 2 && text.matches("Body").count() == 2 {
        assert_eq!(body(&out), body(bytes), "the body is as it was");
    }
}

/// Whatever can be read as a configuration of oauth2-proxy becomes YAML that says nothing but our keys.
pub fn import(bytes: &[u8]) {
    let words = String::from_utf8_lossy(bytes);
    let read = [
        import::cfg("a", bytes),
        import::alpha("a", bytes),
        Ok(import::flags(words.lines().map(str::to_owned))),
    ];
    for given in read.into_iter().flatten() {
        let yaml = import::import("a", given).yaml;
        let loaded = Config::from_text("a", &yaml, Path::new("/nowhere"), &Environment::default());
        let Err(problems) = loaded else { continue };
        for problem in problems.as_slice() {
            let odd = matches!(
                problem.code,
                Code::Syntax | Code::UnknownKey | Code::DuplicateKey | Code::NotInThisVersion
            );
            assert!(!odd, "{problem}\n{yaml}");
        }
    }
}

fn position(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|part| part == word)
}
