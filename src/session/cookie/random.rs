//! Random jars: nothing opens that was not sealed as a whole, and nothing panics.

use std::collections::BTreeSet;

use http::header;
use proptest::prelude::*;

use super::tests::NOW;
use super::tests::store;
use super::*;
use crate::http::jar::Jar;
use crate::session::model::tests::session;

/// One cookie of a jar: a name, and what is done to a value that was sealed.
#[derive(Clone, Debug)]
struct Draw {
    name: String,
    piece: usize,
    spoil: Spoil,
}

#[derive(Clone, Debug)]
enum Spoil {
    Nothing,
    Cut(usize),
    Flip(usize),
    Quote,
    Replace(String),
}

fn draw() -> impl Strategy<Value = Draw> {
    let name = prop_oneof![
        4 => Just("__Host-Http-sidegate".to_owned()),
        4 => Just("__Host-Http-sidegate.1".to_owned()),
        4 => Just("__Host-Http-sidegate.2".to_owned()),
        1 => (0_u32..12).prop_map(|number| format!("__Host-Http-sidegate.{number}")),
        1 => Just("__host-http-SIDEGATE".to_owned()),
        1 => "__Host-Http-sidegate(-login-[a-z]{0,12}|\\.[0-9.x]{0,6})?",
        1 => "[a-z]{1,8}",
    ];
    let spoil = prop_oneof![
        6 => Just(Spoil::Nothing),
        1 => (0_usize..6_000).prop_map(Spoil::Cut),
        1 => (0_usize..6_000).prop_map(Spoil::Flip),
        1 => Just(Spoil::Quote),
        1 => "[A-Za-z0-9_=-]{0,80}".prop_map(Spoil::Replace),
    ];
    (name, 0_usize..6, spoil).prop_map(|(name, piece, spoil)| Draw { name, piece, spoil })
}

/// What was sealed: short and long sessions, in the pieces that browsers keep.
fn pieces(store: &CookieStore) -> (Vec<String>, BTreeSet<String>) {
    let (mut pieces, mut wholes) = (Vec::new(), BTreeSet::new());
    for (length, letter) in [(40, "a"), (40, "b"), (2_040, "c"), (2_040, "d")] {
        let sealed = store
            .seal(&session(&letter.repeat(length), NOW), NOW)
            .expect("fits");
        let values: Vec<String> = sealed
            .lines(store, &Jar::new(&HeaderMap::new(), "/"))
            .iter()
            .map(|line| {
                let text = line.to_str().expect("text");
                let (pair, _) = text.split_once(';').expect("attributes");
                pair.split_once('=').expect("a pair").1.to_owned()
            })
            .collect();
        wholes.insert(values.concat());
        pieces.extend(values);
    }
    (pieces, wholes)
}

fn value(draw: &Draw, pieces: &[String]) -> String {
    let mut value = pieces[draw.piece % pieces.len()].clone();
    match &draw.spoil {
        Spoil::Nothing => {}
        Spoil::Cut(at) => value.truncate(*at),
        Spoil::Flip(at) => {
            let mut bytes = value.into_bytes();
            let at = at % bytes.len();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            value = String::from_utf8(bytes).expect("ASCII");
        }
        Spoil::Quote => value = format!("\"{value}\""),
        Spoil::Replace(text) => value.clone_from(text),
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_jar_opens_what_was_not_sealed_as_a_whole(
        draws in proptest::collection::vec(draw(), 0..10),
        split in 1_usize..4,
        path in "(/[a-z;.é ]{0,4}){0,5}",
    ) {
        let store = store();
        let (pieces, wholes) = pieces(&store);
        prop_assert_eq!(pieces.len(), 6);
        let pairs: Vec<String> = draws
            .iter()
            .map(|draw| format!("{}={}", draw.name, value(draw, &pieces)))
            .collect();
        let headers: HeaderMap = pairs
            .chunks(split)
            .map(|some| (header::COOKIE, HeaderValue::try_from(some.join("; ")).expect("a field")))
            .collect();
        let texts: Vec<Vec<u8>> = match Presented::of(&headers, &store.names) {
            Presented::Nothing | Presented::Broken => Vec::new(),
            Presented::Sealed(text) => vec![text.into_owned()],
            Presented::Several(texts) => {
                prop_assert!((2..=MAX_TWINS).contains(&texts.len()));
                texts.into_iter().map(<[u8]>::to_vec).collect()
            }
        };
        for text in texts {
            let is_whole = std::str::from_utf8(&text).is_ok_and(|text| wholes.contains(text));
            prop_assert_eq!(store.open(&text, NOW).is_some(), is_whole);
        }
        let jar = Jar::new(&headers, &path);
        for line in store.clear(&jar) {
            let text = line.to_str().expect("text");
            prop_assert!(text.contains("Max-Age=0") && text.contains("Path=/;"), "{}", text);
            prop_assert!(text.starts_with("__Host-Http-sidegate"), "{}", text);
        }
    }
}
