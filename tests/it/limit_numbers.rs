//! Every limit, asked through an endpoint, on both stores: the configured number passes and the next does not, whichever of
//! two replicas that share a store is asked.

use crate::support::client::TestClient;
use crate::support::http::{Answer, Http};
use crate::support::limit_store::{OwnRedis, PATIENCE_MS};
use crate::support::people::PASSWORD;
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};
use crate::tenants::bare_tenant;
use serde_json::json;

const NUMBER: u32 = 4;
const N: &str = "4";

/// Servers that count together, and who asks them.
struct Ground {
    replicas: Vec<TestApp>,
    client: TestClient,
    token: String,
    _redis: Option<OwnRedis>,
}

impl Ground {
    async fn new(settings: &[(&str, &str)], redis: Option<OwnRedis>) -> Self {
        let url = redis.as_ref().map(OwnRedis::url);
        let mut all: Vec<(&str, &str)> = Vec::new();
        if let Some(url) = &url {
            all.extend([("redis_url", url.as_str()), ("redis.timeout_ms", PATIENCE_MS)]);
        }
        // What is not asked about is wide; no answer waits.
        all.extend([
            ("limits.standard.rate", "1000000"),
            ("limits.expensive.rate", "1000000"),
            ("limits.sensitive.rate", "1000000"),
            ("limits.public.rate", "1000000"),
            ("limits.per_user.rate", "1000000"),
            ("limits.global.rate", "1000000"),
            ("limits.authentication.rate", "1000000"),
        ]);
        all.retain(|(name, _)| !settings.iter().any(|(own, _)| own == name));
        let one = TestApp::spawn_with(Engine::Sqlite, &[&all[..], settings].concat()).await;
        let client = one.client("orders:read", |_| {}).await;
        let token = one.admin_token("clients:write keys:write").await;
        let mut replicas = vec![one];
        if redis.is_some() {
            replicas.push(replicas[0].replica().await);
        }
        Self {
            replicas,
            client,
            token,
            _redis: redis,
        }
    }

    /// The clock stands still: whatever is taken stays taken.
    async fn shows(&self, tier: &str, already: u32, ask: impl AsyncFn(&Http) -> Answer) {
        for n in already..NUMBER {
            let answer = ask(&self.replicas[n as usize % self.replicas.len()].http).await;
            assert!(
                answer.status.as_u16() < 429,
                "{tier} {n}: {} {}",
                answer.status,
                answer.text()
            );
            let policy = answer.header("ratelimit-policy");
            assert!(
                policy.starts_with(&format!("\"{tier}\";q={N};")),
                "{tier} {n}: {policy}"
            );
            assert_eq!(
                answer.header("x-ratelimit-remaining"),
                (NUMBER - n - 1).to_string(),
                "{tier}"
            );
        }
        for replica in &self.replicas {
            let refused = ask(&replica.http).await.expect(429);
            assert_eq!(refused.header("x-ratelimit-remaining"), "0", "{tier}");
            let wait: u32 = refused.header("retry-after").parse().expect("seconds");
            assert!(wait > 0, "{tier}");
        }
    }

    async fn token_request(&self, http: &Http) -> Answer {
        let form = [("grant_type", "client_credentials"), ("scope", "orders:read")];
        http.post("/oauth2/token")
            .basic(&self.client.id, &self.client.secret)
            .form(&form)
            .send()
            .await
    }
}

/// Runs a check for a limit on each store: the settings, the tier that is to be shown, how much of it was used before the
/// check, and how to ask.
macro_rules! limits {
    ($($name:ident: [$($setting:expr),+], $tier:literal, $already:literal, |$ground:ident, $http:ident| $ask:expr;)+) => {$(
        mod $name {
            use super::*;

            async fn check(redis: Option<OwnRedis>) {
                let $ground = Ground::new(&[$($setting),+], redis).await;
                $ground.shows($tier, $already, async |$http: &Http| $ask).await;
            }

            #[tokio::test]
            async fn memory() {
                check(None).await;
            }

            #[tokio::test]
            async fn redis() {
                if let Some(redis) = OwnRedis::start() {
                    check(Some(redis)).await;
                }
            }
        }
    )+};
}

limits! {
    standard_by_client: [("limits.standard.rate", N)], "standard", 0, |ground, http| ground.token_request(http).await;
    standard_by_address: [("limits.standard.rate", N)], "standard", 0, |_ground, http| http.get("/nothing").send().await;
    expensive: [("limits.expensive.rate", N)], "expensive", 0, |ground, http|
        http.post("/admin/v1/keys/rotate").bearer(&ground.token).json(&json!({"alg": "ES256"})).send().await;
    sensitive: [("limits.sensitive.rate", N)], "sensitive", 0, |ground, http| {
        let path = format!("/admin/v1/clients/{}/secret", ground.client.id);
        http.post(&path).bearer(&ground.token).json(&json!({"grace_seconds": 60})).send().await
    };
    public_documents: [("limits.public.rate", N)], "public", 0, |_ground, http| http.get("/oauth2/jwks").send().await;
    // The administrator's token was a request too.
    global: [("limits.global.rate", N)], "global", 1, |_ground, http| http.get("/oauth2/jwks").send().await;
    per_second: [("limit.per_second_cap", N)], "per_second", 0, |ground, http| ground.token_request(http).await;
    per_second_by_address: [("limit.per_second_cap", N)], "per_second", 0, |_ground, http| http.get("/nothing").send().await;
    per_tenant: [("limit.per_tenant_cap", N)], "per_tenant", 1, |ground, http| ground.token_request(http).await;
    spike_arrest: [("spike.rate", N)], "spike", 0, |ground, http| ground.token_request(http).await;
    authentication: [("limits.authentication.rate", N)], "authentication", 0, |ground, http|
        http.post("/oauth2/token").basic(&ground.client.id, "wrong").form(&[("grant_type", "client_credentials")]).send().await;
}

/// All requests of one user, over all browsers.
mod per_user {
    use super::*;

    async fn check(redis: Option<OwnRedis>) {
        let ground = Ground::new(&[("limits.per_user.rate", N)], redis).await;
        let app = &ground.replicas[0];
        app.user("alice").await;
        let mut browsers = Vec::new();
        for replica in &ground.replicas {
            let mut browser = Browser::new(replica);
            let page = browser.get("/login").await;
            let form = page
                .sign_in_form()
                .fill("username", "alice")
                .fill("password", PASSWORD);
            browser.submit_only(&page, &form).await;
            browsers.push(browser);
        }
        for n in 0..NUMBER as usize {
            let count = browsers.len();
            let page = browsers[n % count].get("/account").await;
            assert_eq!(page.answer.status, 200, "{n}");
            assert!(
                page.answer
                    .header("ratelimit-policy")
                    .starts_with("\"per_user\";q=4;")
            );
        }
        for browser in &mut browsers {
            assert_eq!(browser.get("/account").await.answer.status, 429);
        }
    }

    #[tokio::test]
    async fn memory() {
        check(None).await;
    }

    #[tokio::test]
    async fn redis() {
        if let Some(redis) = OwnRedis::start() {
            check(Some(redis)).await;
        }
    }
}

/// A month's quota is counted in the database, whichever store counts the rest: replicas see what others have added to it.
#[tokio::test]
async fn a_monthly_quota_is_one_for_all_replicas() {
    let ground = Ground::new(&[("quota.month", N)], None).await;
    let one = &ground.replicas[0];
    for n in 1..=NUMBER {
        let answer = ground.token_request(&one.http).await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), "\"quota\";q=4;w=2678400");
        assert_eq!(answer.header("x-ratelimit-remaining"), (NUMBER - n).to_string());
    }
    one.app.edge.quotas().flush().await.unwrap();
    let other = one.replica().await;
    let refused = ground.token_request(&other.http).await.expect(429);
    assert_eq!(refused.json()["error"], "quota_exceeded");
    ground.token_request(&one.http).await.expect(429);
}

/// R-LIM-36: "one consumer (client, department/tenant) at its limit leaves others untouched".
#[tokio::test]
async fn a_tenant_at_its_cap_leaves_others_untouched() {
    let settings = [
        ("limit.per_tenant_cap", N),
        ("tokens.algorithms", "ES256"),
        ("token.alg", "ES256"),
    ];
    let ground = Ground::new(&settings, None).await;
    let app = &ground.replicas[0];
    let token = app.admin_token("tenants:write").await;
    let body = json!({"name": "acme", "admin_username": "alice"});
    let made = app
        .http
        .post("/admin/v1/tenants")
        .bearer(&token)
        .json(&body)
        .send()
        .await
        .expect(201)
        .json();
    let (id, secret) = (
        made["admin_client_id"].as_str().unwrap(),
        made["admin_client_secret"].as_str().unwrap(),
    );
    let acme = async || {
        let form = [("grant_type", "client_credentials"), ("scope", "clients:read")];
        app.http
            .post("/t/acme/oauth2/token")
            .basic(id, secret)
            .form(&form)
            .send()
            .await
    };
    app.advance(1);
    for _ in 0..NUMBER {
        acme().await.expect(200);
    }
    acme().await.expect(429);
    for _ in 0..NUMBER {
        ground.token_request(&app.http).await.expect(200);
    }
    ground.token_request(&app.http).await.expect(429);
}

/// Nobody gains by asking at several tenants: an address is one caller wherever it asks.
#[tokio::test]
async fn addresses_are_counted_over_all_tenants() {
    let settings = [("limits.standard.rate", N), ("limits.authentication.rate", N)];
    let ground = Ground::new(&settings, None).await;
    let app = &ground.replicas[0];
    bare_tenant(app, "acme", true).await;
    for n in 0..2 * NUMBER {
        let path = ["/nothing", "/t/acme/nothing"][n as usize % 2];
        app.http
            .get(path)
            .send()
            .await
            .expect(if n < NUMBER { 404 } else { 429 });
    }
    app.advance(60);
    for n in 0..NUMBER {
        let path = ["/oauth2/token", "/t/acme/oauth2/token"][n as usize % 2];
        let call = app
            .http
            .post(path)
            .basic("nobody", "wrong")
            .form(&[("grant_type", "client_credentials")]);
        call.send().await.expect(401);
    }
    app.advance(60);
    for path in ["/oauth2/token", "/t/acme/oauth2/token"] {
        let call = app
            .http
            .post(path)
            .basic("nobody", "wrong")
            .form(&[("grant_type", "client_credentials")]);
        assert_eq!(call.send().await.expect(429).header("retry-after"), "840");
    }
}
