//! Narrower grants and deny rules, packet by packet.

use domain::net::set::Run;

use super::*;
use crate::overlap::denied::denied;
use crate::overlap::narrower::beyond;
use crate::policy::{Deny, DenyTo};

fn rules() -> impl Strategy<Value = Vec<Deny>> {
    let rule = (
        prop::option::of(prop::collection::vec(network(), 1..3)),
        prop::option::of(any::<bool>()),
        prop::option::of(prop::collection::vec(service(), 1..3)),
    );
    prop::collection::vec(rule, 0..4).prop_map(|rules| {
        rules
            .into_iter()
            .enumerate()
            .map(|(number, (sources, second, services))| Deny {
                name: format!("rule {number}"),
                reason: String::new(),
                sources: sources.map(|networks| set::runs(&networks)),
                destinations: second.map(|second| DenyTo {
                    networks: Vec::new(),
                    names: vec![name(second).to_string()],
                }),
                services: services.map(|services| services::union(&services)),
            })
            .collect()
    })
}

fn denies(rule: &Deny, packet: &Packet) -> bool {
    rule.denies_destination(&packet.destination, &[])
        && rule
            .sources
            .as_ref()
            .is_none_or(|denied| set::runs_cover(denied, Run::of(set::host(packet.source))))
        && rule
            .services
            .as_ref()
            .is_none_or(|denied| services::covers(denied, &[packet.service]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn narrower_grants_agree_with_every_packet(asked in asked(), live in grants()) {
        let wish = asked.wish();
        for grant in &live {
            let expires = grant.expires_at.map_or(i64::MAX, Instant::micros);
            let is_open = expires > asked.window.from.micros();
            let opened: Vec<&Packet> = PACKETS.iter().filter(|packet| opens(grant, packet)).collect();
            // The universe ends where the asked window or the grant may be endless, so ends are compared as they are.
            let ends_within = expires <= asked.window.until.map_or(i64::MAX, Instant::micros);
            let inside = opened.iter().all(|packet| asked.has(packet));
            let more = PACKETS.iter().any(|packet| {
                asked.has(packet) && packet.destination == grant.rule.destination && !opens(grant, packet)
            });
            let found = beyond(&wish, grant);
            prop_assert_eq!(found.is_some(), is_open && ends_within && inside && more);
            if let Some(block) = found {
                let packet = first_packet(&block);
                prop_assert!(asked.has(&packet) && !opens(grant, &packet));
            }
        }
    }

    #[test]
    fn deny_rules_agree_with_every_packet(asked in asked(), rules in rules()) {
        let wish = asked.wish();
        let touching = |rule: &Deny| PACKETS.iter().any(|packet| asked.has(packet) && denies(rule, packet));
        let Some(found) = denied(&rules, &wish, &[]) else {
            prop_assert!(!rules.iter().any(touching));
            return Ok(());
        };
        prop_assert!(!found.cut);
        for rule in &rules {
            let said = found.by.iter().find(|(known, _)| known.name == rule.name);
            prop_assert_eq!(said.is_some(), touching(rule));
            if let Some((_, touched)) = said {
                let packet = first_packet(touched);
                prop_assert!(asked.has(&packet) && denies(rule, &packet));
            }
        }
        for packet in PACKETS.iter() {
            let left = asked.has(packet) && !rules.iter().any(|rule| denies(rule, packet));
            prop_assert_eq!(holding(&found.left, packet).len(), usize::from(left), "{:?}", packet);
        }
    }
}
