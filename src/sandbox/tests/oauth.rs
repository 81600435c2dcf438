//! Authorization, tokens, userinfo.

use super::*;

#[tokio::test]
async fn a_person_signs_in_on_the_page() {
    let rig = Rig::start(Settings::default()).await;
    let page = rig.authorize(&[]).await;
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .expect("text");
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:8080;"),
        "{policy}"
    );
    let html = page.text().await.expect("a page");
    let (_, rest) = html
        .split_once(r#"name="login" value=""#)
        .expect("the field");
    let (login, _) = rest.split_once('"').expect("a value");

    let form = |body: String| {
        rig.http
            .post(rig.url("/v2/authorize/decision"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
    };
    let body = format!("login={login}&person=mei");
    let reply = form(body.clone()).await.expect("a reply");
    assert_eq!(reply.status(), 302);
    assert_eq!(query_of(&reply, "state").as_deref(), Some("s t&te"));
    assert!(query_of(&reply, "code").is_some_and(|code| code.len() <= 512));
    assert_eq!(
        form(body).await.expect("a reply").status(),
        400,
        "once only"
    );
}

#[tokio::test]
async fn tokens_come_in_the_recorded_shape_and_open_userinfo() {
    let rig = Rig::start(Settings::default()).await;
    let tokens = rig.sign_in("jonas").await;
    let access = tokens["access_token"].as_str().expect("text");
    assert_eq!((access.len(), access.split('.').count()), (512, 4));
    assert_eq!(tokens["expires_in"], 1079);
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["rest_instance_url"], rig.url("/"));
    assert!(
        tokens["scope"]
            .as_str()
            .is_some_and(|scope| scope.contains("email_read"))
    );

    let (status, info) = answer(rig.get("/v2/userinfo", &tokens)).await;
    assert_eq!((status, &info["user"]["sub"]), (200, &json!("10654322")));
    assert_eq!(info["organization"]["member_id"], 7_281_698);
    assert!(info.to_string().len() > 30_000, "permissions are huge");

    rig.clock.advance(Duration::from_mins(18));
    let (status, error) = answer(rig.get("/v2/userinfo", &tokens)).await;
    assert_eq!((status, &error["errorcode"]), (401, &json!(0)));
    let counted = rig.sandbox.control().stats();
    assert_eq!((counted.code_grants, counted.userinfo_calls), (1, 2));
}

#[tokio::test]
async fn refusals_go_back_to_the_client_as_errors() {
    let rig = Rig::start(Settings {
        require_pkce: true,
        ..Settings::default()
    })
    .await;
    let method = ("code_challenge_method", "S256");
    let pkce = [("code_challenge", CHALLENGE), method];
    for (more, error) in [
        (("login_hint", "nora"), "user_not_licensed"),
        (("login_hint", "deny"), "access_denied"),
        (("login_hint", "nobody"), "access_denied"),
        (("scope", "email_read moon_land"), "invalid_scope"),
        (("response_type", "token"), "unsupported_response_type"),
        (
            ("client_id", "sandbox-server-client"),
            "unauthorized_client",
        ),
    ] {
        let reply = rig.authorize(&[pkce[0], pkce[1], more]).await;
        assert_eq!(
            query_of(&reply, "error").as_deref(),
            Some(error),
            "{more:?}"
        );
        assert_eq!(query_of(&reply, "state").as_deref(), Some("s t&te"));
    }
    let plain = [
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "plain"),
    ];
    for more in [&plain[..], &[], &[method]] {
        let reply = rig.authorize(more).await;
        assert_eq!(
            query_of(&reply, "error").as_deref(),
            Some("invalid_request")
        );
    }
}

#[tokio::test]
async fn an_unknown_client_or_redirect_uri_sends_nobody_anywhere() {
    let rig = Rig::start(Settings::default()).await;
    for (more, status) in [
        (("client_id", "nobody"), 401),
        (("redirect_uri", "https://evil.example/"), 400),
    ] {
        let reply = rig.authorize(&[more]).await;
        assert_eq!(reply.status().as_u16(), status);
        assert!(reply.headers().get("location").is_none());
    }
}

#[tokio::test]
async fn a_code_is_bound_and_used_once() {
    let rig = Rig::start(Settings::default()).await;
    for (field, value) in [
        (
            "code_verifier",
            json!("wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong"),
        ),
        (
            "redirect_uri",
            json!("http://127.0.0.1:8080/oauth2/callback/"),
        ),
        ("code", json!("guessed")),
    ] {
        let mut grant = code_grant(&rig.code("ada").await);
        grant[field] = value;
        let (status, error) = rig.token(grant).await;
        assert_eq!(
            (status, &error["error"]),
            (400, &json!("invalid_grant")),
            "{field}"
        );
    }

    let old = rig.code("ada").await;
    rig.clock.advance(Duration::from_mins(5));
    assert_eq!(rig.token(code_grant(&old)).await.0, 400, "five minutes");

    let code = rig.code("ada").await;
    let (_, tokens) = rig.token(code_grant(&code)).await;
    assert_eq!(rig.token(code_grant(&code)).await.0, 400, "a second time");
    let (status, _) = answer(rig.get("/v2/userinfo", &tokens)).await;
    assert_eq!(status, 401, "its tokens are revoked");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_reused_one_ends_the_family() {
    let rig = Rig::start(Settings::default()).await;
    let first = rig.sign_in("ada").await;
    let (_, second) = rig.refresh(&first).await;
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_ne!(first["access_token"], second["access_token"]);

    let (status, error) = rig.refresh(&first).await;
    assert_eq!((status, &error["error"]), (400, &json!("invalid_grant")));
    assert_eq!(rig.refresh(&second).await.0, 400, "the family is revoked");
    let counted = rig.sandbox.control().stats();
    assert_eq!((counted.refreshes, counted.reuses), (1, 1));
}

#[tokio::test]
async fn within_the_grace_a_refresh_token_works_again() {
    let rig = Rig::start(Settings {
        refresh_grace: Duration::from_mins(5),
        reuse_revokes_family: false,
        ..Settings::default()
    })
    .await;
    let first = rig.sign_in("ada").await;
    let (_, second) = rig.refresh(&first).await;
    rig.clock.advance(Duration::from_secs(299));
    assert_eq!(rig.refresh(&first).await.0, 200);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.refresh(&first).await.0, 400);
    assert_eq!(rig.refresh(&second).await.0, 200, "the family lives");
}

#[tokio::test]
async fn a_web_app_may_send_a_form_and_a_staged_secret() {
    let secrets = vec!["old".to_owned(), "staged".to_owned()];
    let mut client = Client::web();
    client.kind = ClientKind::Web { secrets };
    let clients = vec![client];
    let rig = Rig::start(Settings {
        clients,
        ..Settings::default()
    })
    .await;
    let exchange = async |secret: &str| {
        let hint = [("client_id", "sandbox-web-client"), ("login_hint", "ada")];
        let code = query_of(&rig.authorize(&hint).await, "code").expect("a code");
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("client_id", "sandbox-web-client")
            .append_pair("client_secret", secret)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("code", &code)
            .finish();
        let request = rig.http.post(rig.url("/v2/token")).body(body);
        answer(request.header("content-type", "application/x-www-form-urlencoded")).await
    };
    assert_eq!(exchange("old").await.0, 200);
    assert_eq!(exchange("staged").await.0, 200);
    let (status, error) = exchange("expired").await;
    assert_eq!((status, &error["error"]), (401, &json!("invalid_client")));
    assert_eq!(error["error_uri"], "https://developer.salesforce.com/docs");
}

#[tokio::test]
async fn account_id_and_scope_narrow_a_refresh() {
    let rig = Rig::start(Settings::default()).await;
    let narrowed = async |person: &str, name: &str, value: Value| {
        let tokens = rig.sign_in(person).await;
        let mut body = json!({
            "grant_type": "refresh_token",
            "client_id": "sandbox-public-client",
            "refresh_token": tokens["refresh_token"],
        });
        body[name] = value;
        rig.token(body).await
    };
    for mid in [json!(7_281_699), json!("7281699")] {
        let (_, tokens) = narrowed("ada", "account_id", mid).await;
        let (_, info) = answer(rig.get("/v2/userinfo", &tokens)).await;
        assert_eq!(info["organization"]["member_id"], 7_281_699);
        let (_, tokens) = rig.refresh(&tokens).await;
        let (_, info) = answer(rig.get("/v2/userinfo", &tokens)).await;
        assert_eq!(info["organization"]["member_id"], 7_281_699, "it stays");
    }
    let (status, error) = narrowed("jonas", "account_id", json!(7_281_699)).await;
    assert_eq!((status, &error["error"]), (403, &json!("access_denied")));
    let (status, error) = narrowed("ada", "account_id", json!(1)).await;
    assert_eq!((status, &error["error"]), (400, &json!("invalid_request")));
    let (_, tokens) = narrowed("ada", "scope", json!("")).await;
    assert_eq!(tokens["scope"], "");
    let (status, error) = answer(rig.get("/asset/v1/content/assets", &tokens)).await;
    assert_eq!((status, &error["errorcode"]), (403, &json!(20_002)));
}

#[tokio::test]
async fn client_credentials_are_for_servers() {
    let rig = Rig::start(Settings::default()).await;
    let grant = |id: &str, secret: &str| {
        rig.token(json!({
            "grant_type": "client_credentials", "client_id": id, "client_secret": secret,
        }))
    };
    let (status, tokens) = grant("sandbox-server-client", "sandbox-server-secret-do-not-use").await;
    assert_eq!((status, &tokens["refresh_token"]), (200, &Value::Null));
    let (status, error) = grant("sandbox-web-client", "sandbox-web-secret-do-not-use").await;
    assert_eq!(
        (status, &error["error"]),
        (401, &json!("unauthorized_client"))
    );
}

#[tokio::test]
async fn silent_sign_on_and_tssd() {
    let rig = Rig::start(Settings {
        auto_sign_in: Some("mei".to_owned()),
        tssd: Some("mc&evil".to_owned()),
        ..Settings::default()
    })
    .await;
    let reply = rig.authorize(&[]).await;
    assert_eq!(reply.status(), 302);
    assert_eq!(query_of(&reply, "tssd").as_deref(), Some("mc&evil"));
}
