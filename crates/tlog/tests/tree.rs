//! Trees, tiles and proofs against the definition of RFC 6962, written out as it stands there.
//!
//! Failure story: a property that does not hold prints the smallest case that was found.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use tlog::{
    Audit, Edge, Hash, Head, Tile, TileId, Verdict, consistency, consistency_tiles, inclusion,
    inclusion_tiles, verify_consistency, verify_inclusion,
};

/// The tree hash, by RFC 6962 section 2.1.
fn definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of_nothing(),
        [one] => *one,
        many => {
            let mut half = 1;
            while half * 2 < many.len() {
                half *= 2;
            }
            let (left, right) = many.split_at(half);
            Hash::of_children(&definition(left), &definition(right))
        }
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count as u64)
        .map(|number| Hash::of_leaf(&number.to_be_bytes()))
        .collect()
}

/// A tree of `count` entries: its edge, and everything that it gave away to be kept.
fn grown(count: usize) -> (Edge, BTreeMap<TileId, Tile>) {
    let mut edge = Edge::empty();
    leaves(count).into_iter().for_each(|leaf| edge.append(leaf));
    let kept = edge.take_changed().into_iter().collect();
    (edge, kept)
}

#[test]
fn the_known_answers_of_the_standard_hold() {
    // The entries and roots of the reference implementation of RFC 6962.
    let entries: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    ];
    let mut edge = Edge::empty();
    assert_eq!(
        edge.root().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (place, entry) in entries.iter().enumerate() {
        edge.append(Hash::of_leaf(entry));
        if let Some(root) = roots.get(place) {
            assert_eq!(edge.root().to_string(), *root);
        }
    }
    assert_eq!(
        edge.root().to_string(),
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    );
}

#[test]
fn the_root_is_that_of_the_definition_at_every_size() {
    let all = leaves(1_100);
    let mut edge = Edge::empty();
    let mut kept: BTreeMap<TileId, Tile> = BTreeMap::new();
    for size in 0..=all.len() {
        assert_eq!(edge.root(), definition(&all[..size]), "size {size}");
        // Whoever comes after a restart has the same edge, from what was kept.
        let ids = Edge::tiles_to_resume(size as u64);
        let mut asked = Vec::new();
        let resumed = Edge::resume(size as u64, |id| {
            asked.push(id);
            kept.get(&id).cloned()
        });
        assert_eq!(resumed.unwrap().root(), edge.root());
        assert_eq!(asked, ids);
        if let Some(leaf) = all.get(size) {
            edge.append(*leaf);
            kept.extend(edge.take_changed());
        }
    }
}

#[test]
fn the_borders_of_tiles_are_no_borders_of_proofs() {
    for size in [255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 65_793] {
        let all = leaves(size);
        let (edge, kept) = grown(size);
        let root = edge.root();
        assert_eq!(root, definition(&all));
        let size = size as u64;
        for index in [0, 1, 254, 255, 256, 257, size / 2, size - 2, size - 1] {
            let Some(leaf) = all.get(index as usize) else {
                continue;
            };
            let proof = inclusion(index, size, &kept).unwrap();
            verify_inclusion(leaf, index, size, &proof, &root).unwrap();
        }
        for old in [1, 2, 255, 256, 257, size - 1, size] {
            if old > size {
                continue;
            }
            let proof = consistency(old, size, &kept).unwrap();
            let old_root = definition(&all[..old as usize]);
            verify_consistency(old, &old_root, size, &root, &proof).unwrap();
        }
    }
}

#[test]
fn tiles_that_are_not_there_are_named() {
    let (_, mut kept) = grown(600);
    let needed = inclusion_tiles(10, 600);
    assert!(!needed.is_empty() && needed.iter().all(|id| kept.contains_key(id)));
    let gone = *needed.first().unwrap();
    kept.remove(&gone);
    let error = inclusion(10, 600, &kept).unwrap_err().to_string();
    assert!(error.contains("missing"), "{error}");
    let error = Edge::resume(600, |_| None).unwrap_err().to_string();
    assert!(error.contains("missing"), "{error}");
    let short = Tile::from_bytes(&[0; 64]).unwrap();
    let error = Edge::resume(600, |_| Some(short.clone())).unwrap_err();
    assert!(error.to_string().contains("2 hashes"), "{error}");
    assert!(Tile::from_bytes(&[0; 33]).is_err() && Tile::from_bytes(&[]).is_err());
}

#[test]
fn an_audit_tells_held_from_differing_from_missing() {
    let entry = |number: u64| number.to_be_bytes();
    let root = |size: usize| definition(&leaves(size));
    let head = |size: u64, root: Hash| Head {
        origin: "log".into(),
        size,
        root,
    };
    let kept = vec![
        head(0, root(0)),
        head(7, root(7)),
        head(7, root(6)),
        head(300, root(300)),
        head(301, root(301)),
    ];
    let mut audit = Audit::new(kept);
    (0..300).for_each(|number| audit.entry(&entry(number)));
    let outcome = audit.finish();
    assert_eq!((outcome.size, outcome.root), (300, root(300)));
    let verdicts: Vec<Verdict> = outcome.heads.iter().map(|(_, found)| *found).collect();
    assert_eq!(
        verdicts,
        [
            Verdict::Held,
            Verdict::Held,
            Verdict::Differs { computed: root(7) },
            Verdict::Held,
            Verdict::Missing { size: 300 },
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_entry_is_proved_and_nothing_else(size in 1_u64..1_500, pick in any::<u64>(), other in any::<u64>(), bit in 0_usize..256) {
        let all = leaves(size as usize);
        let (edge, kept) = grown(size as usize + 37);
        let root = definition(&all);
        prop_assert!(edge.size() > size);
        let index = pick % size;
        let leaf = all[index as usize];
        // Tiles of a larger tree serve as well, and no more of them than were asked for.
        let asked: BTreeMap<TileId, Tile> = inclusion_tiles(index, size)
            .into_iter()
            .map(|id| (id, kept[&id].clone()))
            .collect();
        let proof = inclusion(index, size, &asked).unwrap();
        prop_assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));

        let other = other % size;
        if other != index {
            prop_assert!(verify_inclusion(&leaf, other, size, &proof, &root).is_err());
        }
        prop_assert!(verify_inclusion(&Hash::of_leaf(b"x"), index, size, &proof, &root).is_err());
        prop_assert!(verify_inclusion(&leaf, size, size, &proof, &root).is_err());
        let mut longer = proof.clone();
        longer.push(root);
        prop_assert!(verify_inclusion(&leaf, index, size, &longer, &root).is_err());
        if let Some((_, shorter)) = proof.split_last() {
            prop_assert!(verify_inclusion(&leaf, index, size, shorter, &root).is_err());
            let mut bytes = *proof[bit % proof.len()].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut bent = proof.clone();
            bent[bit % proof.len()] = Hash::from_slice(&bytes).unwrap();
            prop_assert!(verify_inclusion(&leaf, index, size, &bent, &root).is_err());
        }
    }

    #[test]
    fn growth_is_proved_and_nothing_else(new in 1_u64..1_500, pick in any::<u64>()) {
        let all = leaves(new as usize);
        let (_, kept) = grown(new as usize);
        let old = pick % new + 1;
        let (old_root, new_root) = (definition(&all[..old as usize]), definition(&all));
        let asked: BTreeMap<TileId, Tile> = consistency_tiles(old, new)
            .into_iter()
            .map(|id| (id, kept[&id].clone()))
            .collect();
        let proof = consistency(old, new, &asked).unwrap();
        prop_assert_eq!(verify_consistency(old, &old_root, new, &new_root, &proof), Ok(()));
        let other = Hash::of_leaf(b"x");
        prop_assert!(verify_consistency(old, &other, new, &new_root, &proof).is_err());
        prop_assert!(verify_consistency(old, &old_root, new, &other, &proof).is_err());
        prop_assert!(verify_consistency(0, &old_root, new, &new_root, &proof).is_err());
        prop_assert!(verify_consistency(new + 1, &old_root, new, &new_root, &proof).is_err());
        if let Some((_, shorter)) = proof.split_last() {
            prop_assert!(verify_consistency(old, &old_root, new, &new_root, shorter).is_err());
        }
        let mut longer = proof;
        longer.push(other);
        prop_assert!(verify_consistency(old, &old_root, new, &new_root, &longer).is_err());
    }
}
