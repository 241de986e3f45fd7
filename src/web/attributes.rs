//! `/account/attributes`: what the deployment keeps about oneself beyond the standard profile, and what of it one may
//! change.

use super::account;
use super::login::Next;
use super::scope_texts::in_language;
use super::visited;
use crate::account::Rejected;
use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::fault::Fault;
use crate::page::{self, Layout, Text};
use crate::protect::Exchange;
use crate::protect::body::{Form, FormBody};
use crate::storage::users::User;
use crate::types::{Access, Attribute, AttributeKind, Audience, MAX_NUMBER};
use crate::visit::{Stop, Visit};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::{Map, Number, Value};

/// Path below the issuer.
pub const PATH: &str = "/account/attributes";

#[derive(Template)]
#[template(path = "attributes.html")]
struct Page {
    layout: Layout,
    csrf: String,
    /// Somebody else changed the account meanwhile.
    stale: bool,
    seen: Vec<(String, String)>,
    fields: Vec<Field>,
}

/// An attribute that can be changed.
struct Field {
    /// The name in the form.
    name: String,
    label: String,
    kind: Kind,
    value: String,
    problem: Option<Text>,
}

/// How it is asked for.
enum Kind {
    Line(usize),
    Lines,
    Number,
    Yes,
    Choice(Vec<String>),
}

impl Field {
    fn is_chosen(&self, choice: &str) -> bool {
        self.value == choice
    }
}

/// Whether there is anything to show to the people of this deployment.
pub(super) fn any(app: &App) -> bool {
    let declared = app.accounts.attributes().0.values();
    declared.clone().any(|attribute| attribute.user >= Access::See)
}

/// `GET /account/attributes`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| {
        let Some(user) = visit.user().await?.filter(|_| any(visit.app)) else {
            return Ok(visit.see_other(&Next::Account.sign_in()));
        };
        let kept = attributes(visit, &user).await?;
        show(visit, &user, &kept, &[], None).await
    })
    .await
}

/// `POST /account/attributes`.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| serve(visit, &form.0).await).await
}

async fn serve(visit: &Visit<'_>, form: &Form) -> Result<HttpResponse, Stop> {
    let (Some(session), Some(user)) = (visit.session(), visit.user().await?) else {
        return Ok(visit.see_other(&Next::Account.sign_in()));
    };
    visit.check_form(form, &["attributes", &session.id.to_string()], PATH)?;
    let accounts = &visit.app.accounts;
    let profile = accounts.profile(&user).await;
    let mut profile = profile.map_err(|fault| visit.fault(&fault))?;
    let declared = accounts.attributes();
    let mut proposed = declared.seen_by(Audience::User, &profile.attributes);
    for (name, attribute) in changeable(visit.app) {
        match typed(name, attribute, form) {
            Some(value) => proposed.insert(name.clone(), value),
            None => proposed.remove(name),
        };
    }
    let changed = declared.changed_by(Audience::User, &profile.attributes, proposed.clone());
    let after = match changed {
        Ok(after) if after == profile.attributes => return Ok(visit.see_other(account::PATH)),
        Ok(after) => after,
        Err(wrong) => {
            let names: Vec<String> = wrong.into_iter().map(|(name, _)| name).collect();
            return show(visit, &user, &proposed, &names, Some(false)).await;
        }
    };
    profile.attributes = after;
    match store(visit, &user, profile)
        .await
        .map_err(|fault| visit.fault(&fault))?
    {
        Ok(_) => Ok(visit.see_other(account::ATTRIBUTES_CHANGED)),
        Err(_) => show(visit, &user, &proposed, &[], Some(true)).await,
    }
}

async fn store(
    visit: &Visit<'_>,
    user: &User,
    profile: crate::account::profile::Profile,
) -> Result<Result<User, Rejected>, Fault> {
    let checked = match profile.check() {
        Ok(checked) => checked,
        Err(wrong) => return Ok(Err(Rejected::Invalid(wrong))),
    };
    let event = visit
        .app
        .event(visit.now, EventType::UserUpdated, Outcome::Success, visit.tenant)?
        .by(visit.exchange.caller())
        .with("by", "user")
        .with("changes", serde_json::json!({"attributes": "changed"}));
    let accounts = &visit.app.accounts;
    accounts.update(user, &checked, None, event, visit.now).await
}

/// The attributes that people change themselves.
fn changeable(app: &App) -> impl Iterator<Item = (&String, &Attribute)> {
    let declared = app.accounts.attributes().0.iter();
    declared.filter(|(_, attribute)| attribute.user == Access::Change)
}

async fn attributes(visit: &Visit<'_>, user: &User) -> Result<Map<String, Value>, Stop> {
    let profile = visit.app.accounts.profile(user).await;
    Ok(profile.map_err(|fault| visit.fault(&fault))?.attributes)
}

fn form_name(name: &str) -> String {
    format!("attribute:{name}")
}

/// What was typed, as the attribute's kind has it; `None` for what is to be gone. What is of no such kind stays a text,
/// which is then refused.
fn typed(name: &str, attribute: &Attribute, form: &Form) -> Option<Value> {
    let text = form
        .get(&form_name(name))
        .map(str::trim)
        .filter(|text| !text.is_empty());
    match &attribute.kind {
        AttributeKind::Boolean => Some(Value::Bool(text == Some("true"))),
        AttributeKind::Number { .. } => Some(
            text?
                .parse::<Number>()
                .map_or_else(|_| text.into(), Value::Number),
        ),
        AttributeKind::Text { .. } => Some(text?.into()),
        AttributeKind::Texts { .. } => Some(
            text?
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect(),
        ),
    }
}

/// The page, with the values as they are or as they were typed. `stale` is there for a form that was not taken.
async fn show(
    visit: &Visit<'_>,
    user: &User,
    values: &Map<String, Value>,
    wrong: &[String],
    stale: Option<bool>,
) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session() else {
        return Ok(visit.see_other(&Next::Account.sign_in()));
    };
    let layout = visit.layout_for(Some(user)).await?;
    let languages = visit.exchange.languages();
    let label = |name: &str, attribute: &Attribute| {
        in_language(&attribute.description, &languages)
            .unwrap_or(name)
            .to_owned()
    };
    let declared = visit.app.accounts.attributes().0.iter();
    let seen = declared
        .filter(|(_, attribute)| attribute.user == Access::See)
        .filter_map(|(name, attribute)| {
            let value = shown(values.get(name)?, attribute, &layout, ", ");
            Some((label(name, attribute), value))
        });
    let page = Page {
        csrf: visit.form_token(&["attributes", &session.id.to_string()])?,
        stale: stale == Some(true),
        seen: seen.collect(),
        fields: changeable(visit.app)
            .map(|(name, attribute)| Field {
                name: form_name(name),
                label: label(name, attribute),
                kind: Kind::of(attribute),
                value: values
                    .get(name)
                    .map_or_else(String::new, |value| plain(value, "\n")),
                problem: wrong.contains(name).then(|| rule(attribute)),
            })
            .collect(),
        layout,
    };
    let status = match stale {
        None => StatusCode::OK,
        Some(true) => StatusCode::CONFLICT,
        Some(false) => StatusCode::BAD_REQUEST,
    };
    Ok(page::respond(status, &page))
}

impl Kind {
    fn of(attribute: &Attribute) -> Self {
        match &attribute.kind {
            AttributeKind::Boolean => Self::Yes,
            AttributeKind::Number { .. } => Self::Number,
            AttributeKind::Text { values, .. } if !values.is_empty() => Self::Choice(values.clone()),
            AttributeKind::Text { max_length, .. } => Self::Line(*max_length),
            AttributeKind::Texts { .. } => Self::Lines,
        }
    }
}

/// What is wrong with a value is told as what would be right.
fn rule(attribute: &Attribute) -> Text {
    match &attribute.kind {
        AttributeKind::Boolean => Text::new("attributes-rule-choice"),
        AttributeKind::Number { minimum, maximum } => {
            // Bounds that nobody has set tell people nothing.
            let rule = match (*minimum > -MAX_NUMBER, *maximum < MAX_NUMBER) {
                (true, true) => "attributes-rule-number",
                (true, false) => "attributes-rule-number-least",
                (false, true) => "attributes-rule-number-most",
                (false, false) => "attributes-rule-number-any",
            };
            Text::new(rule)
                .with("minimum", minimum.to_string())
                .with("maximum", maximum.to_string())
        }
        AttributeKind::Text { values, .. } if !values.is_empty() => Text::new("attributes-rule-choice"),
        AttributeKind::Text { max_length, .. } => {
            Text::new("attributes-rule-text").with("most", max_length.to_string())
        }
        AttributeKind::Texts {
            max_length,
            max_entries,
            values,
        } => {
            if values.is_empty() {
                Text::new("attributes-rule-texts")
                    .with("entries", max_entries.to_string())
                    .with("most", max_length.to_string())
            } else {
                Text::new("attributes-rule-values").with("values", values.join(", "))
            }
        }
    }
}

fn shown(value: &Value, attribute: &Attribute, layout: &Layout, between: &str) -> String {
    match (&attribute.kind, value) {
        (AttributeKind::Boolean, Value::Bool(true)) => layout.say("attributes-yes"),
        (AttributeKind::Boolean, _) => layout.say("attributes-no"),
        _ => plain(value, between),
    }
}

fn plain(value: &Value, between: &str) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(entries) => {
            let texts: Vec<_> = entries.iter().filter_map(Value::as_str).collect();
            texts.join(between)
        }
        value => value.to_string(),
    }
}
