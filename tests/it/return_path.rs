//! Where a sign-in ends: a page of ours, whatever `rd` asks for.

use crate::support::Gate;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rd_names_a_page_of_ours() {
    let gate = Gate::start().await;
    for (rd, page) in [
        ("/", "/"),
        ("/page", "/page"),
        ("/page?x=1", "/page?x=1"),
        ("/page%3Fx=1%26y=2", "/page?x=1&y=2"),
        ("%2Fpage", "/page"),
        ("/caf%25C3%25A9", "/caf%C3%A9"),
        ("/a+b", "/a%20b"),
        (
            "/page%3Fnext=https://other.example/",
            "/page?next=https://other.example/",
        ),
        ("/oauth2/", "/oauth2/"),
    ] {
        assert_eq!(arrives_at(&gate, &format!("?rd={rd}")).await, page, "{rd}");
    }
    assert_eq!(arrives_at(&gate, "").await, "/");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rd_never_leads_to_another_site() {
    let gate = Gate::start().await;
    let long = format!("/{}", "a".repeat(3_000));
    for rd in [
        "",
        "page",
        "https://evil.example/",
        "https:evil.example",
        "http:/evil.example",
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "/%2Fevil.example",
        "%2F%2Fevil.example",
        "%252F%252Fevil.example",
        "/%252Fevil.example",
        "/%255Cevil.example",
        "/\\evil.example",
        "/%5Cevil.example",
        "\\\\evil.example",
        "%5C%5Cevil.example",
        "/%09/evil.example",
        "/%0A/evil.example",
        "/%0D%0ALocation:%20//evil.example",
        "%09//evil.example",
        "%20//evil.example",
        "%00/evil.example",
        "/%00",
        "/.//evil.example",
        "/..//evil.example",
        "/../evil",
        "/%2E%2E/evil",
        "/a/%252e%252e/evil",
        "/a//evil.example",
        "javascript:alert(1)",
        "java%0Ascript:alert(1)",
        "data:text/html,x",
        "@evil.example",
        ":80",
        ".evil.example",
        "%E3%80%82evil.example",
        "/%E2%80%AE",
        "/%FF",
        "/%",
        "/%zz",
        "/page%23//evil.example",
        "/page%3F%0Ax",
        "/oauth2/start",
        "/oauth2/start%3Frd=/x",
        "/oauth2/sign_out",
        "/oauth2/callback%3Fcode=x",
        &long,
    ] {
        assert_eq!(arrives_at(&gate, &format!("?rd={rd}")).await, "/", "{rd}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_of_several_rd_counts() {
    let gate = Gate::start().await;
    assert_eq!(
        arrives_at(&gate, "?rd=/one&rd=//evil.example").await,
        "/one"
    );
    assert_eq!(arrives_at(&gate, "?rd=//evil.example&rd=/two").await, "/");
    assert_eq!(arrives_at(&gate, "?xrd=/x&rd=/one").await, "/one");
}

/// Signs in by way of `/oauth2/start` and tells where that ends.
async fn arrives_at(gate: &Gate, query: &str) -> String {
    let answer = gate
        .browser()
        .sign_in(&format!("/oauth2/start{query}"), "ada")
        .await;
    assert_eq!(answer.status, 303, "{query}: {answer:?}");
    answer.header("location").to_owned()
}
