//! What replicas make of a store that fails, lies, or is slow.

use std::sync::Arc;
use std::time::Duration;

use sidegate::app::App;
use sidegate::time::Clock as _;
use sidegate::time::ManualClock;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Redis;

const API: &str = "/mc/rest/platform/v1/tokenContext";

/// Cookies are the state; refreshes are coordinated at `redis`.
fn coordinated(redis: &Redis) -> Plan {
    Plan {
        session: format!(
            "  refresh_coordination: {{ redis: {{ url: {} }} }}\n",
            redis.url()
        ),
        ..Plan::default()
    }
}

async fn connected(app: &App) {
    let mut state = app.store_state().expect("the plan has a store");
    let change = state.wait_for(|up| *up);
    tokio::time::timeout(Duration::from_secs(20), change)
        .await
        .expect("in time")
        .expect("the app runs");
}

/// The bearer token that a tool gets.
async fn token(browser: &mut Browser) -> String {
    let echo = browser.fetch("/bearer/echo/x").await.text();
    let at = echo.find("Bearer ").expect("a token") + "Bearer ".len();
    echo[at..].chars().take_while(|c| *c != '"').collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_cookie_is_not_written_anew_after_a_refresh_elsewhere() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = Gate::with(coordinated(&redis)).await;
    connected(gate.app()).await;
    let slow = Arc::new(ManualClock::at(gate.clock.now()));
    let twin = gate.twin(&slow);
    let mut browser = gate.signed_in("ada").await;
    let mut late = browser.through(twin.address);
    assert_eq!(late.fetch("/echo").await.status, 200);
    gate.advance(1_200);
    assert_eq!(browser.fetch(API).await.status, 202);
    let new = token(&mut browser).await;
    // For the twin the old token is fresh, but its cookie is due to be written anew.
    slow.advance(Duration::from_secs(600));
    let followed = async {
        loop {
            let mut late = late.clone();
            assert_eq!(late.fetch("/echo").await.status, 200);
            if token(&mut late).await == new {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), followed)
        .await
        .expect("the touch brings the new session");
}
