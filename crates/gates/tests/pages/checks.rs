//! The table of checks in docs/gates.md.

use pvcheck_gates::{CheckInfo, catalogue};

use crate::page;

#[test]
fn the_table_of_checks_is_the_catalogue() {
    let table = "| check | passes when | gates |\n| --- | --- | --- |\n".to_owned()
        + &catalogue().map(row).collect::<String>();
    let page = "docs/gates.md";
    page::holds(page, &page::with_part(page, "<!-- checks", "<!-- end of checks -->", &table));
}

fn row(check: &CheckInfo) -> String {
    let gates: Vec<String> = check.gates().map(|gate| format!("`{gate}`")).collect();
    let advisory = if check.required { "" } else { "advisory: " };
    format!("| `{}` | {advisory}{} | {} |\n", check.id, check.passes_when, gates.join(", "))
}
