//! What one request costs, part by part. `cargo bench --bench hot_path`; `../README.md` tells how to
//! read it, and `../run` measures the whole beside its peers.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot begin has nothing to say"
)]

mod exchange;
mod head;
mod sample;
mod seal;

criterion::criterion_group!(benches, seal::all, head::all, exchange::all);
criterion::criterion_main!(benches);
