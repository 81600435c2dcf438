//! Whatever is given, nothing panics, and what comes out is a configuration of ours.

use super::*;

/// Values that oauth2-proxy's options might have, and some that they might not.
fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        "(https?|unix|file|static|redis)://[a-z0-9.:/@-]{0,24}",
        "\\^/[a-z/.*$()?\\\\]{0,12}",
        "[0-9]{1,4}(h|m|s|ms)?",
        "(true|false|redis|cookie|\\*|:80|\\$\\{A\\})",
        "\\PC{0,16}",
    ]
}

fn names() -> impl Strategy<Value = String> {
    let known: Vec<String> = options::all()
        .map(|(option, _)| option.name.to_owned())
        .collect();
    prop_oneof![9 => proptest::sample::select(known), 1 => "\\PC{1,12}"]
}

/// It is YAML, with keys that exist, whatever the values were.
fn is_ours(imported: &Imported) {
    let environment = Environment::default();
    let Err(problems) = Config::from_text("a.yaml", &imported.yaml, Path::new("."), &environment)
    else {
        return;
    };
    for problem in problems.as_slice() {
        let odd = matches!(
            problem.code,
            Code::Syntax | Code::UnknownKey | Code::DuplicateKey | Code::NotInThisVersion
        );
        assert!(!odd, "{problem}\n{}", imported.yaml);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_options_make_a_configuration(
        given in proptest::collection::vec((names(), proptest::collection::vec(values(), 0..3)), 0..12),
    ) {
        let given = given.into_iter().map(|(name, values)| Given::new(&name, "here".to_owned(), values));
        is_ours(&import("any", given.collect()));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for given in [cfg("a", &bytes), alpha("a", &bytes)].into_iter().flatten() {
            is_ours(&import("a", given));
        }
    }

    #[test]
    fn any_words_are_flags(words in proptest::collection::vec("(--)?[a-z=-]{0,12}|\\PC{0,8}", 0..8)) {
        is_ours(&import("a", flags(words)));
    }
}
