//! The service or task that is asked about: by name, by id, or by the beginning of an id.

use thiserror::Error;

use crate::seen::{Service, Snapshot, Task};

/// How many names a "did you mean" lists, at most.
const NEAR: usize = 5;

/// What was asked about.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    Service(&'a Service),
    Task(&'a Task),
}

/// No service or task matches, or more than one does.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoSuchSubject {
    /// No service has this name, no service and no task this id.
    #[error("there is no service or task `{asked}`{}", hint(near))]
    Unknown {
        /// What was asked for.
        asked: String,
        /// Services with a similar name, nearest first; at most five.
        near: Vec<String>,
    },
    /// Several ids begin with it.
    #[error("`{asked}` is the beginning of several ids: {}; give more of it", matches.join(", "))]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// What begins with it, at most five of them.
        matches: Vec<String>,
    },
}

fn hint(near: &[String]) -> String {
    match near {
        [] => "; `docker service ls` lists the services".into(),
        near => format!("; did you mean {}?", near.join(", ")),
    }
}

/// Full name or id before a beginning of an id, services before tasks.
pub(crate) fn subject<'a>(snapshot: &'a Snapshot, asked: &str) -> Result<Subject<'a>, NoSuchSubject> {
    // In full first, so that a name that is also the beginning of another id stays reachable.
    let service = snapshot.services.iter().find(|s| s.name == asked || s.id.as_str() == asked);
    let task = || snapshot.tasks.iter().find(|t| t.id.as_str() == asked);
    if let Some(found) = service.map(Subject::Service).or_else(|| task().map(Subject::Task)) {
        return Ok(found);
    }
    let services =
        snapshot.services.iter().filter(|s| s.id.as_str().starts_with(asked)).map(Subject::Service);
    let tasks = snapshot.tasks.iter().filter(|t| t.id.as_str().starts_with(asked)).map(Subject::Task);
    let found: Vec<Subject<'a>> =
        if asked.is_empty() { Vec::new() } else { services.chain(tasks).take(NEAR).collect() };
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(NoSuchSubject::Unknown { asked: asked.to_owned(), near: near(snapshot, asked) }),
        several => {
            let name = |s: &Subject<'_>| match s {
                Subject::Service(s) => format!("service {} ({})", s.id, s.name),
                Subject::Task(t) => format!("task {}", t.id),
            };
            Err(NoSuchSubject::Ambiguous {
                asked: asked.to_owned(),
                matches: several.iter().map(name).collect(),
            })
        }
    }
}

/// Services whose name contains what was asked for, is contained in it, or differs in a few letters.
fn near(snapshot: &Snapshot, asked: &str) -> Vec<String> {
    let wanted = asked.to_lowercase();
    // One letter in three: enough for a slip, too little to list every short name.
    let tolerated = wanted.chars().count() / 3;
    let mut near: Vec<(usize, &str)> = Vec::new();
    for service in &snapshot.services {
        let name = service.name.to_lowercase();
        let holds =
            !wanted.is_empty() && !name.is_empty() && (name.contains(&wanted) || wanted.contains(&name));
        let far = distance(&name, &wanted);
        if holds || far <= tolerated {
            near.push((if holds { 0 } else { far }, &service.name));
        }
    }
    near.sort_unstable();
    near.into_iter().take(NEAR).map(|(_, name)| name.to_owned()).collect()
}

/// The Levenshtein distance of two names, each cut to 200 characters: the time grows with the product of both.
fn distance(a: &str, b: &str) -> usize {
    const MOST: usize = 200;
    let b: Vec<char> = b.chars().take(MOST).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().take(MOST).enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let change = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
