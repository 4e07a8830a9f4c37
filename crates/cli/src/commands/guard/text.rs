//! What `pvcheck guard` prints for people.

use std::fmt::Write as _;

use pvcheck_guard::{Answer, ForeignGuard, Full, Guard, Logged, Now, Orphans, Outlook, RanOut};

use crate::report::many;

/// What the guard found, decided and did. Writing to a String cannot fail.
pub(super) fn guard(guard: &Guard) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "now      {:<14} {}", guard.signs.now.as_str(), now(&guard.full));
    let _ = writeln!(text, "logged   {:<14} {}", guard.signs.logged.as_str(), logged(&guard.ran_out));
    let _ = writeln!(text, "ahead    {:<14} {}", guard.signs.ahead.as_str(), ahead(&guard.outlooks));
    let left = match (guard.signs.orphans, &guard.left.unknown) {
        (_, Some(why)) => why.clone(),
        (Orphans::None, None) => "nothing of earlier runs of pvcheck is left".to_owned(),
        (_, None) => format!("{} of {}", many(guard.left.objects, "object"), guard.left.runs.join(", ")),
    };
    let _ = writeln!(text, "orphans  {:<14} {left}", guard.signs.orphans.as_str());
    let last = guard.last.as_ref().map_or_else(
        || "the guard has done nothing yet".to_owned(),
        |act| format!("{} at {}", act.rung.as_str(), act.begun),
    );
    let _ = writeln!(text, "before   {:<14} {last}", guard.signs.brake.as_str());
    for way in &guard.ways {
        let why = way.reason.as_deref().unwrap_or("open");
        let _ = writeln!(text, "way      {:<14} {why}", way.rung.as_str());
    }
    let _ = writeln!(text, "-> {} ({}): {}", guard.answer.as_str(), guard.row, guard.because);
    for done in &guard.done {
        let _ = writeln!(text, "done: {done}");
        for count in &done.leaked {
            let number = |n: Option<u64>| n.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
            let (before, after) = (number(count.before), number(count.after));
            let _ = writeln!(text, "      {}: {before} leaked before, {after} now", count.network);
        }
    }
    if let Some(after) = &guard.after {
        let _ = writeln!(text, "after: {} {}", after.sign.as_str(), now(after));
    }
    if let Some(page) = &guard.page {
        let how = page
            .command
            .as_ref()
            .map_or_else(|| "nobody: the configuration has no [guard] page".to_owned(), ToString::to_string);
        let _ = writeln!(text, "called: {how}");
    }
    if !guard.applied && !matches!(guard.answer, Answer::Nothing | Answer::Undecided) {
        text += "Nothing was touched; add --apply to do it.\n";
    }
    text
}

fn now(full: &Full) -> String {
    if let Some(why) = &full.unknown {
        return why.clone();
    }
    let known = |n: Option<u64>| n.map_or_else(|| "an unknown number".to_owned(), |n| n.to_string());
    let networks = full.networks.iter().map(|network| {
        let waits = if network.waits.is_empty() {
            String::new()
        } else {
            format!("; waiting: {}", network.waits.join(", "))
        };
        format!(
            "{}: {} usable, {} owned, {} leaked{waits}",
            network.name,
            network.usable,
            network.owned,
            known(network.leaked)
        )
    });
    let unclear = full.unclear.iter().map(|network| {
        format!("{}: {} waits here, perhaps for another network", network.name, network.waits.join(", "))
    });
    let parts: Vec<String> = networks.chain(unclear).collect();
    if full.sign == Now::NotFull { "nothing waits for an address".to_owned() } else { parts.join("; ") }
}

fn logged(seen: &RanOut) -> String {
    let since = match (seen.since, seen.since_act) {
        (Some(since), true) => format!(" since the guard dealt with it at {since}"),
        (Some(since), false) => format!(" since {since}"),
        (None, _) => String::new(),
    };
    match seen.sign {
        Logged::Unknown => seen.unknown.clone().unwrap_or_default(),
        Logged::Clean => format!("no line says that addresses ran out{since}"),
        Logged::RanOut => {
            let last = seen.last.map_or_else(String::new, |last| format!(", the last at {last}"));
            format!("{}{since}{last}: {}", many(seen.lines, "line"), seen.signatures.join(", "))
        }
    }
}

fn ahead(outlooks: &[Outlook]) -> String {
    if outlooks.is_empty() {
        return "no network is guarded".to_owned();
    }
    let one = |outlook: &Outlook| {
        let name = &outlook.network;
        match (&outlook.unknown, outlook.full_at, outlook.leaked_a_day) {
            (Some(why), _, _) => format!("{name}: {why}"),
            (None, Some(at), Some(rate)) => {
                let earliest =
                    outlook.earliest.map_or_else(String::new, |at| format!(", not before {at} (97.5 %)"));
                format!("{name}: {rate:.1} leaked a day, full at {at}{earliest}")
            }
            (None, ..) => format!("{name}: nothing leaked while it was counted"),
        }
    };
    outlooks.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What is said of a foreign guard.
pub(super) fn foreign(guard: &ForeignGuard) -> String {
    let mut text = format!("{} {}\n", guard.verdict, guard.file);
    for read in &guard.reads {
        let how = if read.remote { " through ssh" } else { "" };
        let _ = writeln!(
            text,
            "line {}: reads the log{how}, {}, for {}",
            read.line,
            read.looks,
            read.patterns.join(" and ")
        );
        let _ = writeln!(text, "    {}", read.text);
    }
    for act in &guard.acts {
        let _ = writeln!(text, "line {}: {}", act.line, act.what);
    }
    for one in guard.fires_on.iter().filter(|one| one.wanted) {
        let fires = match one.fires {
            Some(true) => "fires on",
            Some(false) => "misses",
            None => "unknown on",
        };
        let _ = writeln!(text, "{fires:<10} {}", one.signature);
    }
    let again = match guard.fires_again {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let _ = writeln!(text, "fires again after its own cure: {again}");
    for fault in &guard.faults {
        let _ = writeln!(text, "-> {fault}");
    }
    for advice in &guard.advice {
        let _ = writeln!(text, "advice: {advice}");
    }
    text
}
