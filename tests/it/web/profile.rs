//! Changing the own profile.

use crate::support::people::Person;
use crate::support::provider::PATIENT;
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};
use grantor::account::profile::Profile;
use grantor::storage::users;
use grantor::types::{TenantId, UserId};

async fn profile(app: &TestApp, id: UserId) -> Profile {
    let mut conn = app.db.main.read().await.unwrap();
    let user = users::find(&mut conn, TenantId::FIRST, id)
        .await
        .unwrap()
        .unwrap();
    drop(conn);
    app.app.accounts.profile(&user).await.unwrap()
}

on_both_engines! {
    async fn people_change_what_they_may_of_their_own_profile(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        let alice = Person::new(&app, "alice").await;
        let mut browser = Browser::new(&app);
        browser.sign_in("alice").await.expect(303);
        let page = browser.get("/account/profile").await.expect(200);
        let form = page.form("/account/profile");
        assert_eq!(form.field("name"), "Alice Liddell");
        assert_eq!(form.field("locale"), "en-GB", "what stands there stays, known or not");
        // Nothing changed is no change; what is not on the form is not touched.
        let answer = browser.send_form(&form, &[]).await.expect(303);
        assert_eq!(answer.header("location"), "/account");
        let wishes = [("nickname", ""), ("phone_number", "+49 30 654321"), ("locale", "de"), ("username", "root"),
            ("roles", "admin"), ("email", "root@example.com")];
        let answer = browser.send_form(&form, &wishes).await.expect(303);
        let page = browser.follow(answer).await.expect(200);
        assert!(page.html().contains("Ihr Profil ist geändert."), "{}", page.html());
        let after = profile(&app, alice.id).await;
        assert_eq!((after.username.as_str(), after.roles), ("alice", vec!["reader".to_owned()]));
        assert_eq!(after.email.as_deref(), Some("alice@example.com"));
        assert_eq!(after.phone_number.as_deref(), Some("+49 30 654321"));
        assert!(after.email_verified && !after.phone_number_verified, "nobody verified the new number");
        assert_eq!((after.nickname, after.locale.as_deref()), (None, Some("de")));
        let log = app.audit_log().await;
        let event = log.iter().find(|event| event.event_type == "user_updated").unwrap();
        assert_eq!(event.meta("by"), "user");
        assert_eq!(event.meta("members"), "nickname phone_number locale");
        assert!(!event.metadata.contains("654321"), "no personal data in the log");
    }

    async fn what_is_wrong_is_said_at_its_field(engine: Engine) {
        let app = TestApp::spawn(engine).await;
        let alice = Person::new(&app, "alice").await;
        let mut browser = Browser::new(&app);
        browser.sign_in("alice").await.expect(303);
        let form = browser.get("/account/profile").await.expect(200).form("/account/profile");
        let wrong = [("birthdate", "yesterday"), ("website", "javascript:alert(1)"), ("name", "<b>")];
        let page = browser.send_form(&form, &wrong).await.expect(400);
        for member in ["birthdate", "website", "name"] {
            assert!(page.html().contains(&format!("aria-describedby=\"{member}-problem\"")), "{member}");
        }
        assert_eq!(page.form("/account/profile").field("birthdate"), "yesterday", "it can be corrected");
        assert!(!page.html().contains("<b>"));
        assert_eq!(profile(&app, alice.id).await.birthdate.as_deref(), Some("1990-02-28"));
        browser.send_form(&form, &[("csrf", "x")]).await.expect(403);
        Browser::new(&app).get("/account/profile").await.expect(303);
    }
}

#[tokio::test]
async fn the_settings_say_what_may_be_changed() {
    let settings = [PATIENT, ("profile.editable", "locale,nickname")];
    let app = TestApp::spawn_with(Engine::Sqlite, &settings).await;
    let alice = Person::new(&app, "alice").await;
    let mut browser = Browser::new(&app);
    browser.sign_in("alice").await.expect(303);
    let form = browser
        .get("/account/profile")
        .await
        .expect(200)
        .form("/account/profile");
    assert!(!form.has("name") && form.has("nickname"));
    let both = [("name", "Somebody Else"), ("nickname", "Ally")];
    browser.send_form(&form, &both).await.expect(303);
    let after = profile(&app, alice.id).await;
    assert_eq!(
        (after.name.as_deref(), after.nickname.as_deref()),
        (Some("Alice Liddell"), Some("Ally"))
    );

    let app = TestApp::spawn_with(Engine::Sqlite, &[("profile.editable", "")]).await;
    Person::new(&app, "alice").await;
    let mut browser = Browser::new(&app);
    browser.sign_in("alice").await.expect(303);
    assert!(
        !browser
            .get("/account")
            .await
            .expect(200)
            .html()
            .contains("/account/profile")
    );
}
