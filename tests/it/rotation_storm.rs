//! The real program, killed while token families rotate: a refresh token whose receipt was acknowledged works after the
//! restart, and a family never has two living successors.

use crate::support::Engine;
use crate::support::http::{Answer, Call, Http};
use crate::support::people::{PASSWORD, Person};
use crate::support::process::{ADMIN_SECRET, Installation};
use crate::support::user_agent::Browser;
use grantor::types::UserId;
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;
use url::form_urlencoded;
use uuid::Uuid;

/// How often the server is killed. `GRANTOR_TEST_KILLS` asks for more.
const KILLS: u64 = 2;
/// How many families rotate at once.
const FAMILIES: usize = 6;
const CLIENT: &str = "storm";
const CALLBACK: &str = "https://app.example/cb";

on_both_engines! {
    /// "`kill -9` at random during a storm of rotations, 20 times, on both engines: no acknowledged token lost, no family
    /// with two live successors."
    async fn no_acknowledged_token_is_lost_and_no_family_splits(engine: Engine) {
        let kills = std::env::var("GRANTOR_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
        let installation = Installation::new(engine, &[("GRANTOR_BOOTSTRAP_PASSWORD", PASSWORD)]).await;
        let server = installation.serve().await;
        let secret = register(&server.http).await;
        let mut tokens = families(&server.http, &installation.base, &secret).await;
        drop(server);
        for kill in 0..kills {
            let server = installation.serve().await;
            let (first, mut flowing) = mpsc::channel(1);
            let storm: Vec<_> = tokens
                .into_iter()
                .map(|token| tokio::spawn(rotate_until_it_dies(server.http.clone(), secret.clone(), token, first.clone())))
                .collect();
            drop(first);
            flowing.recv().await.expect("a token is rotated");
            tokio::time::sleep(Duration::from_millis(10 + 23 * kill)).await;
            server.kill();
            tokens = Vec::new();
            for family in storm {
                tokens.push(family.await.expect("the storm ends"));
            }
        }
        let server = installation.serve().await;
        for acknowledged in tokens {
            // If the answer to its last use was lost, the retry window gives the same successor once more.
            let next = refreshed(refresh(&server.http, &secret, &acknowledged).await);
            let newest = refreshed(refresh(&server.http, &secret, &next).await);
            let refused = refresh(&server.http, &secret, &acknowledged).await.expect(400).json();
            assert_eq!(refused["error"], "invalid_grant");
            // There is one line of successors: what an older one was used for ended it.
            refresh(&server.http, &secret, &newest).await.expect(400);
        }
    }
}

/// Registers a first-party client with a retry window that is longer than a restart; gives its secret.
async fn register(http: &Http) -> String {
    let form = [("grant_type", "client_credentials"), ("scope", "clients:write")];
    let token = http
        .post("/oauth2/token")
        .basic("admin", ADMIN_SECRET)
        .form(&form)
        .send()
        .await
        .expect(200)
        .json();
    let body = json!({
        "client_id": CLIENT,
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid offline_access",
        "token_endpoint_auth_method": "client_secret_post",
        "require_consent": false,
        "require_pkce": false,
        "refresh_token_retry_seconds": 60,
    });
    let bearer = token["access_token"].as_str().expect("a token");
    let made = http
        .post("/admin/v1/clients")
        .bearer(bearer)
        .json(&body)
        .send()
        .await
        .expect(201)
        .json();
    made["client_secret"].as_str().expect("a secret").to_owned()
}

/// One person signs in once and authorizes the client several times; the refresh token of each family.
async fn families(http: &Http, base: &str, secret: &str) -> Vec<String> {
    let mut browser = Browser::at(http.clone(), base);
    let admin = Person {
        id: UserId(Uuid::nil()),
        username: "admin".to_owned(),
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", CLIENT)
        .append_pair("redirect_uri", CALLBACK)
        .append_pair("response_type", "code")
        .append_pair("scope", "openid offline_access")
        .finish();
    let mut tokens = Vec::new();
    for _ in 0..FAMILIES {
        let url = format!("{base}/oauth2/authorize?{query}");
        let code = browser.authorize(&url, &admin).await.code();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("client_id", CLIENT),
            ("client_secret", secret),
        ];
        tokens.push(refreshed(http.post("/oauth2/token").form(&form).send().await));
    }
    tokens
}

/// Rotates one family as fast as it goes; the last refresh token that was received whole.
async fn rotate_until_it_dies(
    http: Http,
    secret: String,
    mut token: String,
    first: mpsc::Sender<()>,
) -> String {
    while let Ok(answer) = refresh_call(&http, &secret, &token).try_send().await {
        token = refreshed(answer);
        let _ = first.try_send(());
    }
    token
}

async fn refresh(http: &Http, secret: &str, token: &str) -> Answer {
    refresh_call(http, secret, token).send().await
}

fn refresh_call<'h>(http: &'h Http, secret: &str, token: &str) -> Call<'h> {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", CLIENT),
        ("client_secret", secret),
    ];
    http.post("/oauth2/token").form(&form)
}

/// The refresh token of a good answer.
fn refreshed(answer: Answer) -> String {
    let answer = answer.expect(200).json();
    answer["refresh_token"]
        .as_str()
        .expect("a refresh token")
        .to_owned()
}
