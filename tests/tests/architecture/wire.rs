//! The wire does not break: today's descriptors against the baseline in the repository.
//!
//! Role: what the baseline has must still be there with the same meaning on the wire and in JSON: fields by number, name,
//! type, label and presence; values of enums; RPCs with their messages, streaming and HTTP binding. Additions are free.
//! `make proto-baseline` takes today's contract as the new baseline.
//! Failure story: each break is one line that says what was and what is.

#![expect(
    clippy::unwrap_used,
    reason = "a baseline that cannot be read or written should fail"
)]

use std::{env, fs};

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ServiceDescriptor,
};

use crate::{
    contract::{http, our_files},
    workspace::{demand, root},
};

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(of) => of.full_name().to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn field(of: &FieldDescriptor) -> String {
    let oneof = of
        .containing_oneof()
        .map_or_else(String::new, |oneof| format!(" in {}", oneof.name()));
    format!(
        "{:?} {} {} = {} json {}{oneof}",
        of.cardinality(),
        kind(&of.kind()),
        of.name(),
        of.number(),
        of.json_name()
    )
}

fn check_message(before: &MessageDescriptor, now: &DescriptorPool, broken: &mut Vec<String>) {
    let name = before.full_name();
    let Some(after) = now.get_message_by_name(name) else {
        broken.push(format!("message {name} is gone"));
        return;
    };
    for was in before.fields() {
        match after.get_field(was.number()) {
            Some(is) if field(&is) == field(&was) => {}
            Some(is) => broken.push(format!(
                "{name}: was `{}`, is `{}`",
                field(&was),
                field(&is)
            )),
            None => {
                let number = was.number();
                let kept = after.reserved_ranges().any(|range| range.contains(&number))
                    && after
                        .reserved_names()
                        .any(|reserved| reserved == was.name());
                if !kept {
                    broken.push(format!(
                        "{name}: `{}` is gone; reserve its number and its name",
                        field(&was)
                    ));
                }
            }
        }
    }
    for inner in before.child_messages() {
        check_message(&inner, now, broken);
    }
    for inner in before.child_enums() {
        check_enum(&inner, now, broken);
    }
}

fn check_enum(before: &EnumDescriptor, now: &DescriptorPool, broken: &mut Vec<String>) {
    let name = before.full_name();
    let Some(after) = now.get_enum_by_name(name) else {
        broken.push(format!("enum {name} is gone"));
        return;
    };
    for was in before.values() {
        let is = after.get_value(was.number());
        if is.as_ref().is_none_or(|is| is.name() != was.name()) {
            broken.push(format!(
                "{name}: was {} = {}, is {}",
                was.name(),
                was.number(),
                is.map_or("nothing".to_owned(), |is| is.name().to_owned())
            ));
        }
    }
}

fn check_service(before: &ServiceDescriptor, now: &DescriptorPool, broken: &mut Vec<String>) {
    let name = before.full_name();
    let Some(after) = now.get_service_by_name(name) else {
        broken.push(format!("service {name} is gone"));
        return;
    };
    for was in before.methods() {
        let Some(is) = after.methods().find(|is| is.name() == was.name()) else {
            broken.push(format!("rpc {} is gone", was.full_name()));
            continue;
        };
        let says = |method: &prost_reflect::MethodDescriptor| {
            let stream = |streams| if streams { "stream " } else { "" };
            format!(
                "({}{}) returns ({}{}) {}",
                stream(method.is_client_streaming()),
                method.input().full_name(),
                stream(method.is_server_streaming()),
                method.output().full_name(),
                http(method).unwrap_or_else(|| "without http".to_owned())
            )
        };
        if says(&was) != says(&is) {
            broken.push(format!(
                "rpc {}: was {}, is {}",
                was.full_name(),
                says(&was),
                says(&is)
            ));
        }
    }
}

fn breaks(before: &DescriptorPool, now: &DescriptorPool) -> Vec<String> {
    let mut broken = Vec::new();
    for file in our_files(before) {
        for message in file.messages() {
            check_message(&message, now, &mut broken);
        }
        for of in file.enums() {
            check_enum(&of, now, &mut broken);
        }
        for service in file.services() {
            check_service(&service, now, &mut broken);
        }
    }
    broken
}

/// The descriptors without comments: these may change freely. Works on the bytes, so that options of ours survive.
fn bare(set: &[u8]) -> Vec<u8> {
    const FILE: u64 = 1;
    const SOURCE_CODE_INFO: u64 = 9;
    let mut out = Vec::new();
    for (number, whole, content) in fields(set) {
        if number != FILE {
            out.extend_from_slice(whole);
            continue;
        }
        let mut file = Vec::new();
        for (number, whole, _) in fields(content) {
            if number != SOURCE_CODE_INFO {
                file.extend_from_slice(whole);
            }
        }
        out.push(0x0a);
        let mut length = file.len();
        while length >= 0x80 {
            out.push((length % 0x80) as u8 | 0x80);
            length /= 0x80;
        }
        out.push(length as u8);
        out.extend(file);
    }
    out
}

/// The fields of an encoded message: number, all its bytes, its content where it has a length.
fn fields(mut message: &[u8]) -> Vec<(u64, &[u8], &[u8])> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let (key, key_length) = varint(message);
        let (value, value_length) = varint(&message[key_length..]);
        let (header, content) = match key % 8 {
            0 => (key_length + value_length, 0),
            1 => (key_length + 8, 0),
            2 => (key_length + value_length, value as usize),
            5 => (key_length + 4, 0),
            other => unreachable!("wire type {other}"),
        };
        let (whole, rest) = message.split_at(header + content);
        found.push((key / 8, whole, &whole[header..]));
        message = rest;
    }
    found
}

fn varint(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte % 0x80) << (7 * place);
        if *byte < 0x80 {
            return (value, place + 1);
        }
    }
    (value, bytes.len().min(10))
}

#[test]
fn wire_contract_keeps_what_the_baseline_promised() {
    let path = root().join("proto/baseline.binpb");
    if env::var_os("UPDATE_PROTO_BASELINE").is_some() {
        fs::write(&path, bare(proto::FILE_DESCRIPTOR_SET)).unwrap();
    }
    let baseline = DescriptorPool::decode(fs::read(&path).unwrap().as_slice()).unwrap();
    demand(
        "the wire contract broke; add beside instead of changing, or make a v2",
        &breaks(&baseline, proto::descriptors()),
    );
}

#[test]
fn a_break_of_the_wire_is_told() {
    let mut changed = bare(proto::FILE_DESCRIPTOR_SET);
    let (was, is) = (b"promised_by_in_words", b"promised_by_in_wirds");
    let place = changed
        .windows(was.len())
        .position(|window| window == was)
        .unwrap();
    changed[place..place + is.len()].copy_from_slice(is);
    let before = DescriptorPool::decode(changed.as_slice()).unwrap();
    let told = breaks(&before, proto::descriptors());
    assert!(
        told.len() == 1 && told[0].contains("was `") && told[0].contains("promised_by_in_wirds"),
        "{told:?}"
    );
}
