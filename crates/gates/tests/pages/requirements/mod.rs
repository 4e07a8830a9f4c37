//! docs/requirements.md: every requirement, and what answers it.

use std::collections::BTreeSet;
use std::fs;

use pvcheck_gates::catalogue;

use self::table::{By, Requirement, Section};
use crate::page;

mod before;
mod proof;
mod table;

const HEAD: &str = "# Requirements

<!-- written by `cargo xtask test --only pages --bless` from crates/gates/tests/pages/requirements/ -->

What is asked of pvcheck, and what answers it: a check of the catalogue (`pvcheck check explain CHECK`), a test that breaks what
is asked and sees that it is noticed, or the reason why software does not answer it.
";

fn sections() -> impl Iterator<Item = &'static Section> {
    before::SECTIONS.iter().chain(&proof::SECTIONS)
}

fn all() -> impl Iterator<Item = &'static Requirement> {
    sections().flat_map(|Section(_, _, requirements)| *requirements)
}

#[test]
fn the_page_of_requirements_is_the_table() {
    let sections = sections().map(|Section(letter, about, requirements)| {
        let rows: String = requirements.iter().map(row).collect();
        format!("\n## {letter}. {about}\n\n| | asked | answered by |\n| ---: | --- | --- |\n{rows}")
    });
    page::holds("docs/requirements.md", &(HEAD.to_owned() + &sections.collect::<String>()));
}

fn row(requirement: &Requirement) -> String {
    let checks = checks_of(requirement.number).into_iter().map(|id| format!("`{id}`"));
    let by = requirement.by.iter().map(|by| match by {
        By::Test(file, name) => format!("{file}::{name}"),
        By::Elsewhere(why) => format!("not software's: {why}"),
    });
    let answers: Vec<String> = checks.chain(by).collect();
    format!("| {} | {} | {} |\n", requirement.number, requirement.asked, answers.join("<br>"))
}

fn checks_of(number: u8) -> Vec<&'static str> {
    catalogue().filter(|check| check.requirements.contains(&number)).map(|check| check.id).collect()
}

/// 147 are asked: section 1 of the mission has that many lines.
#[test]
fn every_requirement_has_one_row_and_an_answer() {
    let numbers: Vec<u8> = all().map(|requirement| requirement.number).collect();
    assert_eq!(numbers, (1..=147).collect::<Vec<u8>>());
    let letters: String = sections().map(|Section(letter, _, _)| *letter).collect();
    assert_eq!(letters, "ABCDEFGHIJKLMNOP");
    for requirement in all() {
        let number = requirement.number;
        assert!(!requirement.by.is_empty(), "{number}: nothing answers it");
        let is_tested = requirement.by.iter().any(|by| matches!(by, By::Test(..)));
        assert!(is_tested || checks_of(number).is_empty(), "{number}: no test breaks what its checks show");
        for text in requirement.by.iter().filter_map(|by| match by {
            By::Elsewhere(text) => Some(text),
            By::Test(..) => None,
        }) {
            assert!(!text.is_empty() && !text.contains(['|', '\n']), "{number}: {text}");
        }
    }
}

#[test]
fn every_check_answers_requirements_that_there_are() {
    let numbers: BTreeSet<u8> = all().map(|requirement| requirement.number).collect();
    for check in catalogue() {
        for number in check.requirements {
            assert!(numbers.contains(number), "{}: there is no requirement {number}", check.id);
        }
    }
}

#[test]
fn every_test_that_is_named_is_there() {
    for requirement in all() {
        for by in requirement.by {
            let By::Test(file, name) = by else { continue };
            let text = fs::read_to_string(page::root().join(file));
            let text = text.unwrap_or_else(|e| panic!("{}: {file}: {e}", requirement.number));
            assert!(has_test(&text, name), "{}: {file} has no test {name}", requirement.number);
        }
    }
}

/// True iff this source has a test of this name: a function with a `test` attribute, or one inside of `proptest!`.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = |line: &str| ["fn ", "async fn "].iter().any(|f| line.starts_with(&format!("{f}{name}(")));
    lines.iter().enumerate().any(|(n, line)| {
        let above =
            lines[..n].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        begins(line)
            && above.clone().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

#[test]
fn a_function_without_the_attribute_is_no_test() {
    let text = "fn a() {}\n#[test]\nfn b() {}\n#[tokio::test(flavor = \"current_thread\")]\n// Why.\nasync fn c() {}\n";
    assert_eq!(["a", "b", "c", "d"].map(|name| has_test(text, name)), [false, true, true, false]);
}
