//! Bodies that no client would send: nothing panics, mistakes are bounded, and what is read is what is written.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::read::MAX_ERRORS;
use super::{read, written};

/// Names that the messages know, in both spellings, and some that they do not.
const NAMES: &[&str] = &[
    "asked",
    "direction",
    "product",
    "crossProduct",
    "cross_product",
    "sources",
    "destinations",
    "services",
    "validity",
    "startTime",
    "start_time",
    "endDate",
    "endTime",
    "length",
    "permanent",
    "emergency",
    "contact",
    "name",
    "email",
    "justification",
    "caseReference",
    "grant",
    "updateMask",
    "accessRequest",
    "etag",
    "",
    "~",
    "a/b",
    "é",
];

const TEXTS: &[&str] = &[
    "",
    "9.9.9.9",
    "to_hosted",
    "TO_HOSTED",
    "DIRECTION_TO_HOSTED",
    "2026-12-18",
    "2026-12-18T00:00:00Z",
    "2026-12-18T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "14 days",
    "1",
    "-1",
    "1e99",
    "18446744073709551616",
    "a,b",
    "AA==",
    "_-",
    "true",
    "\0",
    "\u{202e}",
    "🦀",
];

fn value() -> impl Strategy<Value = Value> {
    let text = || proptest::sample::select(TEXTS);
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        6 => text().prop_map(Value::from),
        1 => ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(40, 60, 6, |inner| {
        let name = proptest::sample::select(NAMES).prop_map(str::to_owned);
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            3 => prop::collection::vec((name, inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_body_is_read_or_refused_and_what_is_read_comes_back(
        value in value(),
        message in proptest::sample::select(&[
            "portreeve.type.v1.Asked",
            "portreeve.type.v1.Validity",
            "portreeve.intake.v1.UpdateAccessRequestRequest",
            "portreeve.intake.v1.CreateAccessRequestRequest",
        ][..]),
    ) {
        match read(message, &value) {
            Err(errors) => prop_assert!((1..=MAX_ERRORS).contains(&errors.len())),
            Ok(bytes) => {
                let once = written(message, &bytes);
                let Ok(again) = read(message, &once) else {
                    return Err(TestCaseError::fail(format!("cannot read what it wrote: {once}")));
                };
                prop_assert_eq!(written(message, &again), once);
            }
        }
    }

    #[test]
    fn a_deep_body_is_refused_and_not_followed(depth in 1usize..2_000) {
        let mut body = Value::from("x");
        for level in 0..depth {
            body = match level % 2 {
                0 => Value::from(vec![body]),
                _ => Value::Object(Map::from_iter([("asked".to_owned(), body)])),
            };
        }
        prop_assert!(read("portreeve.intake.v1.CreateAccessRequestRequest", &body).is_err());
    }
}
