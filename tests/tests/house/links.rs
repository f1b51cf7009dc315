//! Links (H12): a colleague without a key fills in the technical part of one request.

use http::Method;
use serde_json::{Value, json};
use testkit::{Answer, Call, Client, House, Store, asked};

use crate::{
    on_both_stores,
    people::{People, REQUESTS, id},
};

/// A draft of Ria's without its technical part.
async fn bare_draft(people: &People) -> Value {
    let mut wish = asked();
    for field in ["sources", "destinations", "services"] {
        wish[field] = json!([]);
    }
    let path = format!("{REQUESTS}?draft=true");
    people.ria.post(&path, &wish).await.ok()["accessRequest"].clone()
}

pub(crate) fn links(request: &Value) -> String {
    format!("{REQUESTS}/{}/links", id(request))
}

/// Makes a link and gives its page's path.
pub(crate) async fn link(who: &Client, request: &Value, wish: Value) -> String {
    let made = who.post(&links(request), &wish).await.ok();
    made["path"].as_str().unwrap().to_owned()
}

/// Somebody with a browser and no key.
pub(crate) fn stranger(house: &House) -> Client {
    Client::new(house.admin.base(), None)
}

pub(crate) fn page(answer: &Answer) -> &str {
    answer.body.as_str().unwrap_or_default()
}

/// What the page put into a hidden field.
fn hidden(answer: &Answer, name: &str) -> String {
    let page = page(answer);
    let from = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    assert!(from.is_some(), "no {name} in {page}");
    let value = from.unwrap().split('"').next().unwrap();
    value.replace("&#34;", "\"").replace("&quot;", "\"")
}

/// Sends what the page holds, with these entries.
pub(crate) async fn fill(
    colleague: &Client,
    path: &str,
    seen: &Answer,
    entries: &[(&str, &str)],
) -> Answer {
    let (version, attempt) = (hidden(seen, "version"), hidden(seen, "attempt"));
    let mut fields = vec![("version", version.as_str()), ("attempt", attempt.as_str())];
    fields.extend(entries);
    colleague.form(path, &fields).await
}

const GOOD: [(&str, &str); 5] = [
    ("name", "Ada of NetOps"),
    ("sources", "9.9.9.9"),
    ("destinations", "alma.north.example"),
    ("services", "tcp/443"),
    ("do", "send"),
];

async fn a_colleague_fills_in_the_technical_part_once_and_nothing_else(store: Store) {
    let people = People::meet(store).await;
    let draft = bare_draft(&people).await;
    let path = link(
        &people.ria,
        &draft,
        json!({"recipient": "the network department"}),
    )
    .await;
    let colleague = stranger(&people.house);

    // Opening it, however often, changes nothing: mail scanners do.
    let seen = colleague.get(&path).await;
    assert_eq!(seen.status, 200, "{}", page(&seen));
    colleague
        .send(Method::HEAD, &path, None, &Call::default())
        .await;
    colleague.get(&path).await;
    assert_eq!(people.request(&draft).await["etag"], draft["etag"]);
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-robots-tag", "noindex, nofollow, noarchive"),
    ] {
        assert_eq!(seen.headers[name], value);
    }
    let policy = seen.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );

    let other = colleague.get(&path).await;

    // A mistake is told at its field, what was typed comes back, and the link still works.
    let mistaken = fill(
        &colleague,
        &path,
        &seen,
        &[
            ("name", "Ada of NetOps"),
            ("sources", "10.0.0.7"),
            ("destinations", "alma.north.example"),
            ("services", "https"),
            ("do", "send"),
        ],
    )
    .await;
    assert_eq!(mistaken.status, 422);
    let told = page(&mistaken);
    for part in [
        "There is a problem",
        "10.0.0.7",
        "Ada of NetOps",
        "alma.north.example",
        "aria-invalid",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert_eq!(people.request(&draft).await["etag"], draft["etag"]);

    // A suggestion is taken by a button, and only looked at.
    let suggested = fill(
        &colleague,
        &path,
        &seen,
        &[
            ("sources", "9.9.9.9/24"),
            ("correct", "sources:0:9.9.9.0/24"),
            ("do", "send"),
        ],
    )
    .await;
    assert!(
        page(&suggested).contains("9.9.9.0/24</textarea>"),
        "{}",
        page(&suggested)
    );

    let sent = fill(&colleague, &path, &mistaken, &GOOD).await;
    assert_eq!(sent.status, 200, "{}", page(&sent));
    let now = people.request(&draft).await;
    assert_eq!(now["asked"]["sources"], json!(["9.9.9.9"]));
    assert_eq!(
        now["asked"]["justification"],
        draft["asked"]["justification"]
    );
    assert_eq!(now["state"], "draft", "nobody sent it on");

    // The same attempt again is the same answer; another one finds nothing.
    let again = fill(&colleague, &path, &mistaken, &GOOD).await;
    assert_eq!(again.status, 200);
    assert_eq!(fill(&colleague, &path, &other, &GOOD).await.status, 404);
    assert_eq!(colleague.get(&path).await.status, 404);

    let listed = people.ria.get(&links(&draft)).await.ok();
    let listed = &listed["links"][0];
    assert_eq!(listed["state"], "used");
    assert_eq!(listed["createdBy"]["displayName"], "Ria");
    assert!(path.contains(listed["prefix"].as_str().unwrap()));
    let token = path.trim_start_matches("/l/");
    assert!(!listed.to_string().contains(token));

    let timeline = people
        .ria
        .get(&format!("{REQUESTS}/{}/timeline", id(&draft)))
        .await
        .ok();
    let told = timeline.to_string();
    for part in [
        "A link was made for a colleague",
        "filled in by the link: the network department",
        "Ada of NetOps (by link, name not verified)",
        "link:",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let events = people.house.events(&people.ria).await;
    let ours: Vec<&Value> = events
        .iter()
        .filter(|event| event["subject"] == id(&draft))
        .collect();
    assert!(
        ours.iter()
            .any(|event| event["type"] == "portreeve.request.link_used")
    );
    let written = serde_json::to_string(&ours).unwrap();
    for private in [token, "Ada of NetOps", "network department"] {
        assert!(!written.contains(private), "{private} is in {written}");
    }
}

async fn of_two_who_send_at_once_one_wins(store: Store) {
    let people = People::meet(store).await;
    let colleague = stranger(&people.house);
    for _ in 0..5 {
        let draft = bare_draft(&people).await;
        let path = link(
            &people.ria,
            &draft,
            json!({"recipient": "NetOps", "submits": true}),
        )
        .await;
        let (one, two) = (colleague.get(&path).await, colleague.get(&path).await);
        let (one, two) = tokio::join!(
            fill(&colleague, &path, &one, &GOOD),
            fill(&colleague, &path, &two, &GOOD),
        );
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        // Whoever came second was told that the link does not work, or that the request had changed.
        assert_eq!(statuses[0], 200, "{statuses:?}");
        assert!([404, 409].contains(&statuses[1]), "{statuses:?}");
        let story = people.story_of(&draft).await;
        let used = story
            .iter()
            .filter(|kind| *kind == "request.link_used")
            .count();
        assert_eq!(used, 1, "{story:?}");
        assert_eq!(people.request(&draft).await["state"], "submitted");
    }
}

async fn used_revoked_and_unknown_links_are_one_answer_and_an_expired_one_helps(store: Store) {
    let people = People::meet(store).await;
    let draft = bare_draft(&people).await;
    let colleague = stranger(&people.house);
    let open = async |path: &str| colleague.get(path).await;
    let revoked = link(&people.ria, &draft, json!({"recipient": "one"})).await;
    let listed = people.ria.get(&links(&draft)).await.ok();
    let at = format!("{}/{}:revoke", links(&draft), id(&listed["links"][0]));
    assert_eq!(
        people.ria.post(&at, &json!({})).await.ok()["state"],
        "revoked"
    );
    people.ria.post(&at, &json!({})).await.ok();
    let used = link(&people.ria, &draft, json!({"recipient": "two"})).await;
    let seen = open(&used).await;
    assert_eq!(fill(&colleague, &used, &seen, &GOOD).await.status, 200);

    let unknown = format!("/l/prl_{}", "A".repeat(43));
    let answers = [
        open(&revoked).await,
        open(&used).await,
        open(&unknown).await,
        open("/l/").await,
    ];
    for answer in &answers {
        assert_eq!((answer.status, page(answer)), (404, page(&answers[2])));
        assert_eq!(
            answer.headers["content-security-policy"],
            answers[2].headers["content-security-policy"]
        );
    }
    let proved = colleague.form(&format!("{revoked}/source"), &[]).await;
    assert_eq!((proved.status, page(&proved)), (404, page(&answers[2])));

    let short = json!({"recipient": "three", "expireTime": (people.house.now() + jiff::SignedDuration::from_hours(1)).to_string()});
    let expiring = link(&people.ria, &draft, short).await;
    let seen = open(&expiring).await;
    people.house.advance(std::time::Duration::from_secs(3600));
    let over = open(&expiring).await;
    assert_eq!(over.status, 410);
    assert!(
        page(&over).contains("Ask the person who sent it"),
        "{}",
        page(&over)
    );
    assert_eq!(fill(&colleague, &expiring, &seen, &GOOD).await.status, 410);

    for (wish, code) in [
        (json!({"recipient": ""}), "LINK_INVALID"),
        (
            json!({"recipient": "x", "expireTime": "2026-10-01T00:00:00Z"}),
            "LINK_INVALID",
        ),
        (
            json!({"recipient": "x", "expireTime": "2027-10-01T00:00:00Z"}),
            "LINK_INVALID",
        ),
        (
            json!({"recipient": "x", "purposes": ["prove_source"], "submits": true}),
            "LINK_INVALID",
        ),
    ] {
        people
            .ria
            .post(&links(&draft), &wish)
            .await
            .refused(400, code);
    }
    let sue = people.house.key("requester", "institution:south").await;
    sue.post(&links(&draft), &json!({"recipient": "x"}))
        .await
        .refused(404, "REQUEST_NOT_FOUND");
    people
        .ann
        .post(&links(&draft), &json!({"recipient": "x"}))
        .await
        .refused(403, "FORBIDDEN");
}

async fn what_came_through_a_link_counts_as_asked_by_its_maker(store: Store) {
    let people = People::meet(store).await;
    let draft = bare_draft(&people).await;
    let admin = &people.house.admin;
    let path = link(
        admin,
        &draft,
        json!({"recipient": "NetOps", "submits": true}),
    )
    .await;
    let colleague = stranger(&people.house);
    let seen = colleague.get(&path).await;
    assert_eq!(fill(&colleague, &path, &seen, &GOOD).await.status, 200);
    let request = people.request(&draft).await;
    assert_eq!(request["state"], "submitted");
    assert_eq!(request["askedThrough"].as_array().unwrap().len(), 1);
    let claimed = people
        .on_request(admin, "claim", &request, json!({}))
        .await
        .ok();
    assert!(!claimed["allowedActions"].to_string().contains("approve"));
    people
        .on_request(admin, "approve", &claimed, json!({}))
        .await
        .refused(403, "FOUR_EYES");
    people
        .on_request(admin, "release", &claimed, json!({}))
        .await
        .ok();
    // The administrator's key owns the keys that it made; somebody who answers for themselves decides.
    let body = json!({
        "displayName": "Noor", "owner": "oidc:staff:noor",
        "bindings": [{"role": "analyst", "scope": {"product": "alma"}}],
    });
    let made = admin.post("/v1/apiKeys", &body).await.ok();
    let noor = admin.with_key(made["secret"].as_str().unwrap());
    let seen = people.request(&draft).await;
    let claimed = people
        .on_request(&noor, "claim", &seen, json!({}))
        .await
        .ok();
    people
        .on_request(&noor, "approve", &claimed, json!({}))
        .await
        .ok();
}

on_both_stores!(
    a_colleague_fills_in_the_technical_part_once_and_nothing_else,
    of_two_who_send_at_once_one_wins,
    used_revoked_and_unknown_links_are_one_answer_and_an_expired_one_helps,
    what_came_through_a_link_counts_as_asked_by_its_maker,
);
