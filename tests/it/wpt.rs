//! The URLs of the Web Platform Tests, as the package `url` carries them, against the parsers that
//! decide where a browser or a token goes.

use serde_json::Value;
use sidegate::http::ReturnPath;
use sidegate::oauth::fence::Fence;
use sidegate::oauth::fence::HostRule;
use url::Url;

use crate::support::corpus;

const TENANT: &str = "mcabc.rest.marketingcloudapis.com";

#[test]
fn no_return_path_leaves_the_site() {
    let base = Url::parse("https://tool.example.com/oauth2/callback").expect("a URL");
    let mut taken = 0;
    for input in inputs() {
        for text in [
            input.clone(),
            format!("/{input}"),
            format!("/x?{input}"),
            format!("/x#{input}"),
        ] {
            for parsed in [
                ReturnPath::parse(&text),
                ReturnPath::parse_with_fragment(&text),
            ] {
                let Ok(path) = parsed else { continue };
                taken += 1;
                assert_eq!(path.as_str(), text);
                let joined = base
                    .join(&text)
                    .unwrap_or_else(|error| panic!("{text:?}: {error}"));
                assert_eq!(joined.origin(), base.origin(), "{text:?} leads to {joined}");
                let path_alone = text.split(['?', '#']).next().expect("a path");
                // A browser escapes what is left of the visible characters, and moves nothing.
                assert_eq!(
                    joined.path().replace("%7C", "|"),
                    path_alone,
                    "{text:?} leads to {joined}"
                );
            }
        }
    }
    assert!(
        taken > 500,
        "{taken}: the grammar is not so narrow that nothing passes"
    );
}

#[test]
fn no_instance_url_leaves_the_fence() {
    let fences = [
        Fence::marketing_cloud(),
        Fence::new(vec![HostRule::parse("*.example.com").expect("a rule")]),
        Fence::new(vec![HostRule::parse("example.com").expect("a rule")]),
    ];
    let mut admitted = 0;
    for input in inputs() {
        // The same tricks with hosts that are inside.
        let inside = [
            "example.com",
            "example.org",
            "example.net",
            "foo",
            "host",
            "test",
        ]
        .iter()
        .flat_map(|host| [(host, TENANT), (host, "a.example.com")])
        .map(|(host, inside)| input.replace(host, inside));
        let written = std::iter::once(input.clone()).chain(inside);
        for text in written.flat_map(|text| [text.replace("http:", "https:"), text]) {
            for fence in &fences {
                let Ok(url) = fence.admit(&text) else {
                    continue;
                };
                admitted += 1;
                // What a browser makes of the same text has to be the same place.
                let full = if text.contains("://") {
                    text.clone()
                } else {
                    format!("https://{text}")
                };
                let read = Url::parse(&full).unwrap_or_else(|error| panic!("{text:?}: {error}"));
                let origin = url.origin();
                assert_eq!(read.scheme(), "https", "{text:?}");
                assert_eq!(read.host_str(), Some(origin.host()), "{text:?}");
                assert_eq!(read.port_or_known_default(), Some(443), "{text:?}");
                assert_eq!((read.username(), read.password()), ("", None), "{text:?}");
                assert_eq!(
                    (read.path(), read.query(), read.fragment()),
                    ("/", None, None),
                    "{text:?}"
                );
                let host = origin.host();
                let within = host == "example.com"
                    || [".example.com", ".rest.marketingcloudapis.com"]
                        .iter()
                        .any(|suffix| {
                            host.strip_suffix(suffix)
                                .is_some_and(|label| !label.contains('.'))
                        });
                assert!(within, "{text:?} leads to {host}");
            }
        }
    }
    assert!(admitted > 10, "{admitted}: some of them are good");
}

/// Every URL of the corpus; entries that are text are its comments.
fn inputs() -> Vec<String> {
    let text = corpus::read("url", "tests/urltestdata.json");
    let entries: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let inputs: Vec<_> = entries
        .iter()
        .filter_map(|entry| Some(entry.get("input")?.as_str()?.to_owned()))
        .collect();
    assert_eq!(inputs.len(), CASES, "the corpus is whole");
    inputs
}

const CASES: usize = 819;
