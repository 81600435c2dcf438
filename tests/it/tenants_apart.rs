//! What else one tenant has and no other: the secret of its server's calls, and the frames of its site.

use bytes::Bytes;
use http::Method;
use serde_json::json;

use crate::embedded::attribute;
use crate::embedded::framed;
use crate::support::House;
use crate::support::browser::exchange;
use crate::support::browser::request;
use crate::support::house::NAMES;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_signed_for_one_tenant() {
    let secret = |tenant: usize| format!("signing-secret-of-tenant-{tenant}");
    let house = House::with("", |tenant| {
        format!("      jwt_signing_secret: {}\n", secret(tenant))
    })
    .await;
    let signed_calls = house
        .text
        .replace("access: public", "access: journey_builder");
    house.take_over(&signed_calls);
    for from in 0..NAMES.len() {
        let key = jsonwebtoken::EncodingKey::from_secret(secret(from).as_bytes());
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        let signed = jsonwebtoken::encode(&header, &json!({ "a": 1 }), &key).expect("signs");
        for to in 0..NAMES.len() {
            for host in [house.host(to), house.other_host(to)] {
                let fields = [("content-type", "application/jwt")];
                let body = Bytes::from(signed.clone());
                let call = request(host, Method::POST, "/open/echo/x", &fields, body);
                let answer = exchange(house.door(), call).await;
                let expected = if from == to { 200 } else { 401 };
                assert_eq!(answer.status, expected, "{from} {to}: {answer:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_handed_over_to_a_frame_of_its_own_site() {
    let house = House::with("  embedded: true\n", |_| String::new()).await;
    let here = house.host(0);
    let mut frame = house.browser(here);
    let page = framed(&mut frame, "/").await.text();
    let url = attribute(&page, "id=\"window\" href");
    let path = url.strip_prefix(&format!("http://{here}")).expect("ours");
    let mut window = house.browser(here);
    let start = window.navigate(path).await;
    let back = window.consent(start.header("location"), "ada").await;
    let page = window.navigate(&back).await.text();
    let sealed = attribute(&page, "data-session");
    for host in [house.host(1), house.host(2), house.other_host(0)] {
        let mut stranger = house.carrying(host, &frame);
        let refused = stranger.post("/oauth2/handover", sealed.clone()).await;
        let told = (refused.status, refused.code());
        assert_eq!(told, (400, "SG-2052".to_owned()), "{host}");
    }
    let taken = frame.post("/oauth2/handover", sealed).await;
    assert_eq!(taken.status, 204, "{taken:?}");
    assert_eq!(frame.fetch("/oauth2/userinfo").await.status, 200);
}
