//! Who a tool is told of, where names are not plain.

use sidegate::sandbox::Person;
use sidegate::sandbox::Settings;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;

async fn told(change: impl Fn(&mut Person)) -> (Vec<u8>, String, serde_json::Value) {
    let puppet = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let mut settings = Settings::default();
    change(&mut settings.people[0]);
    let gate = Gate::with(Plan {
        sandbox: settings,
        routes: format!(
            "\n  - {{ path: /example/, to: \"{0}\", require: {{ email_domain: [example.com] }} }}\n  - {{ path: /, to: \"{0}\" }}\n",
            puppet.origin()
        ),
        ..Plan::default()
    })
    .await;
    let mut ada = gate.signed_in("ada").await;
    assert_eq!(ada.fetch("/x").await.status, 200);
    let ruled = ada.fetch("/example/x").await;
    let ruled = if ruled.status == 200 {
        String::new()
    } else {
        ruled.code()
    };
    let head = puppet.seen()[0].head.clone().into_bytes();
    (head, ruled, ada.fetch("/oauth2/userinfo").await.json())
}

fn field(head: &[u8], name: &str) -> Vec<String> {
    let head = String::from_utf8_lossy(head);
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
        .collect()
}

const USER: &str = "x-forwarded-user";
const NAME: &str = "x-forwarded-preferred-username";
const MAIL: &str = "x-forwarded-email";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_of_any_script_arrive_as_utf8() {
    let (head, ruled, json) = told(|ada| {
        ada.username = "åda@köln 東京".to_owned();
        ada.email = "åda@example.com".to_owned();
    })
    .await;
    assert_eq!(field(&head, NAME), ["åda@köln 東京"]);
    assert_eq!(field(&head, MAIL), ["åda@example.com"]);
    assert_eq!(json["user"]["preferred_username"], "åda@köln 東京");
    assert_eq!(ruled, "");
}

/// What would be two fields, or arrive as another one, is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_cannot_bring_fields_along() {
    for evil in [
        "ada\r\nX-Forwarded-User: 1",
        "ada\nX-Forwarded-User: 1",
        "ada\u{85}X-Forwarded-User: 1",
        "ada\0",
        "ada\u{7f}",
        " ada",
        "ada ",
        "\u{a0}ada",
        "ada\u{3000}",
        "",
    ] {
        let (head, ruled, json) = told(|ada| {
            ada.username = evil.to_owned();
            ada.email = format!("{evil}@example.com{evil}").repeat(usize::from(!evil.is_empty()));
        })
        .await;
        assert_eq!(field(&head, USER), ["10654321"], "{evil:?}");
        assert!(field(&head, NAME).is_empty(), "{evil:?}");
        assert!(field(&head, MAIL).is_empty(), "{evil:?}");
        assert!(json["user"]["email"].is_null(), "{evil:?}");
        assert_eq!(
            ruled, "SG-2035",
            "an address that is not known admits nobody"
        );
    }
}
