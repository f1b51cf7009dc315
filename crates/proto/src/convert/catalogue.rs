//! The catalogue as messages and back.

use std::{net::IpAddr, str::FromStr, time::Duration};

use domain::{
    catalogue::{Closing, Institution, Product, Server},
    net::{Destination, Service},
};

use super::{etag, violation};
use crate::{types::v1 as wire, violation::Violation};

/// Longest name for people, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// The most names or addresses of one server.
const MAX_SERVER_NAMES: usize = 64;

fn read<T: FromStr>(field: &str, text: &str, violations: &mut Vec<Violation>) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| violations.push(violation(field, error.to_string())))
        .ok()
}

fn name(field: &str, text: &str, violations: &mut Vec<Violation>) -> String {
    if text.trim().is_empty() || text.len() > MAX_NAME_BYTES {
        violations.push(violation(
            field,
            format!("write 1 to {MAX_NAME_BYTES} bytes"),
        ));
    }
    text.trim().to_owned()
}

/// An institution as a message.
pub fn institution_to_wire(institution: &Institution, version: u64) -> wire::Institution {
    wire::Institution {
        id: institution.id.to_string(),
        display_name: institution.display_name.clone(),
        time_zone: institution.time_zone.to_string(),
        etag: etag(version),
    }
}

/// The institution of a message.
///
/// # Errors
/// Every field that is wrong.
pub fn institution_from_wire(message: &wire::Institution) -> Result<Institution, Vec<Violation>> {
    let mut wrong = Vec::new();
    let id = read("id", &message.id, &mut wrong);
    let display_name = name("display_name", &message.display_name, &mut wrong);
    let time_zone = read("time_zone", &message.time_zone, &mut wrong);
    match (id, time_zone) {
        (Some(id), Some(time_zone)) if wrong.is_empty() => Ok(Institution {
            id,
            display_name,
            time_zone,
        }),
        _ => Err(wrong),
    }
}

/// A product as a message.
pub fn product_to_wire(product: &Product, version: u64) -> wire::Product {
    wire::Product {
        id: product.id.to_string(),
        display_name: product.display_name.clone(),
        support_team: product.support_team.to_string(),
        cloud_team: product.cloud_team.to_string(),
        hosted: product.hosted,
        local: product.local,
        services: product.services.iter().map(ToString::to_string).collect(),
        etag: etag(version),
    }
}

/// The product of a message.
///
/// # Errors
/// Every field that is wrong.
pub fn product_from_wire(message: &wire::Product) -> Result<Product, Vec<Violation>> {
    let mut wrong = Vec::new();
    let id = read("id", &message.id, &mut wrong);
    let display_name = name("display_name", &message.display_name, &mut wrong);
    let support_team = read("support_team", &message.support_team, &mut wrong);
    let cloud_team = read("cloud_team", &message.cloud_team, &mut wrong);
    let services = message
        .services
        .iter()
        .take(MAX_SERVER_NAMES)
        .enumerate()
        .filter_map(|(index, text)| {
            read::<Service>(&format!("services[{index}]"), text, &mut wrong)
        })
        .collect();
    if message.services.len() > MAX_SERVER_NAMES {
        wrong.push(violation(
            "services",
            format!("at most {MAX_SERVER_NAMES} services"),
        ));
    }
    match (id, support_team, cloud_team) {
        (Some(id), Some(support_team), Some(cloud_team)) if wrong.is_empty() => Ok(Product {
            id,
            display_name,
            support_team,
            cloud_team,
            hosted: message.hosted,
            local: message.local,
            services,
        }),
        _ => Err(wrong),
    }
}

/// How a firewall closes, as a message.
pub fn closing_to_wire(closing: Closing) -> wire::Closing {
    match closing {
        Closing::CarriesDeadline => wire::Closing::CarriesDeadline,
        Closing::Agent => wire::Closing::Agent,
        Closing::ByHand => wire::Closing::ByHand,
    }
}

/// How a firewall closes; unstated is by hand.
pub fn closing_from_wire(closing: wire::Closing) -> Closing {
    match closing {
        wire::Closing::CarriesDeadline => Closing::CarriesDeadline,
        wire::Closing::Agent => Closing::Agent,
        wire::Closing::ByHand | wire::Closing::Unspecified => Closing::ByHand,
    }
}

/// A server as a message.
pub fn server_to_wire(server: &Server, version: u64) -> wire::Server {
    wire::Server {
        id: server.id.to_string(),
        institution: server.institution.to_string(),
        product: server.product.to_string(),
        host_names: server.host_names.clone(),
        addresses: server.addresses.iter().map(ToString::to_string).collect(),
        cloud_team: server
            .cloud_team
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        closing: closing_to_wire(server.closing).into(),
        lead_time_seconds: u32::try_from(server.lead_time.as_secs()).unwrap_or(u32::MAX),
        etag: etag(version),
    }
}

/// The server of a message.
///
/// # Errors
/// Every field that is wrong.
pub fn server_from_wire(message: &wire::Server) -> Result<Server, Vec<Violation>> {
    let mut wrong = Vec::new();
    let id = read("id", &message.id, &mut wrong);
    let institution = read("institution", &message.institution, &mut wrong);
    let product = read("product", &message.product, &mut wrong);
    let mut host_names = Vec::new();
    for (index, text) in message.host_names.iter().take(MAX_SERVER_NAMES).enumerate() {
        let field = format!("host_names[{index}]");
        match read::<Destination>(&field, text, &mut wrong) {
            Some(Destination::Host(host)) => host_names.push(host.as_str().to_owned()),
            Some(Destination::Address(_)) => {
                wrong.push(violation(
                    &field,
                    "this is an address; write it under addresses",
                ));
            }
            None => {}
        }
    }
    let addresses: Vec<IpAddr> = message
        .addresses
        .iter()
        .take(MAX_SERVER_NAMES)
        .enumerate()
        .filter_map(|(index, text)| read(&format!("addresses[{index}]"), text, &mut wrong))
        .collect();
    if message.host_names.is_empty() && message.addresses.is_empty() {
        wrong.push(violation(
            "host_names",
            "write at least one name or address",
        ));
    }
    if message.host_names.len().max(message.addresses.len()) > MAX_SERVER_NAMES {
        wrong.push(violation(
            "host_names",
            format!("at most {MAX_SERVER_NAMES} names and addresses each"),
        ));
    }
    let cloud_team = (!message.cloud_team.is_empty())
        .then(|| read("cloud_team", &message.cloud_team, &mut wrong))
        .flatten();
    match (id, institution, product) {
        (Some(id), Some(institution), Some(product)) if wrong.is_empty() => Ok(Server {
            id,
            institution,
            product,
            host_names,
            addresses,
            cloud_team,
            closing: closing_from_wire(message.closing()),
            lead_time: Duration::from_secs(message.lead_time_seconds.into()),
        }),
        _ => Err(wrong),
    }
}
