//! The report as a drawing: what is waited for, and the circles in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::deadlock::{BootReport, LinkKind};
use crate::outcome::WaitOutcome;

/// An arrow of the drawing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: String,
    to: String,
    text: &'static str,
    /// True iff it is part of a deadlock.
    caught: bool,
}

impl BootReport {
    /// The report for Graphviz: deadlocks in red, waits of which too little is known dashed.
    pub fn dot(&self) -> String {
        let mut text = "digraph boot {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
        let arrows = self.arrows();
        for (name, number) in numbers(&arrows) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  n{number} [label={}];", quoted(name));
        }
        let numbers = numbers(&arrows);
        for arrow in &arrows {
            let style = match (arrow.caught, arrow.text) {
                (true, _) => ", color=red",
                (false, UNKNOWN) => ", style=dashed",
                (false, _) => "",
            };
            let (from, to) = (numbers[arrow.from.as_str()], numbers[arrow.to.as_str()]);
            let _ = writeln!(text, "  n{from} -> n{to} [label=\"{}\"{style}];", arrow.text);
        }
        text + "}\n"
    }

    /// The report as a Mermaid flowchart, drawn as [`Self::dot`] does.
    pub fn mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        let arrows = self.arrows();
        let numbers = numbers(&arrows);
        for (name, number) in &numbers {
            let _ = writeln!(text, "  n{number}[{}]", entities(name));
        }
        for arrow in &arrows {
            let (from, to) = (numbers[arrow.from.as_str()], numbers[arrow.to.as_str()]);
            let line = if arrow.text == UNKNOWN { "-.->" } else { "-->" };
            let _ = writeln!(text, "  n{from} {line}|{}| n{to}", arrow.text);
        }
        let caught: Vec<String> = arrows
            .iter()
            .enumerate()
            .filter(|(_, arrow)| arrow.caught)
            .map(|(at, _)| at.to_string())
            .collect();
        if !caught.is_empty() {
            let _ = writeln!(text, "  linkStyle {} stroke:red", caught.join(","));
        }
        text
    }

    fn arrows(&self) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for link in self.deadlocks.iter().flat_map(|deadlock| &deadlock.chain) {
            let text = match link.kind {
                LinkKind::After => "after",
                LinkKind::Serves => "served by",
                LinkKind::WaitsFor => "waits for",
            };
            arrows.insert(Arrow { from: link.from.clone(), to: link.to.clone(), text, caught: true });
        }
        for row in &self.waits {
            let text = match row.outcome {
                WaitOutcome::Deadlock => continue,
                WaitOutcome::Free => "waits for",
                WaitOutcome::Unknown => UNKNOWN,
            };
            let (from, to) = (row.unit.to_string(), row.url.to_string());
            arrows.insert(Arrow { from, to, text, caught: false });
        }
        arrows
    }
}

const UNKNOWN: &str = "waits for, unknown";

fn numbers(arrows: &BTreeSet<Arrow>) -> BTreeMap<&str, usize> {
    let names: BTreeSet<&str> =
        arrows.iter().flat_map(|arrow| [arrow.from.as_str(), arrow.to.as_str()]).collect();
    names.into_iter().enumerate().map(|(number, name)| (name, number)).collect()
}

/// A text of Graphviz (its grammar, "ID": only the quote is escaped, and a backslash begins an escape of labels).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A text of Mermaid, which knows `#quot;` and the like ("Entity codes to escape characters").
fn entities(text: &str) -> String {
    format!("\"{}\"", text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadlock::analyse;
    use crate::read::UnitSet;
    use crate::unit::Unit;
    use crate::wait::{Serves, Wait};

    fn report() -> BootReport {
        let quiet = "[Unit]\nDefaultDependencies=no\n";
        let units =
            [("gate.service", quiet.to_owned()), ("app.service", format!("{quiet}After=gate.service\n"))];
        let units = units.iter().map(|(name, text)| Unit::parse(name, text).unwrap().0).collect();
        let wait = |unit: &str, url: &str| Wait {
            unit: unit.parse().unwrap(),
            url: url.parse().unwrap(),
            during: None,
        };
        let waits = [wait("gate.service", "http://h/"), wait("app.service", r"/run/a\b")];
        let serves = [Serves {
            host: "h".to_owned(),
            port: None,
            path_prefix: None,
            unit: "app.service".parse().unwrap(),
            via: None,
        }];
        analyse(&UnitSet::whole(units), &waits, &serves)
    }

    #[test]
    fn a_drawing_has_the_circle_in_red_and_what_is_unknown_dashed() {
        let dot = "digraph boot {\n  rankdir=LR;\n  node [shape=box];\n  n0 [label=\"/run/a\\\\b\"];\n  \
                   n1 [label=\"app.service\"];\n  n2 [label=\"gate.service\"];\n  n3 [label=\"http://h/\"];\n  \
                   n1 -> n0 [label=\"waits for, unknown\", style=dashed];\n  n1 -> n2 [label=\"after\", color=red];\n  \
                   n2 -> n3 [label=\"waits for\", color=red];\n  n3 -> n1 [label=\"served by\", color=red];\n}\n";
        assert_eq!(report().dot(), dot);
        let mermaid = "flowchart LR\n  n0[\"/run/a\\b\"]\n  n1[\"app.service\"]\n  n2[\"gate.service\"]\n  \
                       n3[\"http://h/\"]\n  n1 -.->|waits for, unknown| n0\n  n1 -->|after| n2\n  \
                       n2 -->|waits for| n3\n  n3 -->|served by| n1\n  linkStyle 1,2,3 stroke:red\n";
        assert_eq!(report().mermaid(), mermaid);
    }
}
