//! What one request costs: the whole of it, and part by part. `cargo bench --bench hot_path`; `../README.md`
//! tells how to read it, and `../run` measures the whole beside its peers.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot begin has nothing to say"
)]

mod exchange;
mod head;
mod sample;
mod seal;

use criterion::Criterion;

/// As in the program.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion::criterion_group!(benches, exchange::all, seal::all, head::all);

/// `--count N NAME` makes so many requests of a case and measures nothing.
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, count, name, ..] = arguments.as_slice()
        && flag == "--count"
    {
        return exchange::counted(name, count.parse().expect("a number"));
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
