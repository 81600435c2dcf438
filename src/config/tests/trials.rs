//! The list `tests`: what holds loads, what fails is told with its place.

use super::LEAST;
use super::findings;
use super::load_text;

/// One test, and what is found of it: nothing if it holds.
const TRIALS: &[(&str, &str)] = &[
    (
        "{ request: GET /x, expect: { decision: refuse, code: SG-2001, route: / } }",
        "",
    ),
    (
        "{ request: GET /x, headers: { Accept: text/html }, expect: { decision: sign_in } }",
        "",
    ),
    (
        "{ request: GET /x, signed_in: true, expect: { decision: forward, to: 'http://127.0.0.1:3000' } }",
        "",
    ),
    (
        "{ request: GET /x?y, signed_in: true, expect: { to: 'http://127.0.0.1:3000/x?y' } }",
        "",
    ),
    ("{ request: GET /a/../x, expect: { code: SG-1002 } }", ""),
    (
        "{ request: GET https://other.example/x, expect: { code: SG-1003 } }",
        "",
    ),
    (
        "{ request: GET /oauth2/userinfo, expect: { decision: own, route: /oauth2/ } }",
        "",
    ),
    (
        "{ request: GET /x, expect: { decision: forward } }",
        "SG-6141 tests[0].expect.decision: comes to refuse (SG-2001: Please sign in)",
    ),
    (
        "{ request: GET /x, signed_in: true, expect: { code: SG-1002 } }",
        "SG-6141 tests[0].expect.code: comes to forward",
    ),
    (
        "{ request: GET /x, signed_in: true, expect: { route: /mc/ } }",
        "SG-6141 tests[0].expect.route: another route takes",
    ),
    (
        "{ request: GET /../x, expect: { route: / } }",
        "SG-6141 tests[0].expect.route: no route takes",
    ),
    (
        "{ request: GET /x, signed_in: true, expect: { to: 'http://127.0.0.1:3001' } }",
        "SG-6141 tests[0].expect.to: the request goes elsewhere",
    ),
    (
        "{ request: GET /x, expect: { to: 'http://127.0.0.1:3000' } }",
        "SG-6141 tests[0].expect.to: the request goes nowhere",
    ),
    (
        "{ request: GET, expect: { decision: forward } }",
        "SG-6004 tests[0].request: must be a method",
    ),
    (
        "{ request: GET x, expect: { decision: forward } }",
        "SG-6004 tests[0].request: must be a URL",
    ),
    (
        "{ request: 'G@T /x', expect: { decision: forward } }",
        "SG-6004 tests[0].request: the method",
    ),
    (
        "{ request: GET /x, headers: { 'a b': c }, expect: { decision: forward } }",
        "SG-6004 tests[0].headers: must be a field",
    ),
    (
        "{ request: GET /x, headers: { a: [b] }, expect: { decision: forward } }",
        "SG-6004 tests[0].headers.a: must be a single value",
    ),
    (
        "{ request: GET /x, headers: { a: b, a: c }, expect: { decision: forward } }",
        "SG-6007 tests[0].headers.a",
    ),
    (
        "{ request: GET /x, headers: x, expect: { decision: forward } }",
        "SG-6004 tests[0].headers: must be a mapping of names",
    ),
    (
        "{ request: GET /x, signed_in: yes, expect: { decision: forward } }",
        "SG-6004 tests[0].signed_in",
    ),
    (
        "{ request: GET /x, expect: { decision: allow } }",
        "SG-6004 tests[0].expect.decision: must be one of: forward, sign_in, own, refuse",
    ),
    (
        "{ request: GET /x, expect: { code: SG-0000 } }",
        "SG-6004 tests[0].expect.code: is no code",
    ),
    ("{ request: GET /x, expect: {} }", "SG-6003 tests[0].expect"),
    ("{ request: GET /x }", "SG-6003 tests[0].expect"),
    (
        "{ expect: { decision: forward } }",
        "SG-6003 tests[0].request",
    ),
    (
        "{ request: GET /x, expect: { path: / } }",
        "SG-6002 tests[0].expect.path",
    ),
    ("GET /x", "SG-6004 tests[0]: must be a mapping"),
];

#[test]
fn each_test_holds_or_is_told() {
    for (trial, found) in TRIALS {
        let actual = findings(&format!("{LEAST}tests: [{trial}]\n"));
        let expected = usize::from(!found.is_empty());
        let same = actual.len() == expected && actual.iter().all(|line| line.starts_with(found));
        assert!(same, "{trial}\nexpected {found}\nfound {actual:#?}");
    }
}

#[test]
fn a_failure_stands_where_the_expectation_does_and_hides_values() {
    let text = format!(
        "{LEAST}tests:\n  - request: GET /x\n    headers: {{ Authorization: hunter2 }}\n    expect:\n      to: http://hunter2\n"
    );
    let problems = load_text(&text)
        .expect_err("nobody is signed in")
        .to_string();
    assert!(
        problems.starts_with("t.yaml:15:11: error[SG-6141]: tests[0].expect.to: "),
        "{problems}"
    );
    assert!(!problems.contains("hunter2"), "{problems}");
}

/// What is wrong elsewhere would only make tests fail that are right.
#[test]
fn tests_are_not_run_on_what_cannot_be_used() {
    let text =
        format!("workers: 0\n{LEAST}tests: [{{ request: GET /x, expect: {{ decision: own }} }}]\n");
    assert_eq!(
        findings(&text),
        ["SG-6004 workers: must be a whole number from 1 to 1024"]
    );
}
