//! A browser without JavaScript: it keeps cookies, follows redirects as far as the server's own pages go, and fills in
//! forms.

use super::app::TestApp;
use super::html::{self, Form};
use super::http::{Answer, Call, Http};
use super::people::Person;
use url::Url;

/// Longest chain of redirects that a browser follows.
const MAX_REDIRECTS: usize = 10;

/// A browser, with the cookies of one host.
#[derive(Clone, Debug)]
pub struct Browser {
    http: Http,
    base: Url,
    cookies: Vec<Cookie>,
    reads: Option<String>,
    agent: String,
}

/// A cookie that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The path below which it is sent.
    pub path: String,
    /// The line that set it.
    pub line: String,
}

/// Where a browser has come to.
#[derive(Clone, Debug)]
pub struct Page {
    /// The address of the last answer.
    pub url: Url,
    /// The last answer.
    pub answer: Answer,
    /// The address to which it redirects, when it is another server's: a client's redirect URI.
    pub left_for: Option<Url>,
}

impl Browser {
    /// A fresh browser before a server.
    pub fn new(app: &TestApp) -> Self {
        Self::at(app.http.clone(), &app.base)
    }

    /// A fresh browser before a server that is a process of its own.
    pub fn at(http: Http, base: &str) -> Self {
        Self {
            http,
            base: base.parse().expect("a URL"),
            cookies: Vec::new(),
            reads: None,
            agent: "a test's browser".to_owned(),
        }
    }

    /// The same browser under another name: its `User-Agent`.
    #[must_use]
    pub fn named(mut self, agent: &str) -> Self {
        agent.clone_into(&mut self.agent);
        self
    }

    /// The same browser of somebody who reads these languages: its `Accept-Language`.
    #[must_use]
    pub fn reads(mut self, languages: &str) -> Self {
        self.reads = Some(languages.to_owned());
        self
    }

    /// The cookie whose name contains a word.
    pub fn cookie(&self, word: &str) -> Option<&Cookie> {
        self.cookies.iter().find(|cookie| cookie.name.contains(word))
    }

    /// Holds a cookie that it was not given: a stolen or an old one.
    pub fn put(&mut self, cookie: &Cookie) {
        self.cookies
            .retain(|own| own.name != cookie.name || own.path != cookie.path);
        self.cookies.push(cookie.clone());
    }

    /// Forgets all cookies.
    pub fn forget(&mut self) {
        self.cookies.clear();
    }

    /// `GET` of an address or path, as typed or as a link from elsewhere; no redirect is followed.
    pub async fn get(&mut self, target: &str) -> Page {
        let url = self.absolute(target);
        let http = self.http.clone();
        self.send(http.get(url.as_str()), url).await
    }

    /// `GET`, and on through the server's own redirects.
    pub async fn open(&mut self, target: &str) -> Page {
        let page = self.get(target).await;
        self.follow(page).await
    }

    /// Follows redirects until a page of the server, or another server's address, is reached.
    pub async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..MAX_REDIRECTS {
            let location = page.answer.header("location");
            if !page.answer.status.is_redirection() || location.is_empty() || page.left_for.is_some() {
                return page;
            }
            let next = page.url.join(location).expect("Location is a URL");
            page = self.get(next.as_str()).await;
        }
        panic!("a chain of redirects that does not end: {}", page.url);
    }

    /// Sends a form of a page, as its button would, and follows.
    pub async fn submit(&mut self, page: &Page, form: &Form) -> Page {
        let answer = self.submit_only(page, form).await;
        self.follow(answer).await
    }

    /// Sends a form of a page, and follows nothing.
    pub async fn submit_only(&mut self, page: &Page, form: &Form) -> Page {
        let mut target = page.url.clone();
        if !form.action.is_empty() {
            target = page.url.join(&form.action).expect("the form's action is a URL");
        }
        let pairs: Vec<(&str, &str)> = form
            .fields
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(form.method, "post", "the pages' forms are posted");
        // What a browser sends along for a form of a page that sends no referrer.
        self.post_from(
            &target,
            &pairs,
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
        )
        .await
    }

    /// Posts a form, with the headers that say where it was sent from.
    pub async fn post_from(&mut self, target: &Url, fields: &[(&str, &str)], from: &[(&str, &str)]) -> Page {
        let http = self.http.clone();
        let mut call = http.post(target.as_str()).form(fields);
        for (name, value) in from {
            call = call.header(name, value);
        }
        self.send(call, target.clone()).await
    }

    /// From an authorization request to the redirect URI: signs in and consents wherever it is asked to.
    pub async fn authorize(&mut self, url: &str, person: &Person) -> Page {
        let page = self.open(url).await;
        self.answer_all(page, person).await
    }

    /// Signs in and consents until the browser has left, or sees something else.
    pub async fn answer_all(&mut self, mut page: Page, person: &Person) -> Page {
        for _ in 0..4 {
            if page.left_for.is_some() {
                return page;
            }
            page = match page.ask() {
                Some(Ask::SignIn(form)) => self.submit(&page, &person.fill_in(form)).await,
                Some(Ask::Decide(form)) => self.submit(&page, &form.press("decision", "allow")).await,
                None => return page,
            };
        }
        page
    }

    async fn send(&mut self, mut call: Call<'_>, url: Url) -> Page {
        let mine = self
            .cookies
            .iter()
            .filter(|cookie| covers(&cookie.path, url.path()));
        let header: Vec<String> = mine
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if !header.is_empty() {
            call = call.header("cookie", &header.join("; "));
        }
        if let Some(languages) = &self.reads {
            call = call.header("accept-language", languages);
        }
        let answer = call.header("user-agent", &self.agent).send().await;
        for line in answer.headers.get_all("set-cookie") {
            self.keep(line.to_str().expect("a cookie's text"), &url);
        }
        let location = answer.header("location");
        let left_for = (answer.status.is_redirection() && !location.is_empty())
            .then(|| url.join(location).expect("Location is a URL"))
            .filter(|target| target.origin() != self.base.origin());
        Page {
            url,
            answer,
            left_for,
        }
    }

    fn keep(&mut self, line: &str, url: &Url) {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts
            .next()
            .and_then(|pair| pair.split_once('='))
            .expect("name=value");
        let attributes: Vec<(String, &str)> = parts
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        let get = |name: &str| {
            attributes
                .iter()
                .find(|(own, _)| own == name)
                .map(|(_, value)| *value)
        };
        let default = url.path().rsplit_once('/').map_or("/", |(folder, _)| folder);
        let path = get("path").unwrap_or(default).to_owned();
        self.cookies
            .retain(|cookie| cookie.name != name || cookie.path != path);
        let is_over = get("max-age").is_some_and(|age| age.parse::<i64>().is_ok_and(|age| age <= 0))
            || get("expires").is_some_and(|date| date.contains(" 1970 "));
        if !is_over {
            let (name, value, line) = (name.to_owned(), value.to_owned(), line.to_owned());
            self.cookies.push(Cookie {
                name,
                value,
                path,
                line,
            });
        }
    }

    pub fn absolute(&self, target: &str) -> Url {
        let url = match target.strip_prefix('/') {
            Some(below) => format!("{}/{below}", self.base.as_str().trim_end_matches('/')).parse(),
            None => self.base.join(target),
        };
        let url: Url = url.expect("a URL");
        // A replica answers under the issuer's address, which leads to the one that the browser is at.
        if target.starts_with('/') || url.origin() == self.base.origin() {
            return url;
        }
        let mut here = self.base.clone();
        here.set_path(url.path());
        here.set_query(url.query());
        here
    }
}

/// RFC 6265 §5.1.4.
fn covers(cookie_path: &str, path: &str) -> bool {
    path == cookie_path
        || path
            .strip_prefix(cookie_path)
            .is_some_and(|rest| cookie_path.ends_with('/') || rest.starts_with('/'))
}

/// What a page asks of the person before it.
#[derive(Clone, Debug)]
pub enum Ask {
    /// To sign in.
    SignIn(Form),
    /// To allow or deny.
    Decide(Form),
}

impl Page {
    /// The page's HTML.
    pub fn html(&self) -> String {
        self.answer.text()
    }

    /// What the page asks, if it asks anything.
    pub fn ask(&self) -> Option<Ask> {
        if self.left_for.is_some() {
            return None;
        }
        let forms = html::forms(&self.html());
        if let Some(form) = forms
            .iter()
            .find(|form| form.has("username") && form.has("password"))
        {
            return Some(Ask::SignIn(form.clone()));
        }
        let decides = |form: &&Form| form.buttons.iter().any(|(name, _)| name == "decision");
        forms.iter().find(decides).map(|form| Ask::Decide(form.clone()))
    }

    /// The sign-in form.
    #[track_caller]
    pub fn sign_in_form(&self) -> Form {
        match self.ask() {
            Some(Ask::SignIn(form)) => form,
            other => panic!("no sign-in page: {other:?} {}", self.describe()),
        }
    }

    /// The form with the `decision` buttons.
    #[track_caller]
    pub fn decision_form(&self) -> Form {
        match self.ask() {
            Some(Ask::Decide(form)) => form,
            other => panic!("no page to decide on: {other:?} {}", self.describe()),
        }
    }

    /// A parameter of the address that the browser was sent to.
    #[track_caller]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let Some(url) = &self.left_for else {
            panic!("the browser did not leave: {}", self.describe())
        };
        let mut values = url
            .query_pairs()
            .filter(|(own, _)| own == name)
            .map(|(_, value)| value.into_owned());
        let value = values.next();
        assert!(values.next().is_none(), "{name} comes twice: {url}");
        value
    }

    /// The authorization code that the browser was sent away with.
    #[track_caller]
    pub fn code(&self) -> String {
        self.parameter("code")
            .unwrap_or_else(|| panic!("no code: {}", self.describe()))
    }

    /// The error that the browser was sent away with.
    #[track_caller]
    pub fn error(&self) -> String {
        self.parameter("error")
            .unwrap_or_else(|| panic!("no error: {}", self.describe()))
    }

    /// Asserts that this is a page of the server, an error told to the person, and that nothing was redirected.
    #[track_caller]
    pub fn expect_error_page(&self, status: u16) -> &Self {
        assert!(
            self.left_for.is_none() && self.answer.header("location").is_empty(),
            "{}",
            self.describe()
        );
        assert_eq!(self.answer.status.as_u16(), status, "{}", self.describe());
        assert!(
            self.answer.header("content-type").starts_with("text/html"),
            "{}",
            self.describe()
        );
        assert!(
            self.html().contains(self.answer.header("x-correlation-id")),
            "{}",
            self.describe()
        );
        self
    }

    fn describe(&self) -> String {
        let to = self.left_for.as_ref().map_or("", Url::as_str);
        format!("{} {} -> {to}\n{}", self.url, self.answer.status, self.html())
    }
}
