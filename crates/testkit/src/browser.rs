//! A real browser without a window: Chromium, driven over WebDriver.
//!
//! Role: opens pages as people do: with or without JavaScript, in a wide or a narrow window, light or dark, and with the
//! keyboard alone if the test wants it. `chromedriver` speaks WebDriver; a few of its commands are all that is needed.
//! Invariants: a driver, a profile and a browser for each [`Browser`]; all of them end with it.
//! Failure story: a missing program is a panic with the command that installs it; a command that the driver refuses is
//! one with what it said.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use crate::until;

/// What identifies an element in WebDriver.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The Tab key, as WebDriver spells it.
pub const TAB: char = '\u{e004}';
/// The Enter key.
pub const ENTER: char = '\u{e007}';
/// The Shift key.
pub const SHIFT: char = '\u{e008}';

/// How a browser is to be.
#[derive(Debug, Clone, Copy)]
pub struct BrowserOptions {
    /// Whether pages may run scripts.
    pub javascript: bool,
    /// The window's width and height.
    pub window: (u32, u32),
    /// Whether the system prefers dark colours.
    pub dark: bool,
}

impl Default for BrowserOptions {
    fn default() -> Self {
        Self {
            javascript: false,
            window: (1200, 900),
            dark: false,
        }
    }
}

/// A running browser with one window.
pub struct Browser {
    driver: Child,
    session: String,
    pool: Pool<HttpConnector, Full<Bytes>>,
    _profile: tempfile::TempDir,
}

/// Something on the page.
#[derive(Debug, Clone)]
pub struct Element(String);

impl Browser {
    /// Starts a browser.
    ///
    /// # Panics
    /// Where Chromium or its driver is missing, with the command that installs them.
    pub async fn start(options: BrowserOptions) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("chromedriver cannot be started ({error}); install it: sudo apt-get install -y chromium chromium-driver")
            });
        let port = port(&mut driver);
        let profile = tempfile::tempdir().expect("a directory for the browser's profile");
        let (width, height) = options.window;
        let mut arguments = vec![
            "--headless=new".to_owned(),
            // Tests run as root in containers, where the sandbox cannot.
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            "--force-device-scale-factor=1".to_owned(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        if options.dark {
            arguments.push("--force-dark-mode".to_owned());
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let scripts = if options.javascript { 1 } else { 2 };
        let wish = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": {"profile.managed_default_content_settings.javascript": scripts},
            },
        }}});
        let mut browser = Self {
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
            pool: Pool::builder(TokioExecutor::new()).build(HttpConnector::new()),
            _profile: profile,
        };
        let made = browser.command(Method::POST, "", &wish).await;
        let id = made["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    async fn command(&self, method: Method, path: &str, body: &Value) -> Value {
        match self.attempt(method, path, body).await {
            Ok(value) => value,
            Err(said) => panic!("the browser refused {path}: {said}"),
        }
    }

    async fn attempt(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let bytes = if method == Method::POST {
            body.to_string()
        } else {
            String::new()
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.session))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(bytes)))
            .expect("a request of our own");
        let response = self
            .pool
            .request(request)
            .await
            .map_err(|error| error.to_string())?;
        let good = response.status().is_success();
        let bytes = response
            .into_body()
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if good {
            Ok(answer["value"].clone())
        } else {
            Err(answer["value"]["message"]
                .as_str()
                .unwrap_or("?")
                .to_owned())
        }
    }

    /// Opens an address and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.command(Method::POST, "/url", &json!({ "url": url }))
            .await;
    }

    /// The title of the page.
    pub async fn title(&self) -> String {
        text(&self.command(Method::GET, "/title", &Value::Null).await)
    }

    /// The source of the page as it is now.
    pub async fn source(&self) -> String {
        text(&self.command(Method::GET, "/source", &Value::Null).await)
    }

    /// The first element that a CSS selector finds.
    ///
    /// # Panics
    /// When there is none.
    pub async fn find(&self, selector: &str) -> Element {
        let wish = json!({"using": "css selector", "value": selector});
        let found = self.command(Method::POST, "/element", &wish).await;
        Element(text(&found[ELEMENT]))
    }

    /// How many elements a CSS selector finds.
    pub async fn count(&self, selector: &str) -> usize {
        let wish = json!({"using": "css selector", "value": selector});
        let found = self.command(Method::POST, "/elements", &wish).await;
        found.as_array().map_or(0, Vec::len)
    }

    /// The element that has the focus.
    pub async fn focused(&self) -> Element {
        let found = self
            .command(Method::GET, "/element/active", &Value::Null)
            .await;
        Element(text(&found[ELEMENT]))
    }

    /// What an element says, as a person sees it.
    pub async fn text(&self, element: &Element) -> String {
        let path = format!("/element/{}/text", element.0);
        text(&self.command(Method::GET, &path, &Value::Null).await)
    }

    /// An attribute of an element; empty when it has none.
    pub async fn attribute(&self, element: &Element, name: &str) -> String {
        let path = format!("/element/{}/attribute/{name}", element.0);
        text(&self.command(Method::GET, &path, &Value::Null).await)
    }

    /// A property of an element, such as the `value` of a field.
    pub async fn property(&self, element: &Element, name: &str) -> String {
        let path = format!("/element/{}/property/{name}", element.0);
        text(&self.command(Method::GET, &path, &Value::Null).await)
    }

    /// The computed value of a CSS property.
    pub async fn css(&self, element: &Element, name: &str) -> String {
        let path = format!("/element/{}/css/{name}", element.0);
        text(&self.command(Method::GET, &path, &Value::Null).await)
    }

    /// What assistive technology calls an element.
    pub async fn label(&self, element: &Element) -> String {
        let path = format!("/element/{}/computedlabel", element.0);
        text(&self.command(Method::GET, &path, &Value::Null).await)
    }

    /// Clicks an element.
    pub async fn click(&self, element: &Element) {
        let path = format!("/element/{}/click", element.0);
        self.command(Method::POST, &path, &json!({})).await;
    }

    /// Empties a field and types into it.
    pub async fn fill(&self, element: &Element, words: &str) {
        let path = format!("/element/{}", element.0);
        self.command(Method::POST, &format!("{path}/clear"), &json!({}))
            .await;
        self.command(
            Method::POST,
            &format!("{path}/value"),
            &json!({ "text": words }),
        )
        .await;
    }

    /// Presses keys one after the other, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let presses: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}))
            })
            .collect();
        let wish = json!({"actions": [{"type": "key", "id": "keyboard", "actions": presses}]});
        self.command(Method::POST, "/actions", &wish).await;
    }

    /// Presses Enter where the focus is, and waits until another page has taken the place of this one: the driver may
    /// answer before the browser has begun to load it.
    ///
    /// # Panics
    /// When the page stays.
    pub async fn enter(&self) {
        let page = self.find("html").await;
        self.press(&ENTER.to_string()).await;
        let path = format!("/element/{}/name", page.0);
        until("another page", async || {
            let known = self.attempt(Method::GET, &path, &Value::Null).await;
            known.is_err()
        })
        .await;
    }

    /// Goes to the tab that was opened last.
    pub async fn last_tab(&self) {
        let tabs = self
            .command(Method::GET, "/window/handles", &Value::Null)
            .await;
        let last = tabs.as_array().and_then(|tabs| tabs.last()).cloned();
        self.command(Method::POST, "/window", &json!({ "handle": last }))
            .await;
    }

    /// How many tabs are open.
    pub async fn tabs(&self) -> usize {
        let tabs = self
            .command(Method::GET, "/window/handles", &Value::Null)
            .await;
        tabs.as_array().map_or(0, Vec::len)
    }

    /// The width of the page and of the window that shows it: wider means that one has to scroll sideways.
    pub async fn widths(&self) -> (u64, u64) {
        let html = self.find("html").await;
        let number = |text: String| text.parse().unwrap_or_default();
        let path = |name: &str| format!("/element/{}/property/{name}", html.0);
        let scroll = self
            .command(Method::GET, &path("scrollWidth"), &Value::Null)
            .await;
        let client = self
            .command(Method::GET, &path("clientWidth"), &Value::Null)
            .await;
        (number(scroll.to_string()), number(client.to_string()))
    }

    /// Keeps a picture of the window where `PORTREEVE_SCREENSHOTS` names a directory: for looking at while developing.
    pub async fn picture(&self, name: &str) {
        let Some(directory) = std::env::var_os("PORTREEVE_SCREENSHOTS") else {
            return;
        };
        let taken = self.command(Method::GET, "/screenshot", &Value::Null).await;
        let bytes = STANDARD.decode(text(&taken)).expect("a picture");
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(Path::new(&directory).join(format!("{name}.png")), bytes)
            .expect("a file of our own");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when it is asked to; a killed one would leave it behind.
        let _ = end(&self.session);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Asks the driver to end the session and waits for its answer.
fn end(session: &str) -> std::io::Result<usize> {
    let address = session.trim_start_matches("http://");
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let mut line = std::net::TcpStream::connect(host)?;
    line.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        line,
        "DELETE /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    line.read(&mut [0; 64])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The port that the driver says it listens on.
fn port(driver: &mut Child) -> u16 {
    let output = driver.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(output).lines();
    let port = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            line.split_once("started successfully on port ")
                .and_then(|(_, rest)| rest.trim_end_matches('.').parse().ok())
        })
        .expect("chromedriver says where it listens");
    // Read on, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    port
}
