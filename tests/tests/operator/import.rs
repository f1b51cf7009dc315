//! A file of requests, imported by a process that is killed in the middle.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
};

use serde_json::Value;
use testkit::{Place, Store};

use crate::cli::Cli;

const ROWS: usize = 120;

fn file(place: &Place) -> String {
    let mut text = String::from(
        "institution,product,sources,destinations,services,for,justification,contact\n",
    );
    for row in 1..=ROWS {
        let _ = writeln!(
            text,
            "north,alma,149.112.112.{row},alma.north.example,tcp/443,14 days,Row {row},net@north.example"
        );
    }
    let path = place.path().join("requests.csv");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The outcome of each row, in the order in which they were told.
fn outcomes(out: &str) -> Vec<(u64, String)> {
    let rows = out.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let line = row["line"].as_u64().unwrap();
        (line, row["outcome"].as_str().unwrap().to_owned())
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_was_killed_goes_on_where_it_was() {
    let place = Place::fresh(Store::Sqlite);
    let (_process, admin) = Cli::house(&place).await;
    let file = file(&place);
    let args = ["-o", "json", "import", &file];

    let mut first = admin.command(&args).spawn().unwrap();
    let mut told = BufReader::new(first.stdout.take().unwrap()).lines();
    for _ in 0..20 {
        told.next().unwrap().unwrap();
    }
    first.kill().unwrap();
    first.wait().unwrap();

    let second = outcomes(&admin.done(&args).out);
    let lines: Vec<u64> = second.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, (2..=1 + ROWS as u64).collect::<Vec<_>>());
    let there = second.iter().filter(|(_, what)| what == "already_there");
    assert!(there.count() >= 20);
    assert!(
        second.iter().any(|(_, what)| what == "accepted"),
        "it was over before it was killed"
    );

    let third = admin.done(&args);
    assert!(
        outcomes(&third.out)
            .iter()
            .all(|(_, what)| what == "already_there")
    );
    assert_eq!(third.err, format!("0 accepted, {ROWS} there already\n"));
    let listed = admin.json(&["request", "list", "--limit", "1000"]);
    assert_eq!(listed.as_array().unwrap().len(), ROWS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_no_store_can_keep_is_refused_alone() {
    let place = Place::fresh(Store::Sqlite);
    let (_process, admin) = Cli::house(&place).await;
    let file = place.path().join("open.csv");
    let row = |id: &str| {
        format!(
            "north,alma,9.9.9.9,alma.north.example,tcp/443,14 days,Harvest,net@north.example,{id}\n"
        )
    };
    let head =
        "institution,product,sources,destinations,services,for,justification,contact,external_id\n";
    std::fs::write(&file, [head, &row("a\0"), &row("b")].concat()).unwrap();
    let said = admin.run(&["import", "--already-open", file.to_str().unwrap()]);
    assert_eq!(said.code, 3, "{said:#?}");
    assert!(
        said.out.contains("line    2  refused") && said.out.contains("U+0000"),
        "{said:#?}"
    );
    assert!(said.out.contains("line    3  accepted"), "{said:#?}");
    assert!(said.err.contains("1 row was refused"), "{said:#?}");
}
