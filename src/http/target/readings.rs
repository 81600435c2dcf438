//! What other readers could make of a path: tools decode, normalise and cut before they decide.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Every text that a reader could arrive at who decodes `path`, cuts it, drops parameters, merges
/// slashes or resolves dot segments, in any order and as often as it likes; `path` itself is among
/// them. `None` if there are more than anybody needs.
pub(super) fn of(path: &str) -> Option<Vec<String>> {
    let mut readings = vec![path.to_owned()];
    let mut next = 0;
    while let Some(text) = readings.get(next) {
        let changed: Vec<_> = STEPS.iter().filter_map(|step| step(text)).collect();
        for text in changed {
            if !readings.contains(&text) {
                readings.push(text);
            }
        }
        next += 1;
        if readings.len() > MAX_READINGS {
            return None;
        }
    }
    Some(readings)
}

/// What a reader may do to a path; `None` where it changes nothing.
const STEPS: [fn(&str) -> Option<String>; 8] = [
    decode,
    backslashes,
    resolve_dots,
    drop_parameters,
    |text| cut(text, ';'),
    |text| cut(text, '#'),
    |text| cut(text, '?'),
    merge_slashes,
];

/// Customers' keys come to a handful; each more costs a look at the whole path.
const MAX_READINGS: usize = 32;

fn decode(text: &str) -> Option<String> {
    match percent_decode_str(text).decode_utf8_lossy() {
        Cow::Owned(decoded) => Some(decoded),
        Cow::Borrowed(_) => None,
    }
}

fn backslashes(text: &str) -> Option<String> {
    text.contains('\\').then(|| text.replace('\\', "/"))
}

fn merge_slashes(text: &str) -> Option<String> {
    text.contains("//").then(|| {
        let mut merged = text.replace("//", "/");
        while merged.contains("//") {
            merged = merged.replace("//", "/");
        }
        merged
    })
}

/// RFC 3986 §5.2.4.
fn resolve_dots(text: &str) -> Option<String> {
    let dotted = text.contains("/.") && text.split('/').any(|part| matches!(part, "." | ".."));
    dotted.then(|| {
        let mut parts = Vec::new();
        let mut open = false;
        for part in text.split('/').skip(1) {
            open = matches!(part, "." | "..");
            match part {
                "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        let end = if open && !parts.is_empty() { "/" } else { "" };
        format!("/{}{end}", parts.join("/"))
    })
}

fn drop_parameters(text: &str) -> Option<String> {
    text.contains(';').then(|| {
        let bare = |part: &str| part.split(';').next().unwrap_or_default().to_owned();
        text.split('/').map(bare).collect::<Vec<_>>().join("/")
    })
}

fn cut(text: &str, at: char) -> Option<String> {
    text.split_once(at).map(|(before, _)| before.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_is_among_them() {
        for (path, expected) in [
            ("/a%20b", &["/a b"][..]),
            ("/a%2561", &["/a%61", "/aa"]),
            ("/a%2f%2fb", &["/a//b", "/a/b"]),
            ("/x/y;p/z;q", &["/x/y", "/x/y/z"]),
            ("/s/..%23/t", &["/s/..#/t", "/s/..", "/"]),
            ("/a%253fb", &["/a%3fb", "/a?b", "/a"]),
            ("/a%255cb", &["/a%5cb", "/a\\b", "/a/b"]),
            ("/a/b/%2e%2e", &["/a/b/..", "/a/"]),
        ] {
            let readings = of(path).expect("a handful");
            for text in expected {
                assert!(
                    readings.contains(&(*text).to_owned()),
                    "{text}: {readings:?}"
                );
            }
        }
        assert_eq!(of("/plain/path").expect("one"), ["/plain/path"]);
    }

    #[test]
    fn a_path_with_countless_readings_has_none() {
        assert_eq!(
            of(&format!("/{}", "%23a".repeat(100))).map(|all| all.len()),
            Some(3)
        );
        let layered = format!("/{}", "a;b%25253b%2523%253f/".repeat(20));
        assert!(of(&layered).is_none_or(|all| all.len() <= MAX_READINGS));
        let key = "/data/v1/customobjectdata/key/a%2Fb%3Bc%2525%23d/rowset/Id:x;y";
        assert!(of(key).is_some(), "a key with all of them is still one");
    }
}
