//! Is a ledger what was written, line by line?

use crate::content::{Content, FORMAT, Founding};
use crate::damage::{Damage, Fault};
use crate::digest::Digest;
use crate::line::{Line, Sealed};
use crate::role::Role;
use crate::rules::breach;

/// A line of the file, as it stands there.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// Its place, from 1.
    line: u64,
    offset: u64,
    /// Without the line break.
    bytes: &'a [u8],
    is_ended: bool,
}

impl Place<'_> {
    fn damaged(&self, fault: Fault) -> Damage {
        Damage::Damaged { line: self.line, offset: self.offset, fault }
    }
}

/// The keys and the lines.
///
/// # Errors
/// If it is no ledger, or a line is not what was written; the first such line is named.
pub(crate) fn check(bytes: &[u8]) -> Result<(Founding, Vec<Line>), Damage> {
    let places = places(bytes);
    let founding = founding(&places)?;
    let mut lines: Vec<Line> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let line = one(&founding, &places, at)?;
        if let Some(breach) = breach(&lines, &line) {
            return Err(place.damaged(breach.into()));
        }
        lines.push(line);
    }
    Ok((founding, lines))
}

fn places(bytes: &[u8]) -> Vec<Place<'_>> {
    let mut offset = 0;
    let parts = bytes.split_inclusive(|byte| *byte == b'\n').zip(1..);
    parts
        .map(|(part, line)| {
            let begins = offset;
            offset += part.len() as u64;
            let (bytes, is_ended) = part.strip_suffix(b"\n").map_or((part, false), |bytes| (bytes, true));
            Place { line, offset: begins, bytes, is_ended }
        })
        .collect()
}

/// The keys of the first line. Its signature is checked with all others'.
fn founding(places: &[Place<'_>]) -> Result<Founding, Damage> {
    let not = |because: &str| Damage::NotALedger { because: because.to_owned() };
    let Some(first) = places.first() else { return Err(not("is not there: the file is empty")) };
    let Some(sealed) = Sealed::of(first.bytes) else {
        return Err(if first.is_ended {
            not("has no signature")
        } else {
            not("has no signature and no end")
        });
    };
    let line = match sealed.read() {
        Ok(line) => line,
        Err(what) => return Err(unreadable(first, &sealed, what)),
    };
    match line.content {
        Content::Founded(founding) if founding.format == FORMAT => Ok(founding),
        Content::Founded(founding) => {
            Err(Damage::Newer { line: 1, what: format!("format {}", founding.format) })
        }
        // Without the keys no signature can be checked, but the number is enough to say what happened.
        _ => Err(first.damaged(out_of_place(places, 0, line.number))),
    }
}

/// The fault of a first line that names no keys that this version can read.
fn unreadable(first: &Place<'_>, sealed: &Sealed<'_>, what: String) -> Damage {
    match sealed.number() {
        Some(1) => Damage::Newer { line: 1, what },
        Some(number) => first.damaged(Fault::Missing { number, expected: 1 }),
        None => Damage::NotALedger { because: format!("cannot be read ({what})") },
    }
}

/// The line in this place, if it is signed, in its place, and appended to the one before.
fn one(founding: &Founding, places: &[Place<'_>], at: usize) -> Result<Line, Damage> {
    let place = &places[at];
    if !place.is_ended {
        return Err(place.damaged(Fault::CutOff));
    }
    let edited = || place.damaged(unsigned(places, at));
    let sealed = Sealed::of(place.bytes).ok_or_else(edited)?;
    let signed_by = Role::ALL.into_iter().find(|role| sealed.is_signed_by(founding.key(*role)));
    let signed_by = signed_by.ok_or_else(edited)?;
    let line = sealed.read().map_err(|what| Damage::Newer { line: place.line, what })?;
    if line.role != signed_by {
        return Err(place.damaged(Fault::WrongRole { named: line.role, signed_by }));
    }
    if line.number != place.line {
        return Err(place.damaged(out_of_place(places, at, line.number)));
    }
    let before = at.checked_sub(1).map(|before| Digest::of(places[before].bytes));
    if line.previous != before {
        return Err(place.damaged(Fault::Replaced { line: line.number }));
    }
    Ok(line)
}

/// Why a line is not signed. If the next one was appended to it as it is, no one has edited it since.
fn unsigned(places: &[Place<'_>], at: usize) -> Fault {
    let next = places.get(at + 1).and_then(|next| Sealed::of(next.bytes)?.read().ok());
    let is_chained = next.is_some_and(|next| next.previous == Some(Digest::of(places[at].bytes)));
    if is_chained { Fault::ForeignKey } else { Fault::Edited }
}

/// Why a line has another number than its place: the line that belongs here is further on, or nowhere.
fn out_of_place(places: &[Place<'_>], at: usize, number: u64) -> Fault {
    let expected = places[at].line;
    let later = places.iter().skip(at + 1).filter_map(|place| Sealed::of(place.bytes)?.number());
    if number < expected || later.into_iter().any(|number| number == expected) {
        return Fault::Reordered { number, expected };
    }
    Fault::Missing { number, expected }
}

#[cfg(test)]
mod tests;
