//! A sign-in under way: what the browser keeps, sealed, between the start and the callback.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::crypto::Entropy;
use crate::crypto::secret::CodeVerifier;
use crate::http::ReturnPath;
use crate::time::UnixTime;

/// One attempt to sign in. Several may be under way in one browser, each in a cookie of its own.
#[derive(Debug)]
pub struct Transaction {
    /// What the callback has to bring back.
    pub state: State,
    /// What proves that the code is ours; `None` where PKCE is off.
    pub verifier: Option<CodeVerifier>,
    /// Where to go afterwards.
    pub return_path: ReturnPath,
    /// When it began.
    pub started: UnixTime,
    /// How many attempts of this browser failed just before.
    pub attempts: u8,
}

impl Transaction {
    /// The plaintext of the sign-in's cookie.
    #[expect(
        clippy::expect_used,
        reason = "postcard fails only for types without a known length"
    )]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let wire = Wire {
            state: self.state.0,
            verifier: self.verifier.as_ref().map(CodeVerifier::expose),
            return_path: self.return_path.as_str(),
            started: self.started,
            attempts: self.attempts,
        };
        Zeroizing::new(postcard::to_allocvec(&wire).expect("plain fields"))
    }

    /// Reads what [`Transaction::to_bytes`] made; `None` for anything else, such as the work of
    /// another release.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (wire, rest) = postcard::take_from_bytes::<Wire<'_>>(bytes).ok()?;
        if !rest.is_empty() {
            return None;
        }
        Some(Self {
            state: State(wire.state),
            verifier: wire.verifier.map(CodeVerifier::parse).transpose().ok()?,
            return_path: ReturnPath::parse_with_fragment(wire.return_path).ok()?,
            started: wire.started,
            attempts: wire.attempts,
        })
    }

    /// Whether the callback comes too late.
    pub fn is_expired(&self, now: UnixTime) -> bool {
        now.since(self.started) >= TRANSACTION_LIFETIME
    }
}

/// How long a person may take to sign in. A code lives for five minutes after that page.
pub const TRANSACTION_LIFETIME: Duration = Duration::from_mins(10);

/// Ties a callback to the browser that started it (RFC 6749 §10.12): 256 random bits.
pub struct State([u8; 32]);

impl State {
    /// A fresh state.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// Reads 43 characters of canonical base64url.
    pub fn parse(text: &str) -> Result<Self, BadState> {
        let mut bytes = [0; 32];
        if text.len() != 43 {
            return Err(BadState);
        }
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(BadState),
        }
    }

    /// The parameter's value.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// What the name of the sign-in's cookie ends in, so that the callback finds the cookie by the
    /// state it brings, and the name does not tell the state: 12 characters.
    pub fn cookie_suffix(&self) -> String {
        let hash = Sha256::digest(self.0);
        URL_SAFE_NO_PAD.encode(hash.first_chunk::<9>().unwrap_or(&[0; 9]))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State(…)")
    }
}

/// The text is not a state that we made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not 43 characters of base64url")]
pub struct BadState;

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    state: [u8; 32],
    verifier: Option<&'a str>,
    return_path: &'a str,
    started: UnixTime,
    attempts: u8,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::crypto::OsEntropy;
    use crate::oauth::pkce;

    fn transaction() -> Transaction {
        Transaction {
            state: State::generate(&OsEntropy),
            verifier: Some(pkce::verifier(&OsEntropy)),
            return_path: ReturnPath::parse("/reports?month=5").expect("a path"),
            started: UnixTime::from_millis(1_800_000_000_000),
            attempts: 2,
        }
    }

    #[test]
    fn a_transaction_survives_the_cookie() {
        let before = transaction();
        let bytes = before.to_bytes();
        assert!(bytes.len() < 128, "{} bytes", bytes.len());
        let after = Transaction::from_bytes(&bytes).expect("our own bytes");
        assert!(after.state.matches(&before.state));
        assert_eq!(
            after.verifier.map(|verifier| verifier.expose().to_owned()),
            before.verifier.map(|verifier| verifier.expose().to_owned())
        );
        assert_eq!(after.return_path, before.return_path);
        assert_eq!((after.started, after.attempts), (before.started, 2));
    }

    #[test]
    fn without_pkce_there_is_no_verifier() {
        let bytes = Transaction {
            verifier: None,
            ..transaction()
        }
        .to_bytes();
        assert!(Transaction::from_bytes(&bytes).unwrap().verifier.is_none());
    }

    #[test]
    fn other_bytes_are_no_transaction() {
        let bytes = transaction().to_bytes();
        for end in 0..bytes.len() {
            assert!(Transaction::from_bytes(&bytes[..end]).is_none(), "{end}");
        }
        assert!(Transaction::from_bytes(&[&bytes[..], b"x"].concat()).is_none());
    }

    #[test]
    fn ten_minutes_are_enough() {
        let transaction = transaction();
        let end = transaction.started.plus(TRANSACTION_LIFETIME);
        assert!(!transaction.is_expired(transaction.started));
        assert!(!transaction.is_expired(end.minus(Duration::from_millis(1))));
        assert!(transaction.is_expired(end));
        // A clock that stepped back does not end anything.
        assert!(!transaction.is_expired(UnixTime::default()));
    }

    #[test]
    fn states_are_read_strictly() {
        let state = State::generate(&OsEntropy);
        let text = state.to_text();
        assert_eq!(text.len(), 43);
        assert!(State::parse(&text).expect("our own").matches(&state));
        assert!(!State::generate(&OsEntropy).matches(&state));
        let last_bits = format!("{}B", "A".repeat(42));
        for bad in [
            "",
            "x",
            &text.repeat(2),
            &format!("{text}="),
            &format!("{text}A"),
            &last_bits,
            &"+".repeat(43),
            &"é".repeat(21),
        ] {
            assert_eq!(State::parse(bad).map(|_| ()), Err(BadState), "{bad}");
        }
    }

    #[test]
    fn fifty_of_fifty_states_differ_and_so_do_their_cookies() {
        let states: Vec<State> = (0..50).map(|_| State::generate(&OsEntropy)).collect();
        let texts: HashSet<String> = states.iter().map(State::to_text).collect();
        let names: HashSet<String> = states.iter().map(State::cookie_suffix).collect();
        assert_eq!((texts.len(), names.len()), (50, 50));
        for name in names {
            assert_eq!(name.len(), 12);
            assert!(texts.iter().all(|text| !text.contains(&name)));
        }
    }

    #[test]
    fn debug_shows_neither_state_nor_verifier() {
        let transaction = transaction();
        let shown = format!("{transaction:?}");
        assert!(!shown.contains(&transaction.state.to_text()));
        assert!(shown.contains("State(…)") && shown.contains("CodeVerifier(…)"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Transaction::from_bytes(&bytes));
        }
    }
}
