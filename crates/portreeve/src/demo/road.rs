//! The steps of the demo.
//!
//! Role: what each of the people of a house does, in order, with their own keys.
//! Invariants: nothing is assumed of the outcome of the file: whatever was accepted goes on.

use std::fs;

use domain::access::{Role, RoleBinding};
use proto::{
    intake::v1 as intake,
    types::v1::{
        AccessRequest, Asked, Contact, Grant, GrantState, RequestState, Validity, validity::End,
    },
};

use super::stage::Stage;
use crate::{
    client::{ANY_INSTITUTION, Session, empty_answer, fresh_request_id, read_grant, read_request},
    commands::{
        Context, catalogue_file,
        import::{self, ImportArgs},
        wait,
    },
    out::{self, Ink},
    show::{self, Format},
    trouble::Trouble,
};

/// The demo's institutions, servers and products.
const CATALOGUE: &str = include_str!("../../../../deploy/demo/catalogue.toml");

/// The file of requests, good, wrong and doubtful.
const REQUESTS: &str = include_str!("../../../../deploy/demo/requests.csv");

/// Shortest access that the built-in policy accepts, in seconds.
const SHORTEST_SECONDS: i64 = 60;

/// How long the short access is still open when it is recorded, in seconds.
const LEFT_SECONDS: i64 = 5;

/// The people of the demo.
struct People {
    requester: Session,
    analyst: Session,
    cloud: Session,
}

/// Walks the road.
pub(super) async fn walk(stage: &Stage) -> Result<(), Trouble> {
    let administrator = &stage.administrator;
    heading("1. An operator fills the catalogue and makes keys");
    for step in catalogue_file::parse(CATALOGUE).map_err(Trouble::Local)? {
        administrator.catalogue().apply_catalogue(step).await?;
    }
    let people = People {
        requester: key(
            administrator,
            "North and South",
            &[
                ("requester", "institution:north"),
                ("requester", "institution:south"),
            ],
        )
        .await?,
        analyst: key(administrator, "Iris, analyst", &[("analyst", "all")]).await?,
        cloud: key(administrator, "Kim, cloud", &[("cloud", "team:cloud")]).await?,
    };

    heading("2. A network team imports its file of requests: good, doubtful and wrong ones");
    let file = stage.directory.join("requests.csv");
    fs::write(&file, REQUESTS).map_err(|error| Trouble::local(file.display(), error))?;
    let context = Context {
        session: people.requester.clone(),
        format: Format::Table,
        quiet: false,
    };
    let args = ImportArgs {
        file,
        already_open: false,
        check: false,
        ignored: Vec::new(),
    };
    match import::run(&context, args).await {
        // Wrong rows are part of the file.
        Ok(()) | Err(Trouble::No(_)) => {}
        Err(trouble) => return Err(trouble),
    }

    heading("3. An analyst takes the queue, emergencies first, and decides");
    let mut approved = Vec::new();
    for (place, request) in queue(&people.analyst).await?.into_iter().enumerate() {
        let claimed = claim(&people.analyst, &request).await?;
        if place == 3 {
            ask(&people.analyst, &claimed).await?;
            continue;
        }
        approved.push(approve(&people.analyst, &claimed).await?);
    }

    heading("4. The cloud team opens the firewall and reports it");
    for request in &approved {
        for grant in wait::grants_of(&people.cloud, request).await? {
            open(&people.cloud, &grant).await?;
        }
    }

    heading(
        "5. Access that was opened a minute ago is recorded; it ends in a few seconds, by itself",
    );
    let number = record_short(administrator).await?;
    let short = read_grant(administrator, &number).await?;
    out::data(format!("{number}: {}", out::clean(&short.next_step)))?;
    let ending = until_grant(administrator, &short.id, GrantState::Ending).await?;
    out::data(format!("{number}: {}", out::clean(&ending.next_step)))?;
    close(&people.cloud, &ending).await?;
    until_grant(administrator, &short.id, GrantState::Ended).await?;

    heading("What the house holds now");
    let now = administrator.clock.now();
    let request = intake::ListAccessRequestsRequest {
        institution: ANY_INSTITUTION.into(),
        page_size: 50,
        ..intake::ListAccessRequestsRequest::default()
    };
    let found = administrator
        .requests()
        .list_access_requests(request)
        .await?
        .into_inner();
    let rows: Vec<Vec<String>> = found
        .access_requests
        .iter()
        .map(|request| {
            vec![
                request.number.clone(),
                show::enum_word("REQUEST_STATE_", request.state().as_str_name()),
                request.institution.clone(),
                request
                    .asked
                    .as_ref()
                    .map(|asked| show::list(&asked.destinations))
                    .unwrap_or_default(),
                request.next_step.clone(),
            ]
        })
        .collect();
    out::data(show::table(
        &["number", "state", "institution", "destination", "next step"],
        &rows,
    ))?;
    out::data("")?;
    let request = intake::ListGrantsRequest {
        institution: ANY_INSTITUTION.into(),
        page_size: 50,
        ..intake::ListGrantsRequest::default()
    };
    let found = administrator
        .grants()
        .list_grants(request)
        .await?
        .into_inner();
    let rows: Vec<Vec<String>> = found
        .grants
        .iter()
        .map(|grant| {
            vec![
                grant.number.clone(),
                show::enum_word("GRANT_STATE_", grant.state().as_str_name()),
                if grant.live {
                    "live".into()
                } else {
                    String::new()
                },
                show::list(&grant.sources),
                grant.destination.clone(),
                show::list(&grant.services),
                show::time(grant.expire_time.as_ref()).map_or_else(
                    || grant.expires_in_words.clone(),
                    |at| show::relative(at, now),
                ),
            ]
        })
        .collect();
    out::data(show::table(
        &[
            "number",
            "state",
            "live",
            "sources",
            "destination",
            "services",
            "ends",
        ],
        &rows,
    ))?;
    out::data("\nTry it yourself: make run, and follow what it says.")
}

fn heading(text: &str) {
    let terminal = out::stdout_is_terminal();
    // The reader that has gone away is noticed by the next line of data.
    let _ = out::data(format!("\n{}", out::ink(terminal, Ink::Bold, text)));
}

async fn key(
    administrator: &Session,
    name: &str,
    roles: &[(&str, &str)],
) -> Result<Session, Trouble> {
    let mut bindings = Vec::new();
    for (role, scope) in roles {
        let binding = RoleBinding {
            role: role.parse::<Role>().map_err(Trouble::Local)?,
            scope: scope.parse().map_err(Trouble::Local)?,
        };
        bindings.push(proto::identity::binding_to_wire(&binding));
    }
    let request = intake::CreateApiKeyRequest {
        display_name: name.into(),
        bindings,
        expire_time: None,
        request_id: fresh_request_id(),
        owner: String::new(),
    };
    let made = administrator
        .keys()
        .create_api_key(request)
        .await?
        .into_inner();
    administrator.with_key(&made.secret)
}

async fn queue(analyst: &Session) -> Result<Vec<AccessRequest>, Trouble> {
    let request = intake::ListAccessRequestsRequest {
        institution: ANY_INSTITUTION.into(),
        page_size: 50,
        states: vec![RequestState::Submitted.into()],
        order: intake::WorkOrder::Queue.into(),
        ..intake::ListAccessRequestsRequest::default()
    };
    Ok(analyst
        .requests()
        .list_access_requests(request)
        .await?
        .into_inner()
        .access_requests)
}

async fn claim(analyst: &Session, request: &AccessRequest) -> Result<AccessRequest, Trouble> {
    let message = intake::ClaimAccessRequestRequest {
        institution: request.institution.clone(),
        id: request.id.clone(),
        etag: request.etag.clone(),
        request_id: fresh_request_id(),
    };
    let answer = analyst.requests().claim_access_request(message).await?;
    answer.into_inner().access_request.ok_or_else(empty_answer)
}

async fn ask(analyst: &Session, request: &AccessRequest) -> Result<(), Trouble> {
    let message = intake::RequestInformationRequest {
        institution: request.institution.clone(),
        id: request.id.clone(),
        text: "Which machine is this, and is the address its own?".into(),
        fields: vec!["sources[0]".into()],
        answer_by_time: None,
        etag: request.etag.clone(),
        request_id: fresh_request_id(),
    };
    analyst.requests().request_information(message).await?;
    Ok(())
}

async fn approve(analyst: &Session, request: &AccessRequest) -> Result<AccessRequest, Trouble> {
    let message = intake::ApproveAccessRequestRequest {
        institution: request.institution.clone(),
        id: request.id.clone(),
        note: "As asked".into(),
        etag: request.etag.clone(),
        request_id: fresh_request_id(),
    };
    let answer = analyst.requests().approve_access_request(message).await?;
    answer.into_inner().access_request.ok_or_else(empty_answer)
}

async fn open(cloud: &Session, grant: &Grant) -> Result<(), Trouble> {
    let claim = intake::ClaimGrantRequest {
        institution: grant.institution.clone(),
        id: grant.id.clone(),
        etag: grant.etag.clone(),
        request_id: fresh_request_id(),
    };
    let claimed = cloud
        .grants()
        .claim_grant(claim)
        .await?
        .into_inner()
        .grant
        .ok_or_else(empty_answer)?;
    let complete = intake::CompleteGrantRequest {
        institution: grant.institution.clone(),
        id: grant.id.clone(),
        effective_time: None,
        note: "The rule is in place".into(),
        etag: claimed.etag,
        request_id: fresh_request_id(),
    };
    cloud.grants().complete_grant(complete).await?;
    Ok(())
}

async fn close(cloud: &Session, grant: &Grant) -> Result<(), Trouble> {
    let confirm = intake::ConfirmGrantClosedRequest {
        institution: grant.institution.clone(),
        id: grant.id.clone(),
        note: "The rule is gone".into(),
        etag: grant.etag.clone(),
        request_id: fresh_request_id(),
    };
    cloud.grants().confirm_grant_closed(confirm).await?;
    Ok(())
}

/// Records access that was opened so long ago that it ends in a few seconds; returns its request's number.
async fn record_short(administrator: &Session) -> Result<String, Trouble> {
    let since = administrator.clock.now()
        - jiff::SignedDuration::from_secs(SHORTEST_SECONDS - LEFT_SECONDS);
    let since = domain::time::Instant::from_timestamp(since);
    let asked = Asked {
        product: "alma".into(),
        sources: vec!["9.9.9.11".into()],
        destinations: vec!["alma.north.example".into()],
        services: vec!["tcp/443".into()],
        validity: Some(Validity {
            end: Some(End::Length(format!("{SHORTEST_SECONDS} seconds"))),
            start_time: None,
        }),
        justification: "A technician's check".into(),
        contact: Some(Contact {
            email: "net@north.example".into(),
            ..Contact::default()
        }),
        ..Asked::default()
    };
    let row = intake::OpenAccess {
        external_id: "demo-short".into(),
        institution: "north".into(),
        asked: Some(asked),
        effective_time: Some(proto::convert::instant_to_wire(since)),
    };
    let request = intake::ImportGrantsRequest {
        rows: vec![row],
        validate_only: false,
    };
    let answer = administrator
        .grants()
        .import_grants(request)
        .await?
        .into_inner();
    let outcome = answer
        .outcomes
        .into_iter()
        .next()
        .ok_or_else(empty_answer)?;
    if outcome.imported {
        return Ok(outcome.number);
    }
    let findings = proto::convert::findings_from_wire(outcome.findings);
    Err(Trouble::Local(format!(
        "the short access was not recorded ({}): {}",
        outcome.reason,
        show::findings(&findings, None, false)
    )))
}

/// Waits until the grant is in `state` or beyond it, by its events.
async fn until_grant(session: &Session, id: &str, state: GrantState) -> Result<Grant, Trouble> {
    use crate::client::{Follow, head_cursor};
    use proto::{notification::v1::WatchEventsRequest, types::v1::EventFilter};
    let subject = read_request(session, &read_grant(session, id).await?.access_request)
        .await?
        .id;
    let filter = EventFilter {
        subject,
        ..EventFilter::default()
    };
    let watch = WatchEventsRequest {
        cursor: head_cursor(session, filter.clone()).await?,
        filter: Some(filter),
        ..WatchEventsRequest::default()
    };
    let mut events = Follow::start(session, watch).await?;
    loop {
        let grant = read_grant(session, id).await?;
        if grant.state() == state || grant.state() == GrantState::Ended {
            return Ok(grant);
        }
        while events.next().await?.events.is_empty() {}
    }
}
