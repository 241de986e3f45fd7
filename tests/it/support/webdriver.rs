//! A real browser: Chromium, through the WebDriver protocol of its driver.

use super::http::{Answer, Http};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

/// The member under which WebDriver names an element (W3C WebDriver §12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser window. Driver and browser go with it.
pub struct Chromium {
    driver: Child,
    http: Http,
    session: String,
}

/// An element of a page.
pub struct Element(String);

impl Chromium {
    /// Starts one; `None`, said loudly, where Chromium's driver is not installed (`scripts/test` installs it).
    pub async fn start(javascript: bool) -> Option<Self> {
        static SAID: Once = Once::new();
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = started else {
            SAID.call_once(|| {
                let _ = writeln!(
                    std::io::stderr(),
                    "left out: all tests in Chromium, because there is no chromedriver (scripts/test installs it)"
                );
            });
            return None;
        };
        let output = BufReader::new(driver.stdout.take().expect("it is piped"));
        let port = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split("successfully on port ")
                    .nth(1)?
                    .trim_end_matches('.')
                    .parse::<u16>()
                    .ok()
            })
            .expect("the driver says its port");
        let http = Http::new(&format!("http://127.0.0.1:{port}"));
        let preferences = if javascript {
            json!({})
        } else {
            json!({"profile.default_content_setting_values.javascript": 2})
        };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--lang=en",
        ];
        let options = json!({"args": arguments, "prefs": preferences});
        let capabilities = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let answer = http
            .post("/session")
            .json(&capabilities)
            .send()
            .await
            .expect(200)
            .json();
        let session = format!(
            "/session/{}",
            answer["value"]["sessionId"].as_str().expect("a session")
        );
        Some(Self {
            driver,
            http,
            session,
        })
    }

    /// Empties the element of a selector.
    pub async fn clear(&self, selector: &str) {
        let Element(id) = self.find(selector).await;
        self.post(&format!("/element/{id}/clear"), &json!({})).await;
    }

    /// Goes to an address.
    pub async fn go(&self, url: &str) {
        self.post("/url", &json!({"url": url})).await;
    }

    /// Where it is.
    pub async fn url(&self) -> String {
        self.get("/url").await.as_str().expect("an address").to_owned()
    }

    /// The HTML that it shows.
    pub async fn source(&self) -> String {
        self.get("/source").await.as_str().expect("a page").to_owned()
    }

    /// The element of a CSS selector; waits for it.
    pub async fn find(&self, selector: &str) -> Element {
        for _ in 0..100 {
            if let Some(element) = self.find_now(selector).await {
                return element;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "there is no {selector} at {}: {}",
            self.url().await,
            self.source().await
        );
    }

    /// The element of a selector, if it is there now.
    pub async fn find_now(&self, selector: &str) -> Option<Element> {
        let locator = json!({"using": "css selector", "value": selector});
        let answer = self.try_post("/element", &locator).await;
        answer.json()["value"][ELEMENT]
            .as_str()
            .map(|id| Element(id.to_owned()))
    }

    /// Types into the element of a selector.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let Element(id) = self.find(selector).await;
        self.post(&format!("/element/{id}/value"), &json!({"text": text}))
            .await;
    }

    /// Clicks the element of a selector.
    pub async fn click(&self, selector: &str) {
        let Element(id) = self.find(selector).await;
        self.post(&format!("/element/{id}/click"), &json!({})).await;
    }

    /// Waits until the address begins so, and gives it.
    pub async fn arrives_at(&self, prefix: &str) -> String {
        for _ in 0..100 {
            let url = self.url().await;
            if url.starts_with(prefix) {
                return url;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "it did not arrive at {prefix} but at {}: {}",
            self.url().await,
            self.source().await
        );
    }

    /// Runs the body of an async function in the page with `arguments` as its parameter; its result, or the text of what it
    /// threw under `thrown`.
    pub async fn run(&self, body: &str, arguments: &Value) -> Value {
        let script = format!(
            "const done = arguments[1]; (async (parameters) => {{ {body} }})(arguments[0]).then(done, error => done({{thrown: String(error)}}))"
        );
        self.post("/execute/async", &json!({"script": script, "args": [arguments]}))
            .await
    }

    /// Sends a command of the DevTools protocol and gives its result.
    pub async fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.post("/goog/cdp/execute", &body).await
    }

    /// Shows its page in a colour scheme and a width, and moves nothing while colours change.
    pub async fn shows_in(&self, scheme: &str, width: u32) {
        let phone = width < 500;
        let height = if phone { 844 } else { 800 };
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics)
            .await;
        let features = json!({"features": [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.devtools("Emulation.setEmulatedMedia", &features).await;
    }

    /// Waits until it has left for a host, whether anybody answers there or not.
    pub async fn leaves_for(&self, host: &str) {
        for _ in 0..100 {
            if self.url().await.contains(&format!("//{host}")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it did not leave for {host} but is at {}", self.url().await);
    }

    /// Presses keys one after the other, whatever has the focus.
    pub async fn press(&self, keys: &str) {
        let press = |key: char| {
            let value = key.to_string();
            [
                json!({"type": "keyDown", "value": value}),
                json!({"type": "keyUp", "value": value}),
            ]
        };
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.post("/actions", &json!({"actions": [keyboard]})).await;
    }

    /// An attribute or property of the element that has the focus; empty where it has none.
    pub async fn focused(&self, name: &str) -> String {
        let active = self.get("/element/active").await;
        let id = active[ELEMENT].as_str().expect("something has the focus");
        let value = self.get(&format!("/element/{id}/attribute/{name}")).await;
        value.as_str().unwrap_or_default().to_owned()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(&format!("{}{path}", self.session)).send().await;
        answer.expect(200).json()["value"].clone()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.try_post(path, body).await.expect(200).json()["value"].clone()
    }

    async fn try_post(&self, path: &str, body: &Value) -> Answer {
        self.http
            .post(&format!("{}{path}", self.session))
            .json(body)
            .send()
            .await
    }

    /// Ends the browser in order.
    pub async fn quit(self) {
        let _ = self
            .http
            .call(reqwest::Method::DELETE, &self.session)
            .send()
            .await;
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
