//! The example file: every setting, commented, with its default.
//!
//! Role: one source for the documentation of settings. Invariants: the text is valid TOML as it is, and
//! still with any line of it uncommented; settings keep their order within their table.
//! Failure: none.

use std::fmt::Write as _;

use super::value::Value;
use super::{Kind, Setting};

const WIDTH: usize = 96;

/// The fully commented example file for `settings`, in TOML.
pub fn commented_file(settings: &[Setting]) -> String {
    let mut text = String::from(
        "# Every setting with its default. Remove the # before a line to change it.\n\
         # The environment wins over this file, and flags win over both.\n",
    );
    let mut groups: Vec<&str> = Vec::new();
    for setting in settings {
        let group = group(setting);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    // Keys without a table must come before the first table.
    groups.sort_by_key(|group| !group.is_empty());
    for name in groups {
        if !name.is_empty() {
            let _ = write!(text, "\n[{name}]\n");
        }
        for setting in settings.iter().filter(|setting| group(setting) == name) {
            describe(&mut text, setting);
        }
    }
    text
}

fn group(setting: &Setting) -> &'static str {
    setting.key.rsplit_once('.').map_or("", |(group, _)| group)
}

fn describe(text: &mut String, setting: &Setting) {
    text.push('\n');
    comment(text, setting.help);
    let mut places = format!("{}, {}", setting.variable(), setting.flag());
    if setting.secret {
        places.push_str("; a secret: better given as file:/path");
    }
    comment(text, &places);
    let name = setting
        .key
        .rsplit_once('.')
        .map_or(setting.key, |(_, name)| name);
    let _ = writeln!(text, "#{name} = {}", literal(setting));
}

fn comment(text: &mut String, words: &str) {
    let mut width = 0;
    for word in words.split_whitespace() {
        if width == 0 || width + word.len() >= WIDTH {
            text.push_str(if width == 0 { "#" } else { "\n#" });
            width = 1;
        }
        text.push(' ');
        text.push_str(word);
        width += word.chars().count() + 1;
    }
    text.push('\n');
}

fn literal(setting: &Setting) -> String {
    let default = setting.default.unwrap_or_default();
    match setting.kind {
        Kind::Integer | Kind::Bool if setting.default.is_some() => default.to_owned(),
        Kind::List => match Value::parse(Kind::List, default) {
            Ok(Value::List(texts)) => {
                let texts: Vec<_> = texts.iter().map(|text| quote(text)).collect();
                format!("[{}]", texts.join(", "))
            }
            _ => "[]".to_owned(),
        },
        _ => quote(default),
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
