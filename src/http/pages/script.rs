//! The scripts of our pages, each named in its page's policy by its hash.

use std::sync::LazyLock;

use super::hash;

/// A script and its name in a policy.
pub(super) struct Script {
    pub(super) text: &'static str,
    pub(super) hash: LazyLock<String>,
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) static $name: Script = Script {
            text: include_str!($file),
            hash: LazyLock::new(|| hash(include_str!($file))),
        };)*
    };
}

scripts! {
    ACCOUNT = "account.js";
    FRAMED = "framed.js";
    HANDOVER = "handover.js";
    KEEP_FRAGMENT = "keep_fragment.js";
}
