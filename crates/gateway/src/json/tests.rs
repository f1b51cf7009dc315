//! The codec against the generated messages: what is read is what prost reads, what is written reads as JSON.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use prost::Message as _;
use proto::cloudevents::v1::CloudEvent;
use proto::cloudevents::v1::cloud_event::cloud_event_attribute_value::Attr;
use proto::cloudevents::v1::cloud_event::{CloudEventAttributeValue, Data};
use proto::intake::v1::{ListGrantsRequest, UpdateAccessRequestRequest};
use proto::types::v1::{
    AccessRequest, Asked, Contact, Finding, Grant, RequestState, Span, TimelineEntry, Validity,
    validity,
};
use serde_json::{Value, json};

use super::body::Reader;
use super::read::{FieldError, Place};
use super::schema::{MessageId, Schema};
use super::{query, write};

mod mutated;

fn plan(name: &str) -> (Schema, MessageId) {
    let mut schema = Schema::default();
    let descriptor = proto::descriptors().get_message_by_name(name).unwrap();
    let id = schema.add(&descriptor).unwrap();
    (schema, id)
}

fn read(name: &str, value: &Value) -> Result<Vec<u8>, Vec<FieldError>> {
    let read = read_text(name, value.to_string().as_bytes());
    // A value is read as its text is.
    let (schema, id) = plan(name);
    let mut out = Vec::new();
    let mut reader = Reader::new(&schema);
    reader.value(id, value, &mut out);
    assert_eq!(
        read.as_ref().err(),
        Some(&reader.into_errors()).filter(|errors| !errors.is_empty())
    );
    assert!(read.as_ref().is_err() || read.as_ref() == Ok(&out));
    read
}

fn read_text(name: &str, text: &[u8]) -> Result<Vec<u8>, Vec<FieldError>> {
    let (schema, id) = plan(name);
    let mut out = Vec::new();
    let mut reader = Reader::new(&schema);
    reader.text(id, text, &[], &mut out).unwrap();
    let errors = reader.into_errors();
    if errors.is_empty() {
        Ok(out)
    } else {
        Err(errors)
    }
}

fn written(name: &str, bytes: &[u8]) -> Value {
    let (schema, id) = plan(name);
    let mut out = Vec::new();
    write::message(&schema, id, bytes, &mut out).unwrap();
    assert!(!out.contains(&b'\n'));
    serde_json::from_slice(&out).unwrap()
}

fn told(errors: &[FieldError]) -> Vec<(String, String)> {
    let mut told: Vec<(String, String)> = errors
        .iter()
        .map(|error| {
            let place = match &error.place {
                Place::Body(pointer) => pointer.clone(),
                Place::Parameter(name) => format!("?{name}"),
                Place::Header(name) => format!("header {name}"),
            };
            (place, error.detail.clone())
        })
        .collect();
    told.sort();
    told
}

#[test]
fn a_body_is_read_as_the_message_it_spells() {
    let body = json!({
        "direction": "to_hosted",
        "product": "catalogue",
        "crossProduct": false,
        "sources": ["9.9.9.9", "149.112.112.112 # office"],
        "destinations": ["catalogue.northbridge.example"],
        "services": ["tcp/443"],
        "validity": {"length": "14 days", "startTime": "2026-12-01T08:00:00+01:00"},
        "emergency_reason": "the proto's own spelling is understood",
        "justification": null,
        "contact": {"email": "zoë@northbridge.example"},
    });
    let bytes = read("portreeve.type.v1.Asked", &body).unwrap();
    let asked = Asked::decode(bytes.as_slice()).unwrap();
    let expected = Asked {
        direction: 1,
        product: "catalogue".into(),
        sources: vec!["9.9.9.9".into(), "149.112.112.112 # office".into()],
        destinations: vec!["catalogue.northbridge.example".into()],
        services: vec!["tcp/443".into()],
        validity: Some(Validity {
            start_time: Some(prost_types::Timestamp {
                seconds: 1_796_108_400,
                nanos: 0,
            }),
            end: Some(validity::End::Length("14 days".into())),
        }),
        emergency_reason: "the proto's own spelling is understood".into(),
        contact: Some(Contact {
            email: "zoë@northbridge.example".into(),
            ..Contact::default()
        }),
        ..Asked::default()
    };
    assert_eq!(asked, expected);
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let body = json!({
        "sorces": ["9.9.9.9"],
        "direction": "to_hostd",
        "product": 7,
        "crossProduct": "yes",
        "destinations": "catalogue.northbridge.example",
        "services": ["tcp/443", 443, null],
        "validity": {"length": "1h", "permanent": {}, "startTime": "tomorrow", "a/b": 1},
        "contact": [],
    });
    let errors = read("portreeve.type.v1.Asked", &body).unwrap_err();
    let expected = [
        ("/contact", "write an object, not a list"),
        ("/crossProduct", "write true or false, not a text"),
        ("/destinations", "write a list, not a text"),
        ("/direction", "'to_hostd' is none of to_hosted, to_local"),
        ("/product", "write a text in quotes, not a number"),
        ("/services/1", "write a text in quotes, not a number"),
        ("/services/2", "write a text in quotes, not null"),
        ("/sorces", "unknown field 'sorces': did you mean 'sources'?"),
        ("/validity/a~1b", "unknown field 'a/b'"),
        (
            "/validity/permanent",
            "give only one of length and permanent",
        ),
        (
            "/validity/startTime",
            "write an instant with its offset (RFC 3339), as in \"2026-12-18T17:00:00Z\"",
        ),
    ];
    let expected: Vec<(String, String)> = expected
        .map(|(place, detail)| (place.to_owned(), detail.to_owned()))
        .into();
    assert_eq!(told(&errors), expected);
    let suggestion = |place: &str| {
        let found = errors.iter().find(|e| e.place == Place::Body(place.into()));
        found.unwrap().suggestion.clone().unwrap()
    };
    assert_eq!(suggestion("/sorces"), "sources");
    assert_eq!(suggestion("/direction"), "to_hosted");
}

#[test]
fn a_member_that_is_given_twice_is_a_mistake() {
    let text = br#"{"product": "alma", "product": "rosetta", "contact": {"email": "a", "email": null},
        "emergencyReason": "x", "emergency_reason": "y", "validity": {"length": "1h", "length": "2h"}}"#;
    let errors = read_text("portreeve.type.v1.Asked", text).unwrap_err();
    let twice = "this is given twice; give it once".to_owned();
    let expected = [
        "/contact/email",
        "/emergency_reason",
        "/product",
        "/validity/length",
    ]
    .map(|place| (place.to_owned(), twice.clone()));
    assert_eq!(told(&errors), expected);
}

#[test]
fn what_is_no_json_is_told_where() {
    let (schema, id) = plan("portreeve.type.v1.Asked");
    for text in [
        "",
        "{",
        "{\"product\": }",
        "{} {}",
        "{\"product\": \"\u{1}\"}",
        "nul",
    ] {
        let mut reader = Reader::new(&schema);
        let read = reader.text(id, text.as_bytes(), &[], &mut Vec::new());
        assert!(read.is_err(), "{text}");
    }
    let deep = [b"{\"contact\":".repeat(500), b"}".repeat(500)].concat();
    assert!(
        Reader::new(&schema)
            .text(id, &deep, &[], &mut Vec::new())
            .is_err()
    );
}

#[test]
fn what_is_read_stays_bounded() {
    let many = Value::Object(
        (0..5000)
            .map(|index| (format!("x{index}"), Value::Null))
            .collect(),
    );
    let errors = read("portreeve.type.v1.Asked", &many).unwrap_err();
    assert_eq!(errors.len(), super::read::MAX_ERRORS);
    let long = json!({"x".repeat(100_000): 1});
    let errors = read("portreeve.type.v1.Asked", &long).unwrap_err();
    assert!(errors[0].detail.len() < 300, "{}", errors[0].detail);
}

#[test]
fn numbers_of_64_bits_are_texts_and_lists_booleans_and_numbers_are_always_there() {
    let entry = TimelineEntry {
        sequence: u64::MAX,
        ..TimelineEntry::default()
    };
    assert_eq!(
        written("portreeve.type.v1.TimelineEntry", &entry.encode_to_vec()),
        json!({"sequence": "18446744073709551615"})
    );
    let grant = written("portreeve.type.v1.Grant", &Grant::default().encode_to_vec());
    let expected = json!({
        "live": false, "sources": [], "services": [], "epoch": "0", "emergency": false,
        "allowedActions": [], "addresses": [], "breakGlass": false, "awaitsReview": false,
    });
    assert_eq!(grant, expected);
}

#[test]
fn an_answer_is_written_in_the_words_of_the_outside() {
    let request = AccessRequest {
        id: "0193".into(),
        state: RequestState::InReview.into(),
        asked: Some(Asked {
            sources: vec!["9.9.9.9".into()],
            validity: Some(Validity {
                start_time: Some(prost_types::Timestamp {
                    seconds: 1_796_108_400,
                    nanos: 250_000_000,
                }),
                end: Some(validity::End::Permanent(())),
            }),
            ..Asked::default()
        }),
        findings: vec![Finding {
            code: "SRC_WIDE".into(),
            severity: 2,
            span: Some(Span { start: 0, end: 7 }),
            suggestion: Some(String::new()),
            ..Finding::default()
        }],
        next_step: "quote \" and\nline".into(),
        ..AccessRequest::default()
    };
    let value = written("portreeve.type.v1.AccessRequest", &request.encode_to_vec());
    assert_eq!(value["state"], "in_review");
    assert_eq!(
        value["asked"]["validity"],
        json!({"permanent": {}, "startTime": "2026-12-01T07:00:00.25Z"})
    );
    assert_eq!(value["nextStep"], "quote \" and\nline");
    assert_eq!(
        value["findings"],
        json!([{"code": "SRC_WIDE", "severity": "warning", "span": {"start": 0, "end": 7},
                "suggestion": "", "alternatives": []}])
    );
    assert_eq!(value.get("number"), None);
    assert_eq!(value.get("waitingOn"), None);
}

#[test]
fn what_is_written_reads_back() {
    let asked = Asked {
        direction: 2,
        cross_product: true,
        sources: vec!["9.9.9.9".into(), "2620:fe::fe".into()],
        contact: Some(Contact::default()),
        validity: Some(Validity {
            start_time: None,
            end: Some(validity::End::UntilDate("2026-12-18".into())),
        }),
        ..Asked::default()
    };
    let value = written("portreeve.type.v1.Asked", &asked.encode_to_vec());
    let bytes = read("portreeve.type.v1.Asked", &value).unwrap();
    assert_eq!(Asked::decode(bytes.as_slice()).unwrap(), asked);
}

#[test]
fn a_field_mask_is_text_outside_and_paths_inside() {
    let body = json!({"updateMask": "sources, emergencyReason", "asked": {}});
    let bytes = read("portreeve.intake.v1.UpdateAccessRequestRequest", &body).unwrap();
    let read = UpdateAccessRequestRequest::decode(bytes.as_slice()).unwrap();
    assert_eq!(
        read.update_mask.clone().unwrap().paths,
        ["sources", "emergency_reason"]
    );
    let value = written(
        "portreeve.intake.v1.UpdateAccessRequestRequest",
        &read.encode_to_vec(),
    );
    assert_eq!(value["updateMask"], "sources,emergencyReason");
}

#[test]
fn parameters_are_read_by_name_and_unknown_ones_are_told() {
    let (schema, id) = plan("portreeve.intake.v1.ListGrantsRequest");
    let closed = |index: usize| index == 0;
    let parameters = "states=active&states=ending&pageSize=20&liveOnly=true&host=a%20b%2Bc+d\
                      &expiresBefore=2026-12-18T17:00:00Z";
    let mut out = Vec::new();
    assert_eq!(query::read(&schema, id, parameters, closed, &mut out), []);
    let read = ListGrantsRequest::decode(out.as_slice()).unwrap();
    assert_eq!(
        (
            read.states,
            read.page_size,
            read.live_only,
            read.host.as_str()
        ),
        (vec![3, 4], 20, true, "a b+c d")
    );
    assert_eq!(read.expires_before.unwrap().seconds, 1_797_613_200);
    let wrong = "institution=x&pagesize=1&pageSize=1&pageSize=2&states=activ&mine=1&colour=red";
    let errors = query::read(&schema, id, wrong, closed, &mut Vec::new());
    let expected = [
        ("?colour", "unknown parameter 'colour'"),
        ("?institution", "unknown parameter 'institution'"),
        ("?mine", "write true or false"),
        ("?pageSize", "give this once"),
        (
            "?pagesize",
            "unknown parameter 'pagesize': did you mean 'pageSize'?",
        ),
        (
            "?states",
            "'activ' is none of scheduled, activating, active, ending, ended, activation_failed, ending_failed",
        ),
    ];
    let expected: Vec<(String, String)> = expected
        .map(|(place, detail)| (place.to_owned(), detail.to_owned()))
        .into();
    assert_eq!(told(&errors), expected);
}

#[test]
fn parameters_of_a_message_are_written_with_dots() {
    let (schema, id) = plan("portreeve.notification.v1.PullEventsRequest");
    let mut out = Vec::new();
    let parameters = "filter.types=portreeve.grant.*&filter.emergencyOnly=true&filter.types=a";
    let errors = query::read(&schema, id, parameters, |_| false, &mut out);
    assert_eq!(errors, []);
    let read = proto::notification::v1::PullEventsRequest::decode(out.as_slice()).unwrap();
    let filter = read.filter.unwrap();
    assert_eq!(filter.types, ["portreeve.grant.*", "a"]);
    assert!(filter.emergency_only);
}

#[test]
fn an_event_is_cloudevents_json_with_its_data_inlined() {
    let attribute = |attr: Attr| CloudEventAttributeValue { attr: Some(attr) };
    let event = CloudEvent {
        id: "0193".into(),
        source: "/portreeve".into(),
        spec_version: "1.0".into(),
        r#type: "portreeve.grant.activated".into(),
        attributes: [
            (
                "sequence".to_owned(),
                attribute(Attr::CeString("0007".into())),
            ),
            (
                "time".to_owned(),
                attribute(Attr::CeTimestamp(prost_types::Timestamp {
                    seconds: 1_797_613_200,
                    nanos: 0,
                })),
            ),
            ("subject".to_owned(), attribute(Attr::CeString("r1".into()))),
            (
                "datacontenttype".to_owned(),
                attribute(Attr::CeString("application/json".into())),
            ),
        ]
        .into(),
        data: Some(Data::TextData("{\n \"state\": \"active\"\r\n}".into())),
    };
    let (schema, id) = plan("io.cloudevents.v1.CloudEvent");
    let mut out = Vec::new();
    write::message(&schema, id, &event.encode_to_vec(), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"specversion\":\"1.0\",\"id\":\"0193\",\"source\":\"/portreeve\",\
         \"type\":\"portreeve.grant.activated\",\"subject\":\"r1\",\"time\":\"2026-12-18T17:00:00Z\",\
         \"datacontenttype\":\"application/json\",\"sequence\":\"0007\",\
         \"data\":{  \"state\": \"active\"  }}"
    );
}

#[test]
fn bytes_that_are_no_message_are_an_error_and_never_a_panic() {
    let (schema, id) = plan("portreeve.type.v1.AccessRequest");
    let whole = AccessRequest {
        id: "0193".into(),
        asked: Some(Asked {
            sources: vec!["9.9.9.9".into()],
            ..Asked::default()
        }),
        ..AccessRequest::default()
    }
    .encode_to_vec();
    for length in 0..whole.len() {
        for byte in [0x00, 0x07, 0x0b, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[length] = byte;
            let _ = write::message(&schema, id, &changed, &mut Vec::new());
            let _ = write::message(&schema, id, &changed[..length], &mut Vec::new());
        }
    }
    assert!(write::message(&schema, id, &[0x0a, 0xff], &mut Vec::new()).is_err());
}
