//! What is done to every request's head: target, cookies, fields.

use std::hint::black_box;

use criterion::BenchmarkId;
use criterion::Criterion;
use http::Uri;
use sidegate::http::Target;
use sidegate::http::headers;
use sidegate::http::headers::RequestRules;
use sidegate::session::Presented;

use super::sample;

pub(crate) fn all(criterion: &mut Criterion) {
    target(criterion);
    fields(criterion);
}

fn target(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("target");
    for (name, text) in [
        (
            "plain",
            "/mc/rest/asset/v1/content/assets?$page=1&$pagesize=50",
        ),
        (
            "escaped",
            "/mc/rest/hub/v1/dataevents/key:caf%C3%A9%20list/rows/id:1",
        ),
    ] {
        let uri = Uri::from_static(text);
        group.bench_function(name, |bencher| {
            bencher.iter(|| Target::parse(black_box(&uri)).is_ok());
        });
    }
}

fn fields(criterion: &mut Criterion) {
    let store = sample::any_store();
    let rules = RequestRules {
        cookies: Some(&store.names),
        authorization: false,
        browser: true,
        safe: true,
    };
    let no_cookies = RequestRules {
        cookies: None,
        ..rules
    };
    let mut group = criterion.benchmark_group("fields");
    for token in [700_usize, 3_500] {
        let line = sample::cookie_line(&store, &sample::session(token));
        let headers = sample::browser_request(&line);
        group.bench_function(BenchmarkId::new("cookie scan", token), |bencher| {
            bencher.iter(|| Presented::of(black_box(&headers), &store.names) == Presented::Nothing);
        });
        group.bench_function(
            BenchmarkId::new("forwardable, ours cut out", token),
            |bencher| {
                bencher.iter(|| headers::forwardable(black_box(&headers), &rules));
            },
        );
        group.bench_function(
            BenchmarkId::new("forwardable, no cookies", token),
            |bencher| {
                bencher.iter(|| headers::forwardable(black_box(&headers), &no_cookies));
            },
        );
    }
}
