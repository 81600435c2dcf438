//! How an answer says its length: once, in digits, or not at all.

use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header::CONTENT_LENGTH;

/// Leaves one plain `Content-Length`, where the upstream's say the same number, and none where they don't
/// (RFC 9110 §8.6, RFC 9112 §6.3). A body was cut by them already; without one, as with HEAD, nobody has
/// looked at them, and a client may take another of two than its cache does.
pub fn settle(headers: &mut HeaderMap, status: StatusCode) {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = values.next() else { return };
    if status == StatusCode::NO_CONTENT {
        headers.remove(CONTENT_LENGTH);
        return;
    }
    if values.next().is_none() && is_plain(first.as_bytes()) {
        return;
    }
    match agreed(headers) {
        Some(length) => headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
        None => headers.remove(CONTENT_LENGTH),
    };
}

/// Digits as anybody would write them.
fn is_plain(value: &[u8]) -> bool {
    let short = (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    short && (value.len() == 1 || value.first() != Some(&b'0'))
}

/// The number that all members of all fields are.
fn agreed(headers: &HeaderMap) -> Option<u64> {
    let fields = headers.get_all(CONTENT_LENGTH).iter();
    let mut members = fields.flat_map(|field| field.as_bytes().split(|&b| b == b','));
    let first = number(members.next()?)?;
    members
        .all(|member| number(member) == Some(first))
        .then_some(first)
}

fn number(member: &[u8]) -> Option<u64> {
    let digits = member.trim_ascii();
    let plain = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| plain)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(lengths: &[&'static str], status: StatusCode) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for length in lengths {
            headers.append(CONTENT_LENGTH, HeaderValue::from_static(length));
        }
        settle(&mut headers, status);
        let left = headers.get_all(CONTENT_LENGTH);
        left.iter()
            .map(|length| length.to_str().expect("digits").to_owned())
            .collect()
    }

    #[test]
    fn one_number_is_left_or_none() {
        for (lengths, expected) in [
            (&[][..], &[][..]),
            (&["0"], &["0"]),
            (&["12345"], &["12345"]),
            (&["5", "5"], &["5"]),
            (&["5, 5", "05"], &["5"]),
            (&["005"], &["5"]),
            (&["18446744073709551615"], &["18446744073709551615"]),
            (&["18446744073709551616"], &[]),
            (&["5", "6"], &[]),
            (&["5,"], &[]),
            (&["+5"], &[]),
            (&["-5"], &[]),
            (&["5 5"], &[]),
            (&["five"], &[]),
            (&[""], &[]),
        ] {
            assert_eq!(settled(lengths, StatusCode::OK), expected, "{lengths:?}");
        }
        assert!(settled(&["5"], StatusCode::NO_CONTENT).is_empty());
        assert_eq!(settled(&["5"], StatusCode::NOT_MODIFIED), ["5"]);
    }
}
