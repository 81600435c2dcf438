//! Which fields go out, and how they are shown: never with a secret, and with placeholders for what
//! only a real request has.

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header;

use super::Explanation;

/// Notes what of `inbound` goes out, and what else does. The client's address is `unknown` unless a
/// trusted proxy's word was given.
pub(super) fn compare(
    inbound: &HeaderMap,
    outbound: &HeaderMap,
    unknown: bool,
    told: &mut Explanation,
) {
    let same = |name: &HeaderName| {
        inbound
            .get_all(name)
            .iter()
            .eq(outbound.get_all(name).iter())
    };
    for name in inbound.keys() {
        let list = if outbound.contains_key(name) && same(name) {
            &mut told.kept
        } else if FRAMING.contains(name) {
            // Said anew by whoever writes the message.
            continue;
        } else {
            &mut told.removed
        };
        list.push(name.as_str().to_owned());
    }
    for (name, value) in outbound {
        if !(inbound.contains_key(name) && same(name)) {
            let shown = shown(name, value, unknown);
            told.added.push((name.as_str().to_owned(), shown));
        }
    }
    told.kept.sort();
    told.removed.sort();
    told.added.sort();
}

fn shown(name: &HeaderName, value: &HeaderValue, unknown: bool) -> String {
    if let Some((_, placeholder)) = PLACEHOLDERS.iter().find(|(known, _)| name == known) {
        return (*placeholder).to_owned();
    }
    if value.is_sensitive() {
        return "{secret}".to_owned();
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    if unknown && (name == "x-forwarded-for" || name == "x-real-ip") {
        return "{client}".to_owned();
    }
    if unknown && name == header::FORWARDED {
        return text.replacen("for=127.0.0.1", "for={client}", 1);
    }
    text.into_owned()
}

const FRAMING: [HeaderName; 2] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];

const PLACEHOLDERS: &[(&str, &str)] = &[
    ("authorization", "Bearer {access token}"),
    ("x-forwarded-access-token", "{access token}"),
    ("cookie", "{the client's, without this gateway's}"),
    ("x-request-id", "{request id}"),
    ("traceparent", "{trace}"),
    ("x-forwarded-user", "{sub}"),
    ("x-forwarded-email", "{email}"),
    ("x-forwarded-preferred-username", "{user name}"),
    ("x-marketing-cloud-business-unit", "{MID}"),
    ("x-marketing-cloud-enterprise", "{EID}"),
    ("x-marketing-cloud-permissions", "{permissions}"),
];
