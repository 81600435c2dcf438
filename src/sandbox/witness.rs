//! Tells tests every secret that the sandboxes of this process hand out or are shown, so that they can look
//! for it where it must not be.

use std::sync::OnceLock;

/// Is told what kind of secret it is, and the secret.
pub type Witness = fn(&'static str, &str);

static WITNESS: OnceLock<Witness> = OnceLock::new();

/// From now on `witness` is told. There is one for the whole process; a second one is not taken.
pub fn tell(witness: Witness) {
    let _first = WITNESS.set(witness);
}

pub(super) fn saw(kind: &'static str, secret: &str) {
    if let Some(witness) = WITNESS.get() {
        witness(kind, secret);
    }
}
