//! The REST and SOAP hosts.

use super::*;
use crate::sandbox::body::hex;
use sha2::Digest;
use sha2::Sha256;

#[tokio::test]
async fn assets_come_in_pages_and_belong_to_a_business_unit() {
    let rig = Rig::start(Settings::default()).await;
    let (ada, mei) = (rig.sign_in("ada").await, rig.sign_in("mei").await);
    let path = "/asset/v1/content/assets?$page=2&$pageSize=25&$filter=x&$orderBy=name%20asc";
    let (_, page) = answer(rig.get(path, &ada)).await;
    assert_eq!((&page["count"], &page["page"]), (&json!(60), &json!(2)));
    assert_eq!(page["items"].as_array().map(Vec::len), Some(25));
    assert!(
        page["links"]["next"]
            .as_str()
            .is_some_and(|next| next.contains("$page=3"))
    );
    let (_, other) = answer(rig.get(path, &mei)).await;
    assert_ne!(page["items"][0]["name"], other["items"][0]["name"]);
    let (_, last) = answer(rig.get("/asset/v1/content/assets?%24page=3&$pageSize=25", &ada)).await;
    assert_eq!(last["items"].as_array().map(Vec::len), Some(10));
    let (status, _) = answer(rig.get("/asset/v1/content/assets?$page=0", &ada)).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn an_asset_is_created_changed_and_deleted() {
    let rig = Rig::start(Settings::default()).await;
    let ada = rig.sign_in("ada").await;
    let list = "/asset/v1/content/assets";
    let create = || {
        let body = json!({"name": "New", "views": {"subjectline": {"content": "Hi"}}});
        answer(rig.request(reqwest::Method::POST, list, &ada).json(&body))
    };
    let (status, asset) = create().await;
    assert_eq!((status, &asset["status"]["name"]), (201, &json!("Draft")));
    assert_eq!(create().await.0, 400, "names are unique");
    for (body, expected) in [
        (json!({"name": "Bare"}), 201),
        (json!({}), 400),
        (json!([1]), 400),
    ] {
        let request = rig.request(reqwest::Method::POST, list, &ada).json(&body);
        assert_eq!(answer(request).await.0, expected, "{body}");
    }
    let (_, page) = answer(rig.get(list, &ada)).await;
    assert_eq!(page["items"][1]["id"], asset["id"], "the newest come first");

    let one = format!("{list}/{}", asset["id"]);
    let patch = rig
        .request(reqwest::Method::PATCH, &one, &ada)
        .json(&json!({"name": "Newer"}));
    let (_, changed) = answer(patch).await;
    assert_eq!(
        (&changed["name"], &changed["id"]),
        (&json!("Newer"), &asset["id"])
    );
    let (status, _) = answer(rig.request(reqwest::Method::DELETE, &one, &ada)).await;
    assert_eq!(status, 200);
    let (status, error) = answer(rig.get(&one, &ada)).await;
    assert_eq!((status, &error["errorcode"]), (404, &json!(30_003)));
}

#[tokio::test]
async fn keys_match_as_they_are_sent() {
    let rig = Rig::start(Settings::default()).await;
    let ada = rig.sign_in("ada").await;
    for (key, expected) in [
        ("Customers", 200),
        ("Orders%2F2026", 200),
        ("Orders%2f2026", 404),
        ("Orders/2026", 404),
        ("VIP;EU", 200),
        ("VIP%3BEU", 404),
        ("50%25%20Off", 200),
    ] {
        let path = format!("/data/v1/customobjectdata/key/{key}/rowset?$pageSize=5");
        let (status, rows) = answer(rig.get(&path, &ada)).await;
        assert_eq!(status, expected, "{key}");
        if status == 200 {
            assert_eq!(
                (&rows["count"], &rows["customObjectKey"]),
                (&json!(48), &json!(key))
            );
        }
    }
}

#[tokio::test]
async fn rows_are_added_and_replaced() {
    let rig = Rig::start(Settings::default()).await;
    let ada = rig.sign_in("ada").await;
    let path = "/hub/v1/dataevents/key:VIP;EU/rowset";
    let row = |key: &str| json!({"keys": {"customerid": key}, "values": {"firstname": "Zoë"}});
    let body = json!([row("EU-1001"), row("EU-9999")]);
    let request = rig.request(reqwest::Method::POST, path, &ada).json(&body);
    assert_eq!(answer(request).await, (200, body));
    let path = "/data/v1/customobjectdata/key/VIP;EU/rowset";
    let (_, rows) = answer(rig.get(path, &ada)).await;
    assert_eq!(rows["count"], 49);
    assert_eq!(rows["items"][0]["values"]["firstname"], "Zoë");
}

#[tokio::test]
async fn only_a_bearer_token_in_the_header_opens_rest() {
    let rig = Rig::start(Settings::default()).await;
    let ada = rig.sign_in("ada").await;
    let token = ada["access_token"].as_str().expect("text");
    let url = rig.url("/platform/v1/tokenContext");
    let (status, context) = answer(rig.get("/platform/v1/tokenContext", &ada)).await;
    assert_eq!(
        (status, &context["organization"]["id"]),
        (202, &json!(7_281_698))
    );
    for (request, code) in [
        (rig.http.get(&url), 0),
        (rig.http.get(&url).bearer_auth("unknown"), 0),
        (
            rig.http
                .get(&url)
                .header("authorization", format!("SFMC {token}")),
            0,
        ),
        (rig.http.get(format!("{url}?access_token={token}")), 40_004),
    ] {
        let (status, error) = answer(request).await;
        assert_eq!((status, &error["errorcode"]), (401, &json!(code)));
    }
    let (status, _) = answer(rig.get("//platform/v1/tokenContext", &ada)).await;
    assert_eq!(status, 404, "a careless join shows");
    rig.sandbox.control().revoke_all();
    let (status, _) = answer(rig.get("/platform/v1/tokenContext", &ada)).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn echo_and_the_record_hold_what_arrived() {
    let rig = Rig::start(Settings::default()).await;
    let ada = rig.sign_in("ada").await;
    let body = vec![7_u8; 3 * 1024 * 1024];
    let digest = hex(&Sha256::digest(&body));
    let request = rig.request(reqwest::Method::PUT, "/echo/a%2Fb;c?x=%25", &ada);
    let (_, echo) = answer(request.header("x-probe", "1").body(body)).await;
    assert_eq!(
        (&echo["method"], &echo["target"]),
        (&json!("PUT"), &json!("/echo/a%2Fb;c?x=%25"))
    );
    assert_eq!(echo["body_sha256"], digest);

    let record = rig
        .sandbox
        .control()
        .last_request("/echo/")
        .expect("a record");
    assert_eq!(record.header("x-probe"), Some("1"));
    assert_eq!(
        (record.body_bytes, record.body_sha256),
        (3 * 1024 * 1024, digest)
    );
}

#[tokio::test]
async fn replies_of_any_size_and_status() {
    let rig = Rig::start(Settings::default()).await;
    let ada = rig.sign_in("ada").await;
    let reply = rig
        .get("/bytes/100001", &ada)
        .send()
        .await
        .expect("a reply");
    assert_eq!(reply.content_length(), Some(100_001));
    assert_eq!(
        reply.bytes().await.map(|bytes| bytes.len()).ok(),
        Some(100_001)
    );
    for status in [204, 304, 429, 500, 596] {
        let (got, _) = answer(rig.get(&format!("/status/{status}"), &ada)).await;
        assert_eq!(got, status);
    }
    let (status, _) = answer(rig.get("/status/101", &ada)).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn soap_wants_the_token_in_the_envelope() {
    let rig = Rig::start(Settings::default()).await;
    let ada = rig.sign_in("ada").await;
    let token = ada["access_token"].as_str().expect("text");
    let call = async |token: &str| {
        let envelope = format!(
            r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><fueloauth xmlns="http://exacttarget.com">{token}</fueloauth></s:Header><s:Body><RetrieveRequestMsg xmlns="http://exacttarget.com/wsdl/partnerAPI"><RetrieveRequest><ObjectType>BusinessUnit</ObjectType></RetrieveRequest></RetrieveRequestMsg></s:Body></s:Envelope>"#
        );
        let request = rig
            .http
            .post(rig.url("/Service.asmx"))
            .header("content-type", "text/xml")
            .body(envelope);
        let reply = request.send().await.expect("a reply");
        (reply.status().as_u16(), reply.text().await.expect("text"))
    };
    let (status, text) = call(token).await;
    assert!(status == 200 && text.contains("<ID>7281698</ID>"), "{text}");
    let (status, text) = call("guessed").await;
    assert!(status == 500 && text.contains("Login Failed"), "{text}");
    rig.clock.advance(Duration::from_secs(2000));
    let (status, text) = call(token).await;
    assert!(status == 500 && text.contains("Token Expired"), "{text}");
}
