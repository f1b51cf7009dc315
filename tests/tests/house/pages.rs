//! The pages behind links, as people meet them: in a real Chromium, without JavaScript, with the keyboard alone, in wide
//! and narrow windows, light and dark; and through a load balancer that speaks the PROXY protocol.

use std::net::SocketAddr;

use serde_json::{Value, json};
use testkit::{Browser, BrowserOptions, Client, ENTER, House, Store, TAB, asked, catalogue};
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpSocket},
};

use crate::people::{REQUESTS, id};

/// The narrowest window that a browser has, and a usual one.
const NARROW: (u32, u32) = (500, 900);

struct Scene {
    house: House,
    ria: Client,
    draft: Value,
}

impl Scene {
    async fn set(given: &[(&str, &str)]) -> Self {
        let mut settings = vec![("gateway.rate-per-link", "0")];
        settings.extend(given);
        let house = House::empty(Store::Sqlite, &settings).await;
        house
            .admin
            .post("/v1/catalogue:apply", &catalogue())
            .await
            .ok();
        let ria = house
            .named_key("Ria Novak", "requester", "institution:north")
            .await;
        let mut wish = asked();
        for field in ["sources", "destinations", "services"] {
            wish[field] = json!([]);
        }
        let path = format!("{REQUESTS}?draft=true");
        let draft = ria.post(&path, &wish).await.ok()["accessRequest"].clone();
        Self { house, ria, draft }
    }

    async fn link(&self, wish: &Value) -> String {
        let path = format!("{REQUESTS}/{}/links", id(&self.draft));
        let made = self.ria.post(&path, wish).await.ok();
        made["path"].as_str().unwrap().to_owned()
    }

    async fn request(&self) -> Value {
        self.ria
            .get(&format!("{REQUESTS}/{}", id(&self.draft)))
            .await
            .ok()
    }
}

/// Tabs on until the element with this accessible name has the focus.
async fn tab_to(browser: &Browser, label: &str) {
    let mut met = Vec::new();
    while met.last().is_none_or(|name| name != label) {
        assert!(
            met.len() < 40,
            "'{label}' is not reached by Tab; met {met:?}"
        );
        browser.press(&TAB.to_string()).await;
        met.push(browser.label(&browser.focused().await).await);
    }
    let focused = browser.focused().await;
    let outline = browser.css(&focused, "outline-style").await;
    assert_ne!(outline, "none", "the focus on '{label}' is not visible");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_technical_part_is_filled_in_without_scripts_and_by_keyboard_alone() {
    let scene = Scene::set(&[]).await;
    let path = scene
        .link(&json!({"recipient": "the network department", "purposes": ["fill_in"]}))
        .await;
    let url = format!("{}{path}", scene.house.admin.base());
    let browser = Browser::start(BrowserOptions::default()).await;
    browser.open(&url).await;
    browser.picture("1-first-seen").await;
    assert!(
        browser
            .title()
            .await
            .starts_with("Fill in the technical part of FW-")
    );
    let html = browser.find("html").await;
    assert_eq!(browser.attribute(&html, "lang").await, "en");
    assert_eq!(browser.count("script").await, 0);

    // In reading order: skip link, the three lists, the name, the buttons.
    tab_to(&browser, "Source addresses").await;
    browser.press("10.1.2.3").await;
    browser.press(&ENTER.to_string()).await;
    browser.press("9.9.9.9/24").await;
    tab_to(&browser, "Hosted servers").await;
    browser.press("alma.north.example").await;
    tab_to(&browser, "Ports").await;
    browser.press("tcp/443").await;
    tab_to(&browser, "Send").await;
    browser.enter().await;

    // Everything that is wrong is said at once: above, with links to the fields, and at the fields.
    browser.picture("2-mistakes").await;
    assert!(browser.title().await.starts_with("Error: "));
    let focused = browser.focused().await;
    assert!(
        browser
            .text(&focused)
            .await
            .starts_with("There is a problem")
    );
    let first = browser.find(".summary a[href='#sources']").await;
    assert!(browser.text(&first).await.contains("10.1.2.3"));
    assert!(browser.count(".summary a[href='#name']").await == 1);
    browser.press(&TAB.to_string()).await;
    browser.press(&ENTER.to_string()).await;
    let sources = browser.find("#sources").await;
    assert_eq!(
        browser.attribute(&browser.focused().await, "id").await,
        "sources"
    );
    assert_eq!(browser.attribute(&sources, "aria-invalid").await, "true");
    let described = browser.attribute(&sources, "aria-describedby").await;
    assert_eq!(described, "sources-hint sources-notes");
    assert_eq!(
        browser.property(&sources, "value").await,
        "10.1.2.3\n9.9.9.9/24"
    );

    // Corrections are buttons.
    let label = browser
        .text(&browser.find("button[value='sources:1:9.9.9.0/24']").await)
        .await;
    assert_eq!(label, "Use 9.9.9.0/24 instead");
    browser
        .click(&browser.find("button[value='sources:1:9.9.9.0/24']").await)
        .await;
    let sources = browser.find("#sources").await;
    assert_eq!(
        browser.property(&sources, "value").await,
        "10.1.2.3\n9.9.9.0/24"
    );
    browser.picture("3-corrected").await;

    browser.fill(&sources, "9.9.9.9").await;
    browser
        .fill(&browser.find("#name").await, "Ada of NetOps")
        .await;
    // Enter in a line of text looks, and never sends.
    browser.enter().await;
    browser.picture("4-checked").await;
    assert_eq!(scene.request().await["asked"]["sources"], json!([]));
    assert_eq!(
        browser
            .property(&browser.find("#name").await, "value")
            .await,
        "Ada of NetOps"
    );
    tab_to(&browser, "Send").await;
    browser.enter().await;
    browser.picture("5-sent").await;
    assert!(
        browser.title().await.starts_with("Sent"),
        "{}",
        browser.source().await
    );
    assert_eq!(
        scene.request().await["asked"]["sources"],
        json!(["9.9.9.9"])
    );

    browser.open(&url).await;
    browser.picture("6-used").await;
    assert!(browser.title().await.starts_with("This link does not work"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_fit_a_narrow_window_and_follow_the_systems_colours() {
    let scene = Scene::set(&[]).await;
    let path = scene
        .link(&json!({"recipient": "the network department with a rather long name"}))
        .await;
    let url = format!("{}{path}", scene.house.admin.base());
    let mut grounds = Vec::new();
    for dark in [false, true] {
        let options = BrowserOptions {
            javascript: true,
            window: NARROW,
            dark,
        };
        let browser = Browser::start(options).await;
        browser.open(&url).await;
        let long = "a-very-long-host-name-that-nobody-can-break.".repeat(4);
        browser
            .fill(&browser.find("#destinations").await, &long)
            .await;
        browser.click(&browser.find("#send").await).await;
        browser.picture(&format!("7-narrow-{dark}")).await;
        let (page, window) = browser.widths().await;
        assert!(page <= window, "{page} in a window of {window}");
        let body = browser.find("body").await;
        grounds.push(browser.css(&body, "background-color").await);
        assert!(browser.count("[aria-invalid]").await > 0);
    }
    assert_ne!(grounds[0], grounds[1], "dark is another colour than light");
}

/// A load balancer: passes connections on, with a header that names `client`. It has an address of its own.
fn balance(listener: TcpListener, gateway: &str, client: SocketAddr) {
    let gateway: SocketAddr = gateway.trim_start_matches("http://").parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            tokio::spawn(async move {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
                let mut outer = socket.connect(gateway).await.unwrap();
                outer.write_all(&header(client)).await.unwrap();
                // Whoever hangs up first ends it.
                let _ = copy_bidirectional(&mut inner, &mut outer).await;
            });
        }
    });
}

/// A free port of this machine, and its URL.
async fn door() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// The PROXY protocol, version 2, as the specification draws it.
fn header(client: SocketAddr) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    let (family, mut rest) = match client {
        SocketAddr::V4(client) => (0x11, [client.ip().octets(), [127, 0, 0, 1]].concat()),
        SocketAddr::V6(client) => (0x21, [client.ip().octets(), [0; 16]].concat()),
    };
    rest.extend(client.port().to_be_bytes());
    rest.extend(443_u16.to_be_bytes());
    bytes.push(family);
    bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    bytes.extend(rest);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_proved_in_each_family_through_a_balancer() {
    let ((four, four_url), (six, six_url)) = (door().await, door().await);
    let scene = Scene::set(&[
        ("gateway.proxy-protocol-from", "127.0.0.2"),
        ("gateway.ipv6-url", &six_url),
    ])
    .await;
    let gateway = scene.house.admin.base();
    balance(four, gateway, "9.9.9.9:4711".parse().unwrap());
    balance(six, gateway, "[2620:fe::fe]:4711".parse().unwrap());

    let path = scene.link(&json!({"recipient": "the branch office"})).await;
    let browser = Browser::start(BrowserOptions::default()).await;
    browser.open(&format!("{four_url}{path}")).await;
    browser.picture("8-where-you-are").await;
    let section = browser.text(&browser.find("section.source").await).await;
    assert!(
        section.contains("Portreeve sees you at 9.9.9.9 (IPv4)"),
        "{section}"
    );

    // The form is begun; proving in another tab loses nothing of it.
    browser.fill(&browser.find("#name").await, "Ada").await;
    tab_to(&browser, "Record 9.9.9.9 (opens a new tab)").await;
    browser.press(&ENTER.to_string()).await;
    testkit::until("the new tab is there", async || browser.tabs().await == 2).await;
    browser.last_tab().await;
    testkit::until("the new tab is loaded", async || {
        !browser.title().await.is_empty()
    })
    .await;
    browser.picture("9-recorded").await;
    let title = browser.title().await;
    assert!(title.starts_with("9.9.9.9 is recorded"), "{title}");
    // The other family, from here, without scripts.
    browser
        .click(&browser.find("main form:last-of-type button").await)
        .await;
    browser.picture("10-other-family").await;
    let title = browser.title().await;
    assert!(title.starts_with("2620:fe::fe is recorded"), "{title}");
    // It is not among the sources: a button puts it there, in the form.
    browser
        .click(&browser.find("button[name='use']").await)
        .await;
    let sources = browser
        .property(&browser.find("#sources").await, "value")
        .await;
    assert_eq!(sources, "2620:fe::fe");
    browser.picture("11-used").await;

    let proofs = scene.request().await["sourceProofs"].clone();
    let told: Vec<&str> = proofs
        .as_array()
        .unwrap()
        .iter()
        .map(|proof| proof["address"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["9.9.9.9", "2620:fe::fe"]);
}
