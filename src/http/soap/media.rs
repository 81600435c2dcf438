//! What a request's fields say of its envelope.

use http::HeaderMap;
use http::HeaderValue;
use http::header;

use crate::fault::EnvelopeFault;

/// The two versions of SOAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `text/xml`.
    Soap11,
    /// `application/soap+xml`.
    Soap12,
}

impl Version {
    /// The version that a request's media type stands for.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let field = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let (essence, _) = field.split_once(';').unwrap_or((field, ""));
        let essence = essence.trim();
        if essence.eq_ignore_ascii_case("text/xml") {
            Some(Self::Soap11)
        } else if essence.eq_ignore_ascii_case("application/soap+xml") {
            Some(Self::Soap12)
        } else {
            None
        }
    }
}

/// Lets an envelope pass whose fields promise text that can be read, or says what is wrong.
pub fn admit(headers: &HeaderMap) -> Result<(), (EnvelopeFault, &'static str)> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = codings.flat_map(|field| field.as_bytes().split(|&byte| byte == b','));
    let plain = |coding: &[u8]| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    };
    if !codings.all(plain) {
        return Err((EnvelopeFault::Coded, "The request has a Content-Encoding."));
    }
    let mut fields = headers.get_all(header::CONTENT_TYPE).iter();
    let (field, more) = (fields.next(), fields.next());
    let media = |note| (EnvelopeFault::Media, note);
    let field = field
        .filter(|_| more.is_none())
        .map(HeaderValue::to_str)
        .and_then(Result::ok)
        .ok_or_else(|| media("The request has no Content-Type, or several."))?;
    if Version::of(headers).is_none() {
        let multipart = field
            .get(..10)
            .is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
        return Err(media(if multipart {
            "The request has attachments (MTOM or SOAP with attachments)."
        } else {
            "The Content-Type is another one."
        }));
    }
    let parameters = parameters(field).ok_or_else(|| media("The Content-Type is malformed."))?;
    let mut charsets = parameters
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
    match (charsets.next(), charsets.next()) {
        (None, _) => Ok(()),
        (Some((_, charset)), None) if charset.eq_ignore_ascii_case("utf-8") => Ok(()),
        _ => Err((
            EnvelopeFault::Encoding,
            "The Content-Type names another charset than utf-8.",
        )),
    }
}

/// The parameters of a media type (RFC 9110 §5.6.6).
fn parameters(field: &str) -> Option<Vec<(&str, String)>> {
    let mut found = Vec::new();
    let (_, mut rest) = field.split_once(';').unwrap_or((field, ""));
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() {
            return Some(found);
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = after.find(';').unwrap_or(after.len());
            let (value, after) = after.split_at(end);
            (value.trim_end().to_owned(), after)
        };
        // `charset ` or `charset*`: a lenient reader finds there what the check of the charset does not.
        let near = name
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("charset"));
        let token = name
            .bytes()
            .all(|b| b.is_ascii_graphic() && !DELIMITERS.contains(&b));
        if !token || name.is_empty() || near && name.len() > 7 {
            return None;
        }
        found.push((name, value));
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(';') {
            return None;
        }
    }
}

/// What no token holds (RFC 9110 §5.6.2).
const DELIMITERS: &[u8] = b"\"(),/:;<=>?@[\\]{}";

/// A quoted string after its first quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
}
