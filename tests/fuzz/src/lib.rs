//! Fuzz targets for the parsers of bytes that others write. Each is a plain function that panics
//! when a promise is broken, so that two things can drive it:
//!
//! * `cargo run` hunts on any compiler for a while, with inputs that it makes from seeds;
//! * cargo-fuzz hunts by coverage: `cargo +nightly fuzz run --fuzz-dir tests/fuzz --features libfuzzer
//!   --sanitizer none cookies`. Without a sanitizer, as the code has no `unsafe` of its own, and the
//!   cryptography that the library links would need more tools to be built with one.

pub mod hunt;
pub mod seeds;
pub mod targets;

/// A target, what it is called, and what it is fed at first.
pub type Target = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

/// All targets.
pub const TARGETS: [Target; 14] = [
    ("cookies", targets::cookies, seeds::COOKIES),
    ("envelope", targets::envelope, seeds::ENVELOPE),
    ("target", targets::target, seeds::TARGET),
    ("token_reply", targets::token_reply, seeds::TOKEN_REPLY),
    ("userinfo", targets::userinfo, seeds::USERINFO),
    ("callback", targets::callback, seeds::CALLBACK),
    ("return_path", targets::return_path, seeds::RETURN_PATH),
    ("yaml", targets::yaml, seeds::YAML),
    ("framing", targets::framing, seeds::FRAMING),
    ("fence", targets::fence, seeds::FENCE),
    ("frames", targets::frames, seeds::FRAMES),
    ("records", targets::records, seeds::RECORDS),
    ("soap", targets::soap, seeds::SOAP),
    ("import", targets::import, seeds::IMPORT),
];
