//! `/account/profile`: changing what one may of the own profile.

use super::account;
use super::login::Next;
use super::visited;
use crate::account::Rejected;
use crate::account::profile::Profile;
use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::page::{self, Language, Layout};
use crate::protect::Exchange;
use crate::protect::body::{Form, FormBody};
use crate::storage::users::User;
use crate::types::Violation;
use crate::visit::{Stop, Visit};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value};

/// Path below the issuer.
pub const PATH: &str = "/account/profile";

/// The claims that can be changed here, in the order of the page: the label, what browsers fill in, the kind of input, and
/// what the claim has to look like. Which of them people may change is a setting.
const FIELDS: [Field; 9] = [
    Field::of("name", "account-name", "name", "text", "profile-name-rule"),
    Field::of(
        "given_name",
        "account-given-name",
        "given-name",
        "text",
        "profile-name-rule",
    ),
    Field::of(
        "family_name",
        "account-family-name",
        "family-name",
        "text",
        "profile-name-rule",
    ),
    Field::of(
        "nickname",
        "profile-nickname",
        "nickname",
        "text",
        "profile-name-rule",
    ),
    Field::of(
        "phone_number",
        "account-phone",
        "tel",
        "tel",
        "profile-phone-rule",
    ),
    Field::of(
        "birthdate",
        "profile-birthdate",
        "bday",
        "text",
        "profile-birthdate-rule",
    ),
    Field::of("website", "profile-website", "url", "url", "profile-website-rule"),
    Field::of(
        "zoneinfo",
        "profile-zoneinfo",
        "off",
        "text",
        "profile-zoneinfo-rule",
    ),
    Field::of("locale", "profile-locale", "off", "select", "profile-locale-rule"),
];

struct Field {
    member: &'static str,
    label: &'static str,
    autocomplete: &'static str,
    kind: &'static str,
    rule: &'static str,
}

impl Field {
    const fn of(
        member: &'static str,
        label: &'static str,
        autocomplete: &'static str,
        kind: &'static str,
        rule: &'static str,
    ) -> Self {
        Self {
            member,
            label,
            autocomplete,
            kind,
            rule,
        }
    }
}

#[derive(Template)]
#[template(path = "profile.html")]
struct Page {
    layout: Layout,
    csrf: String,
    stale: bool,
    rows: Vec<Row>,
}

/// A field with its value.
struct Row {
    field: &'static Field,
    value: String,
    wrong: bool,
    /// What can be chosen: value and text.
    choices: Vec<(String, String)>,
}

/// `GET /account/profile`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| {
        let Some(user) = visit.user().await? else {
            return Ok(visit.see_other(&Next::Account.sign_in()));
        };
        let members = members(&profile(visit, &user).await?);
        show(visit, &user, &members, Answer::default()).await
    })
    .await
}

/// `POST /account/profile`.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| serve(visit, &form.0).await).await
}

/// What came of a form.
#[derive(Default)]
struct Answer {
    violations: Vec<Violation>,
    stale: bool,
}

async fn serve(visit: &Visit<'_>, form: &Form) -> Result<HttpResponse, Stop> {
    let (Some(session), Some(user)) = (visit.session(), visit.user().await?) else {
        return Ok(visit.see_other(&Next::Account.sign_in()));
    };
    visit.check_form(form, &["profile", &session.id.to_string()], PATH)?;
    let before = profile(visit, &user).await?;
    let (members, changed) = edited(members(&before), form, &visit.app.config.profile.editable);
    if changed.is_empty() {
        return Ok(visit.see_other(account::PATH));
    }
    let Ok(after) = serde_json::from_value::<Profile>(Value::Object(members.clone())) else {
        return Ok(visit.see_other(PATH));
    };
    let checked = match after.check() {
        Ok(checked) => checked,
        Err(violations) => {
            let answer = Answer {
                violations,
                stale: false,
            };
            return show(visit, &user, &members, answer).await;
        }
    };
    let updated = async {
        let event = visit
            .app
            .event(visit.now, EventType::UserUpdated, Outcome::Success, visit.tenant)?
            .by(visit.exchange.caller())
            .with("by", "user")
            .with("members", changed.join(" "));
        let accounts = &visit.app.accounts;
        accounts.update(&user, &checked, None, event, visit.now).await
    };
    match updated.await.map_err(|fault| visit.fault(&fault))? {
        Ok(_) => Ok(visit.see_other(account::PROFILE_CHANGED)),
        Err(Rejected::Invalid(violations)) => {
            let answer = Answer {
                violations,
                stale: false,
            };
            show(visit, &user, &members, answer).await
        }
        Err(Rejected::Stale | Rejected::Taken) => {
            let answer = Answer {
                violations: Vec::new(),
                stale: true,
            };
            show(visit, &user, &members, answer).await
        }
    }
}

async fn profile(visit: &Visit<'_>, user: &User) -> Result<Profile, Stop> {
    let profile = visit.app.accounts.profile(user).await;
    profile.map_err(|fault| visit.fault(&fault))
}

fn members(profile: &Profile) -> Map<String, Value> {
    match serde_json::to_value(profile) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// The profile with what a form says, as far as people may change it, and the names of what is different then. A phone
/// number that is new is no longer verified.
fn edited(
    mut members: Map<String, Value>,
    form: &Form,
    editable: &[&'static str],
) -> (Map<String, Value>, Vec<&'static str>) {
    let mut changed = Vec::new();
    for member in editable.iter().copied() {
        // An empty field is a wish too: to be without the claim.
        let Some((_, value)) = form.iter().find(|(name, _)| *name == member) else {
            continue;
        };
        let value = value.trim();
        let present = members.get(member).and_then(Value::as_str).unwrap_or_default();
        if value == present {
            continue;
        }
        changed.push(member);
        if member == "phone_number" {
            members.insert("phone_number_verified".to_owned(), false.into());
        }
        if value.is_empty() {
            members.remove(member);
        } else {
            members.insert(member.to_owned(), value.into());
        }
    }
    (members, changed)
}

async fn show(
    visit: &Visit<'_>,
    user: &User,
    members: &Map<String, Value>,
    answer: Answer,
) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session() else {
        return Ok(visit.see_other(&Next::Account.sign_in()));
    };
    let layout = visit.layout_for(Some(user)).await?;
    let may = &visit.app.config.profile.editable;
    let wrong = |member: &str| {
        let mut pointers = answer.violations.iter().map(|violation| &violation.pointer);
        pointers.any(|pointer| pointer.strip_prefix('/') == Some(member))
    };
    let rows = FIELDS
        .iter()
        .filter(|field| may.contains(&field.member))
        .map(|field| {
            let value = members
                .get(field.member)
                .and_then(Value::as_str)
                .unwrap_or_default();
            Row {
                choices: if field.kind == "select" {
                    languages(value, &layout)
                } else {
                    Vec::new()
                },
                wrong: wrong(field.member),
                value: value.to_owned(),
                field,
            }
        });
    let page = Page {
        csrf: visit.form_token(&["profile", &session.id.to_string()])?,
        stale: answer.stale,
        rows: rows.collect(),
        layout,
    };
    let status = match (answer.stale, answer.violations.is_empty()) {
        (false, true) => StatusCode::OK,
        (true, _) => StatusCode::CONFLICT,
        (false, false) => StatusCode::BAD_REQUEST,
    };
    Ok(page::respond(status, &page))
}

/// The languages of the pages, what the browser says, and whatever else stands there now.
fn languages(present: &str, layout: &Layout) -> Vec<(String, String)> {
    let browser = (String::new(), layout.say("profile-locale-of-browser"));
    let mut choices = vec![browser];
    choices
        .extend(Language::all().map(|language| (language.tag().to_owned(), language.say("language-name"))));
    if !choices.iter().any(|(tag, _)| tag == present) {
        choices.push((present.to_owned(), name_of_language(present)));
    }
    choices
}

/// How a language calls itself, with its tag where that says more.
pub(super) fn name_of_language(tag: &str) -> String {
    match Language::find(&tag.replace('_', "-")) {
        Some(language) if language.tag() == tag => language.say("language-name"),
        Some(language) => format!("{} ({tag})", language.say("language-name")),
        None => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form(fields: &[(&str, &str)]) -> Form {
        let fields = fields.iter();
        Form::from(
            fields
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn only_what_may_be_changed_is_changed() {
        let Value::Object(before) = json!({
            "username": "alice", "roles": ["reader"], "name": "Alice", "phone_number": "+49301",
            "phone_number_verified": true, "nickname": "Al",
        }) else {
            panic!("an object")
        };
        let sent = form(&[
            ("username", "root"),
            ("roles", "admin"),
            ("email", "a@b.example"),
            ("name", " Alice Liddell "),
            ("phone_number", "+49302"),
            ("nickname", ""),
        ]);
        let (after, changed) = edited(before.clone(), &sent, &["name", "phone_number", "nickname"]);
        assert_eq!(changed, ["name", "phone_number", "nickname"]);
        let want = json!({
            "username": "alice", "roles": ["reader"], "name": "Alice Liddell", "phone_number": "+49302",
            "phone_number_verified": false,
        });
        assert_eq!(Value::Object(after), want);
        let same = form(&[("name", "Alice"), ("phone_number", "+49301")]);
        assert_eq!(
            edited(before.clone(), &same, &["name", "phone_number"]).1,
            [""; 0]
        );
        assert_eq!(edited(before, &sent, &[]).1, [""; 0]);
    }

    #[test]
    fn a_language_is_called_as_it_calls_itself() {
        assert_eq!(name_of_language("de"), "Deutsch");
        assert_eq!(name_of_language("en_GB"), "English (en_GB)");
        assert_eq!(name_of_language("ja"), "ja");
    }
}
