//! Administrators of one tenant, and what there is in another.

use super::{DIRECTIONS, Engine, World, worlds};
use grantor::types::ADMIN_SCOPES;
use serde_json::{Value, json};

on_both_engines! {
    /// R-ATZ-23: lists, also those that are asked for by the ids of another tenant or from its place in a list.
    async fn lists_show_what_is_of_the_tenant_and_nothing_else(engine: Engine) {
        let worlds = worlds(engine).await;
        for (from, to) in DIRECTIONS.map(|(from, to)| (&worlds[from], &worlds[to])) {
            let read = async |path: &str| to.app.http.get(path).bearer(&to.admin).send().await.expect(200).json();
            let foreign = ["user", "client", "family", "registered"].map(|name| from.loot.get(name).to_owned());
            for list in ["clients", "users", "sessions", "grants", "consents", "deliveries", "keys", "plans",
                "registration-tokens", "audit"] {
                let path = format!("/admin/v1/{list}");
                let all = read(&path).await;
                assert!(!all["items"].as_array().unwrap().is_empty(), "{list}");
                let theirs = from.app.http.get(&format!("{path}?limit=1")).bearer(&from.admin).send().await;
                if let Some(cursor) = theirs.json()["next_cursor"].as_str() {
                    let page = read(&format!("{path}?cursor={cursor}")).await;
                    shows_nothing_of(&foreign, &page);
                }
                shows_nothing_of(&foreign, &all);
            }
            for (list, member, name) in [
                ("sessions", "user_id", "user"),
                ("grants", "user_id", "user"),
                ("grants", "client_id", "client"),
                ("consents", "user_id", "user"),
                ("consents", "client_id", "client"),
                ("audit", "user_id", "user"),
                ("audit", "client_id", "client"),
                ("audit", "token_family", "family"),
            ] {
                let page = read(&format!("/admin/v1/{list}?{member}={}", from.loot.get(name))).await;
                assert_eq!(page["items"], json!([]), "{list} by {member}");
            }
        }
    }

    /// What a tenant takes, another one may take as well: uniqueness, quotas and ids end where the tenant does.
    async fn names_and_ids_are_taken_in_their_tenant_alone(engine: Engine) {
        let worlds = worlds(engine).await;
        for (from, to) in DIRECTIONS.map(|(from, to)| (&worlds[from], &worlds[to])) {
            let post = async |path: &str, body: Value| to.app.http.post(path).bearer(&to.admin).json(&body).send().await;
            let user = json!({"username": from.person.username, "email": format!("{}@example.com", from.person.username)});
            let made = post("/admin/v1/users", user.clone()).await.expect(201).json();
            assert_ne!(made["id"], from.loot.get("user"));
            post("/admin/v1/users", user).await.expect(409);
            let path = format!("/admin/v1/users/{}", made["id"].as_str().unwrap());
            let gone = to.app.http.call(reqwest::Method::DELETE, &path).bearer(&to.admin).send().await;
            gone.expect(204);
            let client = json!({
                "client_id": format!("of-{}", to.person.username), "grant_types": ["client_credentials"],
                "resource_identifiers": ["https://api.example"],
            });
            post("/admin/v1/clients", client.clone()).await.expect(201);
            post("/admin/v1/clients", client.clone()).await.expect(409);
            // Nobody is put on a plan of another tenant.
            let plan = json!({"grant_types": ["client_credentials"], "plan": from.loot.object("/admin/v1/plans")});
            let refused = post("/admin/v1/clients", plan).await.expect(400).json();
            assert_eq!(refused["errors"][0]["pointer"], "/plan", "{refused}");
            let path = format!("/admin/v1/clients/{}", client["client_id"].as_str().unwrap());
            let gone = to.app.http.call(reqwest::Method::DELETE, &path).bearer(&to.admin).send().await;
            gone.expect(204);
        }
    }

    /// Replicas keep the plans of all tenants in memory: no tenant fills it for the others.
    async fn a_tenant_has_so_many_plans_whatever_others_have(engine: Engine) {
        let [_first, acme, beta] = worlds(engine).await;
        let plan = async |world: &World, number: usize| {
            let body = json!({"name": format!("plan-{number}"), "spike_rate": 5});
            world.app.http.post("/admin/v1/plans").bearer(&world.admin).json(&body).send().await
        };
        // There is one.
        for number in 1..100 {
            plan(&acme, number).await.expect(201);
        }
        plan(&acme, 100).await.expect(409);
        plan(&beta, 100).await.expect(201);
        let gone = acme.app.http.call(reqwest::Method::DELETE, "/admin/v1/plans/plan-1").bearer(&acme.admin);
        gone.send().await.expect(204);
        plan(&acme, 100).await.expect(201);
    }

    /// No administrator outside the first tenant gives, gets or uses a right over tenants, whatever its tenant's database says.
    async fn rights_over_tenants_are_of_the_first_tenant_alone(engine: Engine) {
        let [first, acme, _] = worlds(engine).await;
        let all = ADMIN_SCOPES.join(" ");
        let request = acme.app.token_request(&admin(), &[("scope", &all)]);
        assert_eq!(request.send().await.oauth_error(400), "invalid_scope");
        // A row that no administrator could have written.
        let smuggler = acme.app.client(&all, |_| {}).await;
        for scope in ["tenants:read", "tenants:write"] {
            let token = acme.app.token_request(&smuggler, &[("scope", scope)]).send().await;
            if token.status.is_success() {
                let token = token.json()["access_token"].as_str().unwrap().to_owned();
                acme.app.http.get("/admin/v1/tenants").bearer(&token).send().await.expect(404);
                first.app.http.get("/admin/v1/tenants").bearer(&token).send().await.expect(401);
            }
        }
        let path = format!("/admin/v1/tenants/{}", acme.app.tenant);
        let patch = json!({"display_name": "Mine"});
        for call in [first.app.http.call(reqwest::Method::PATCH, &path), acme.app.http.call(reqwest::Method::PATCH, &path)] {
            let refused = call.bearer(&acme.admin).json(&patch).send().await;
            assert!(matches!(refused.status.as_u16(), 401 | 404), "{}", refused.text());
        }
    }
}

fn admin() -> crate::support::client::TestClient {
    use crate::support::app::{ADMIN_ID, ADMIN_SECRET};
    crate::support::client::TestClient {
        id: ADMIN_ID.to_owned(),
        secret: ADMIN_SECRET.to_owned(),
    }
}

#[track_caller]
fn shows_nothing_of(foreign: &[String], page: &Value) {
    let text = page.to_string();
    for id in foreign {
        assert!(!text.contains(id.as_str()), "{id} in {text}");
    }
}
