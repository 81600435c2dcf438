//! A token goes to hosts inside the fence and to no other, whatever a reply says.

use std::sync::Arc;
use std::sync::Mutex;

use sidegate::sandbox::InstanceUrlStyle;
use sidegate::sandbox::Settings;

use crate::support::Gate;
use crate::support::Plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_url_outside_the_fence_refuses_the_sign_in() {
    let told = Told::default();
    let gate = told.gate(REAL_AND_LOOPBACK).await;
    for url in [
        "https://evil.example/",
        "https://evil.example",
        "evil.example",
        "https://rest.marketingcloudapis.com/",
        "https://.rest.marketingcloudapis.com/",
        "https://a.b.rest.marketingcloudapis.com/",
        "https://arest.marketingcloudapis.com/",
        "https://a.rest.marketingcloudapis.com.evil.example/",
        "https://a.rest.marketingcloudapis.com@evil.example/",
        "https://evil.example@a.rest.marketingcloudapis.com/",
        "https://u:p@a.rest.marketingcloudapis.com/",
        "https://evil.example#a.rest.marketingcloudapis.com/",
        "https://evil.example?a.rest.marketingcloudapis.com/",
        "https://evil.example/a.rest.marketingcloudapis.com/",
        "https://evil.example\\a.rest.marketingcloudapis.com/",
        "https://evil.example%2Fa.rest.marketingcloudapis.com/",
        "https://evil.example%00.a.rest.marketingcloudapis.com/",
        "https://a_b.rest.marketingcloudapis.com/",
        "https://a%2eb.rest.marketingcloudapis.com/",
        "https://ä.rest.marketingcloudapis.com/",
        "https://a.rest.marketingcloudapis.com./",
        "https://a.rest.marketingcloudapis.com:8443/",
        "https://a.rest.marketingcloudapis.com:80/",
        "https://a.rest.marketingcloudapis.com:0443x/",
        "https://a.rest.marketingcloudapis.com/path",
        "https://a.rest.marketingcloudapis.com//",
        "https://a.rest.marketingcloudapis.com/?x",
        "https:// a.rest.marketingcloudapis.com/",
        "https://a.rest.marketingcloudapis.com\r\nX: y",
        "http://a.rest.marketingcloudapis.com/",
        "HTTP://a.rest.marketingcloudapis.com/",
        "ftp://a.rest.marketingcloudapis.com/",
        "//a.rest.marketingcloudapis.com/",
        "javascript://a.rest.marketingcloudapis.com/",
        "a.rest.marketingcloudapis.com:443:443",
        "https://10.0.0.1/",
        "https://169.254.169.254/",
        "http://169.254.169.254/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00::1]/",
        "10.0.0.1",
        "https://localhost/",
        "https:///",
        "https://",
        "/",
        "",
    ] {
        for member in ["rest_instance_url", "soap_instance_url"] {
            told.say(&[(member, url)]);
            let mut browser = gate.browser();
            let page = browser.sign_in("/", "ada").await;
            let case = format!("{member} {url:?}");
            assert_eq!(
                (page.status, page.code().as_str()),
                (502, "SG-2013"),
                "{case}"
            );
            assert!(browser.jar.is_empty(), "{case}: no session");
            assert!(!page.text().contains("evil.example"), "{case}: no mirror");
        }
    }
    assert_eq!(
        gate.control().stats().userinfo_calls,
        0,
        "the token was not used at all"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_spelling_of_a_tenant_url_comes_to_the_same() {
    let told = Told::default();
    let gate = told.gate(REAL_AND_LOOPBACK).await;
    for url in [
        "https://mc-x.rest.marketingcloudapis.com/",
        "https://mc-x.rest.marketingcloudapis.com",
        "mc-x.rest.marketingcloudapis.com",
        "mc-x.rest.marketingcloudapis.com/",
        "https://MC-X.Rest.MarketingCloudAPIs.com/",
        "https://mc-x.rest.marketingcloudapis.com:443/",
        "mc-x.rest.marketingcloudapis.com:443",
    ] {
        told.say(&[("rest_instance_url", url)]);
        let answer = gate.signed_in("ada").await.fetch("/oauth2/auth").await;
        let shown = answer.header("x-marketing-cloud-rest-url");
        assert_eq!(shown, "https://mc-x.rest.marketingcloudapis.com", "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_styles_lead_to_the_tenant() {
    for style in [
        InstanceUrlStyle::WithSchemeAndSlash,
        InstanceUrlStyle::SchemeNoSlash,
    ] {
        let sandbox = Settings {
            instance_url_style: style,
            ..Settings::default()
        };
        let gate = Gate::with(Plan {
            sandbox,
            ..Plan::default()
        })
        .await;
        let mut browser = gate.signed_in("ada").await;
        let answer = browser.fetch("/mc/rest/platform/v1/tokenContext").await;
        assert_eq!(answer.status, 202, "{style:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_host_means_https() {
    let sandbox = Settings {
        instance_url_style: InstanceUrlStyle::BareHost,
        ..Settings::default()
    };
    let instance_hosts = Some("\"127.0.0.1:*\"".to_owned());
    let gate = Gate::with(Plan {
        sandbox,
        instance_hosts,
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    let shown = browser.fetch("/oauth2/auth").await;
    let tenant = gate.sandbox.origin().authority();
    assert_eq!(
        shown.header("x-marketing-cloud-rest-url"),
        format!("https://{tenant}")
    );
    // The sandbox speaks no TLS, and the token is not sent in the clear instead.
    let answer = browser.fetch("/mc/rest/platform/v1/tokenContext").await;
    assert_eq!(answer.status, 502);
    assert_eq!(gate.control().stats().rest_calls, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn userinfo_may_not_lead_outside_either() {
    let told = Told::default();
    // Without loopback, where the sandbox's userinfo points to.
    let gate = told.gate("\"*.rest.marketingcloudapis.com\"").await;
    let inside = "https://a.rest.marketingcloudapis.com/";
    told.say(&[("rest_instance_url", inside), ("soap_instance_url", inside)]);
    let page = gate.browser().sign_in("/", "ada").await;
    assert_eq!((page.status, page.code().as_str()), (502, "SG-2013"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_cannot_move_a_session_outside() {
    let told = Told::default();
    let gate = told.gate(REAL_AND_LOOPBACK).await;
    let mut browser = gate.signed_in("ada").await;
    told.say(&[("rest_instance_url", "https://evil.example/")]);
    gate.advance(1_000);
    let answer = browser.fetch("/oauth2/auth").await;
    assert_eq!(answer.status, 202);
    let tenant = gate.sandbox.origin().to_string();
    assert_eq!(answer.header("x-marketing-cloud-rest-url"), tenant);
    // For the provider this was a renewal, and the token is used up: the session ends where it was.
    gate.advance(200);
    let refused = browser.fetch("/mc/rest/platform/v1/tokenContext").await;
    assert_eq!(refused.code(), "SG-2001");
    assert!(browser.jar.is_empty());
}

/// What the token endpoint says beside the truth.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<(&'static str, String)>>>);

impl Told {
    /// From now on these members are so, and all others true.
    pub fn say(&self, members: &[(&'static str, &str)]) {
        let members = members
            .iter()
            .map(|(member, url)| (*member, (*url).to_owned()));
        *self.0.lock().expect("whole") = members.collect();
    }

    pub async fn gate(&self, instance_hosts: &str) -> Gate {
        self.gate_with(instance_hosts, Plan::default()).await
    }

    pub async fn gate_with(&self, instance_hosts: &str, plan: Plan) -> Gate {
        let told = self.clone();
        Gate::with(Plan {
            instance_hosts: Some(instance_hosts.to_owned()),
            edit: Some(Arc::new(move |reply| {
                for (member, url) in told.0.lock().expect("whole").iter() {
                    reply[*member] = url.as_str().into();
                }
            })),
            ..plan
        })
        .await
    }
}

const REAL_AND_LOOPBACK: &str =
    "\"127.0.0.1:*\", \"*.rest.marketingcloudapis.com\", \"*.soap.marketingcloudapis.com\"";
