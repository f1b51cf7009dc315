//! Signed notes, and the checker in another language.
//!
//! Failure story: where Python is missing the test says how to install it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::{collections::BTreeMap, process::Command};

use proptest::prelude::*;
use tlog::{Edge, Hash, Head, NoteError, Signer, Verifier, inclusion};

/// The example of <https://pkg.go.dev/golang.org/x/mod/sumdb/note>, the reference implementation.
const KNOWN_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const KNOWN_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const KNOWN_SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn signer() -> Signer {
    Signer::new("portreeve/test", &[7; 32]).unwrap()
}

fn head(size: u64) -> Head {
    Head {
        origin: "portreeve/test".into(),
        size,
        root: Hash::of_leaf(b"root"),
    }
}

#[test]
fn the_known_note_of_the_reference_opens() {
    let verifier: Verifier = KNOWN_KEY.parse().unwrap();
    assert_eq!(verifier.to_string(), KNOWN_KEY);
    let note = format!("{KNOWN_TEXT}\n{KNOWN_SIGNATURE}");
    assert_eq!(verifier.open_text(&note), Ok(KNOWN_TEXT));
    assert!(matches!(verifier.open(&note), Err(NoteError::Head(_))));
}

#[test]
fn a_head_comes_back_as_it_was_signed() {
    let (signer, head) = (signer(), head(42));
    let note = signer.sign(&head);
    assert_eq!(signer.verifier().open(&note), Ok(head.clone()));
    // Others may sign below; they are no business of ours.
    let with_witness = format!("{note}\u{2014} witness AAAAAAAA\n");
    assert_eq!(signer.verifier().open(&with_witness), Ok(head));
    let other = Signer::new("portreeve/test", &[8; 32]).unwrap();
    assert!(matches!(
        other.verifier().open(&note),
        Err(NoteError::NotSigned(_))
    ));
    let shown = format!("{signer:?}");
    assert!(shown.contains("portreeve/test") && !shown.contains("7, 7"));
}

#[test]
fn every_altered_byte_of_a_note_is_refused() {
    let signer = signer();
    let note = signer.sign(&head(1_234_567));
    for place in 0..note.len() {
        for bit in [1, 2, 16, 64] {
            let mut bytes = note.clone().into_bytes();
            bytes[place] ^= bit;
            if let Ok(bent) = String::from_utf8(bytes) {
                assert!(
                    signer.verifier().open(&bent).is_err(),
                    "byte {place}: {bent}"
                );
            }
        }
    }
}

#[test]
fn what_is_no_key_is_refused() {
    for text in [
        "",
        "a+b",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ] {
        assert!(text.parse::<Verifier>().is_err(), "{text}");
    }
    assert!(Signer::new("two words", &[1; 32]).is_err());
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let root = Hash::of_leaf(b"").to_base64();
    assert!(Head::parse(&format!("log\n7\n{root}\nextension\n")).is_ok());
    for text in [
        String::new(),
        format!("\n7\n{root}\n"),
        format!("log\n07\n{root}\n"),
        format!("log\n+7\n{root}\n"),
        format!("log\n18446744073709551616\n{root}\n"),
        format!("log\n7\n{root}"),
        format!("log\n7\n{}\n", &root[1..]),
        "log\n7\n".into(),
    ] {
        assert!(Head::parse(&text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "(?s).{0,200}", dashed in "[a\u{2014} +=/\n]{0,200}") {
        for text in [&text, &dashed] {
            let _ = text.parse::<Verifier>();
            let _ = Head::parse(text);
            let _ = signer().verifier().open(text);
        }
    }
}

#[test]
fn a_proof_is_checked_by_python() {
    let events: Vec<String> = (0..300).map(|n| format!("{{\"event\":{n}}}")).collect();
    let mut edge = Edge::empty();
    events
        .iter()
        .for_each(|event| edge.append(Hash::of_leaf(event.as_bytes())));
    let kept: BTreeMap<_, _> = edge.take_changed().into_iter().collect();
    let signer = signer();
    let note = signer.sign(&Head {
        origin: "portreeve/test".into(),
        size: edge.size(),
        root: edge.root(),
    });
    let check = |event: &str, index: u64, note: &str| {
        let proof = inclusion(index, edge.size(), &kept).unwrap();
        let document = serde_json::json!({
            "event": event,
            "leafIndex": index.to_string(),
            "treeSize": edge.size().to_string(),
            "proof": proof.iter().map(Hash::to_base64).collect::<Vec<_>>(),
            "checkpoint": note,
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), document.to_string()).unwrap();
        let output = Command::new("python3")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/python/check_proof.py"
            ))
            .arg(file.path())
            .arg(signer.verifier().to_string())
            .output()
            .expect("python3 is missing: apt-get install python3");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    for index in [0, 7, 255, 256, 299] {
        let (good, said) = check(&events[index as usize], index, &note);
        assert!(good && said.starts_with("ok: event"), "{said}");
    }
    let (good, said) = check("{\"event\":8}", 7, &note);
    assert!(!good && said.starts_with("refused: the event"), "{said}");
    let bent = note.replacen("\n300\n", "\n301\n", 1);
    let (good, said) = check(&events[7], 7, &bent);
    assert!(
        !good && said.starts_with("refused: the checkpoint"),
        "{said}"
    );
}
