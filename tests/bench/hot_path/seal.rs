//! Sealing and opening: the envelope alone, and the session inside it.

use std::hint::black_box;

use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::Throughput;
use sidegate::crypto::Binding;
use sidegate::crypto::KeyRing;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::crypto::Purpose;

use super::sample;

pub(crate) fn all(criterion: &mut Criterion) {
    envelope(criterion);
    session(criterion);
}

fn envelope(criterion: &mut Criterion) {
    let ring = KeyRing::new(MasterKey::generate(&OsEntropy), vec![]);
    let binding = Binding {
        purpose: Purpose::Session,
        cookie: "__Host-Http-sidegate",
        host: "tool.example.com",
        tenant: "bench/bench",
    };
    let mut group = criterion.benchmark_group("envelope");
    // Texts of 1.5 and 3.8 KB, of which three quarters are what was sealed.
    for text in [1_500_usize, 3_800] {
        let plaintext = vec![b't'; text * 3 / 4];
        let sealed = ring.seal(&binding, &plaintext, &OsEntropy);
        group.throughput(Throughput::Bytes(text.try_into().expect("small")));
        group.bench_function(BenchmarkId::new("seal", text), |bencher| {
            bencher.iter(|| ring.seal(&binding, black_box(&plaintext), &OsEntropy));
        });
        group.bench_function(BenchmarkId::new("open", text), |bencher| {
            bencher.iter(|| {
                ring.open(&binding, black_box(sealed.as_bytes()))
                    .expect("ours")
            });
        });
    }
}

fn session(criterion: &mut Criterion) {
    let store = sample::any_store();
    let mut group = criterion.benchmark_group("session");
    for token in [700_usize, 3_500] {
        let session = sample::session(token);
        let now = sample::now();
        let line = sample::cookie_line(&store, &session);
        let headers = sample::browser_request(&line);
        group.bench_function(BenchmarkId::new("seal", token), |bencher| {
            bencher.iter(|| store.seal(black_box(&session), now).expect("fits"));
        });
        group.bench_function(BenchmarkId::new("find and open", token), |bencher| {
            bencher.iter(|| match sample::presented(black_box(&headers), &store) {
                Some(text) => store.open(&text, now).expect("ours"),
                None => unreachable!("the request brings one session"),
            });
        });
    }
}
