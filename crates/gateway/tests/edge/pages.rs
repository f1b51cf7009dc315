//! The pages behind links at the edge: what is asked of intake, what headers say, what is limited, and who may read.

use axum::body::Body;
use http::Request;
use portreeve_gateway::Settings;
use proto::error::{Failure, Kind};
use proto::intake::v1::{
    FillInByLinkRequest, FillInByLinkResponse, LinkView, LookAtLinkRequest, LookAtLinkResponse,
};
use proto::types::v1::{Finding, Severity, SourceProof, Span};

use crate::house::{Answered, House, house, house_with};

const TOKEN: &str = "prl_0123456789abcdefghijABCDEFGHIJ0123456789abc";

fn view() -> LinkView {
    LinkView {
        number: "FW-2026-000123".into(),
        etag: "\"v3\"".into(),
        institution: "North <University>".into(),
        created_by: "Ada \"Marsh\"".into(),
        expires_in_words: "Tuesday 8 December 2026, 17:00 Europe/London".into(),
        fills_in: true,
        proves_source: true,
        sources: vec!["<script>alert(1)</script>".into()],
        here: Some(SourceProof {
            address: "9.9.9.9".into(),
            family: "ipv4".into(),
            ..SourceProof::default()
        }),
        ..LinkView::default()
    }
}

fn open(house: &House) {
    house.fake.answer("LookAtLink", |_| {
        Ok(LookAtLinkResponse { view: Some(view()) })
    });
}

async fn get(house: &House, path: &str) -> Answered {
    house
        .ask(Request::get(path).body(Body::empty()).unwrap())
        .await
}

async fn post(house: &House, path: &str, form: &str) -> Answered {
    let asked = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    house.ask(asked).await
}

#[tokio::test]
async fn opening_a_link_only_looks_and_tells_intake_the_hash_alone() {
    let house = house_with(Settings {
        ipv6_url: "https://v6.portreeve.example/".into(),
        ..Settings::default()
    })
    .await;
    open(&house);
    let page = get(&house, &format!("/l/{TOKEN}")).await;
    assert_eq!(page.status, 200);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex, nofollow, noarchive"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    let policy = page.header("content-security-policy");
    assert!(
        policy.ends_with("form-action 'self' https://v6.portreeve.example"),
        "{policy}"
    );
    assert!(page.header("set-cookie").is_empty());
    // What people wrote is text, never markup.
    assert!(!page.text.contains("<script"), "{}", page.text);
    assert!(
        page.text.contains("North &#60;University&#62;"),
        "{}",
        page.text
    );
    let other = format!("action=\"https://v6.portreeve.example/l/{TOKEN}/source\"");
    assert!(page.text.contains(&other), "{}", page.text);

    let asked = house.fake.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].method.as_str(), asked[0].principal.as_str()),
        ("LookAtLink", "service:gateway")
    );
    let message: LookAtLinkRequest = asked[0].read();
    let digest = service_kit::random::sha256(TOKEN.as_bytes());
    assert_eq!(message.token_sha256.as_ref(), digest.as_slice());
    assert!(!format!("{:?}", asked[0].metadata).contains(TOKEN));
}

#[tokio::test]
async fn what_was_typed_comes_back_with_what_there_is_to_say() {
    let house = house().await;
    house.fake.answer("FillInByLink", |question| {
        let message: FillInByLinkRequest = question.read();
        assert_eq!(message.sources, ["1.1.1.1", "9.9.9.9/24 and <b>"]);
        // Without a name it is only judged, so that everything is said at once.
        assert!(message.check);
        Ok(FillInByLinkResponse {
            view: Some(view()),
            findings: vec![Finding {
                code: "SRC_HOST_BITS".into(),
                severity: Severity::Error.into(),
                field: "sources[1]".into(),
                span: Some(Span { start: 0, end: 10 }),
                message: "Bits are set behind the prefix.".into(),
                suggestion: Some("9.9.9.0/24".into()),
                ..Finding::default()
            }],
            ..FillInByLinkResponse::default()
        })
    });
    let form =
        "do=send&name=&sources=1.1.1.1%0D%0A9.9.9.9%2F24+and+%3Cb%3E&version=%22v3%22&attempt=one";
    let page = post(&house, &format!("/l/{TOKEN}"), form).await;
    assert_eq!(page.status, 422);
    for part in [
        "<title>Error: ",
        "href=\"#sources\"",
        "href=\"#name\"",
        "value=\"sources:1:9.9.9.0/24 and &#60;b&#62;\"",
        "1.1.1.1\n9.9.9.9/24 and &#60;b&#62;</textarea>",
        "name=\"attempt\" value=\"one\"",
        "Enter your name",
    ] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }

    // Intake is away: nothing is lost.
    house
        .fake
        .answer("FillInByLink", |_| -> Result<FillInByLinkResponse, _> {
            Err(Failure::unavailable("away").into_status())
        });
    let page = post(&house, &format!("/l/{TOKEN}"), form).await;
    assert_eq!(page.status, 503);
    assert!(
        page.text.contains("9.9.9.9/24 and &#60;b&#62;</textarea>"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn every_refusal_is_a_page_in_plain_words() {
    let house = house().await;
    let link = format!("/l/{TOKEN}");
    for (reason, kind, status, words) in [
        ("LINK_UNKNOWN", Kind::NotFound, 404, "does not work"),
        (
            "LINK_EXPIRED",
            Kind::Precondition,
            410,
            "time of this link is over",
        ),
        ("ILLEGAL_MOVE", Kind::Precondition, 409, "moved on"),
        ("INTERNAL", Kind::Internal, 500, "not your fault"),
    ] {
        house
            .fake
            .answer("LookAtLink", move |_| -> Result<LookAtLinkResponse, _> {
                Err(Failure::new(kind, reason, "inner words").into_status())
            });
        let page = get(&house, &link).await;
        assert_eq!(page.status, status, "{reason}");
        assert!(page.text.contains(words), "{}", page.text);
        assert!(
            !page.text.contains("inner words") && !page.text.contains(TOKEN),
            "{}",
            page.text
        );
    }
    let put = Request::put(&link).body(Body::empty()).unwrap();
    let put = house.ask(put).await;
    assert_eq!((put.status, put.header("allow")), (405, "GET, HEAD, POST"));
    let json = Request::post(&link).header("content-type", "application/json");
    assert_eq!(
        house.ask(json.body(Body::from("{}")).unwrap()).await.status,
        415
    );
    let large = post(
        &house,
        &link,
        &format!("sources={}", "9".repeat(600 * 1024)),
    )
    .await;
    assert_eq!(large.status, 413);
    assert!(!large.text.contains(TOKEN));
}

#[tokio::test]
async fn a_link_and_an_address_may_ask_only_so_often() {
    let house = house_with(Settings {
        rate_per_link: 1,
        ..Settings::default()
    })
    .await;
    open(&house);
    let link = format!("/l/{TOKEN}");
    assert_eq!(
        (
            get(&house, &link).await.status,
            get(&house, &link).await.status
        ),
        (200, 200)
    );
    let refused = get(&house, &link).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert!(refused.text.contains("One moment"), "{}", refused.text);
    // Another link from the same address: whoever guesses is slow.
    let other = get(&house, "/l/prl_other").await;
    assert_eq!(other.status, 429);
    house.time.advance(std::time::Duration::from_secs(1));
    assert_eq!(get(&house, &link).await.status, 200);
}

#[tokio::test]
async fn any_page_of_the_web_may_ask_for_its_address_and_for_nothing_else() {
    let house = house().await;
    open(&house);
    let from = |method: &str, path: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .header("origin", "https://anywhere.example")
            .header("access-control-request-method", "GET")
            .body(Body::empty())
            .unwrap()
    };
    let own = house.ask(from("GET", "/v1/clientAddress")).await;
    assert_eq!(own.header("access-control-allow-origin"), "*");
    assert_eq!(own.header("access-control-allow-credentials"), "");
    let preflight = house.ask(from("OPTIONS", "/v1/clientAddress")).await;
    assert_eq!(
        (
            preflight.status,
            preflight.header("access-control-allow-origin")
        ),
        (204, "*")
    );
    let link = format!("/l/{TOKEN}");
    for path in [
        "/v1/caller",
        "/v1/institutions",
        "/livez",
        "/openapi.json",
        "/docs",
        "/errors/NOT_FOUND",
        "/nowhere",
        "/pages.css",
        link.as_str(),
    ] {
        for method in ["GET", "OPTIONS", "DELETE"] {
            let answered = house.ask(from(method, path)).await;
            for name in [
                "access-control-allow-origin",
                "access-control-allow-methods",
            ] {
                assert_eq!(answered.header(name), "", "{method} {path} {name}");
            }
        }
    }
}

#[tokio::test]
async fn the_style_is_kept_by_browsers_and_says_both_colours() {
    let house = house().await;
    let style = get(&house, "/pages.css").await;
    assert_eq!(
        (style.status, style.header("content-type")),
        (200, "text/css; charset=utf-8")
    );
    assert!(style.text.contains("prefers-color-scheme: dark"));
    let again = Request::get("/pages.css").header("if-none-match", style.header("etag"));
    assert_eq!(
        house.ask(again.body(Body::empty()).unwrap()).await.status,
        304
    );
}
