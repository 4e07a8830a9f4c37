//! A whole ledger, broken in one place after the other.

use proptest::prelude::*;

use super::*;
use crate::content::Note;
use crate::damage::Fault;
use crate::finding::{Closed, FindingEvent, Opened, Severity};
use crate::keys::PrivateKey;
use crate::ledger::{Ledger, Refusal};
use crate::line::sealed;
use crate::rules::Breach;
use crate::testing::{Bench, at, claim, key};
use crate::verdict::{OfClaim, Verdict, Veto};

/// Founded, a claim and three notes: five lines.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.claim(1);
    for (n, text) in ["drained", "renewed", "routes answer"].into_iter().enumerate() {
        bench.note(text, 2 + i64::try_from(n).expect("three"));
    }
    bench
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// The place and the fault of a ledger that is damaged.
fn fault(bytes: &[u8]) -> (u64, Fault) {
    match Ledger::read(bytes) {
        Err(Damage::Damaged { line, fault, offset }) => {
            let before: usize =
                lines(bytes).iter().take(usize::try_from(line).expect("few lines") - 1).map(Vec::len).sum();
            assert_eq!(offset, before as u64, "the place in bytes is that of the line");
            (line, fault)
        }
        other => panic!("not damaged: {other:?}"),
    }
}

/// A line that its writer signs whatever the rules are.
fn forged(bench: &Bench, named: Role, content: &Content, key: &PrivateKey) -> Vec<u8> {
    let ledger = bench.ledger();
    let number = ledger.lines().len() as u64 + 1;
    let line = sealed(number, at(100), named, Some(ledger.head()), content, key).expect("JSON");
    [&bench.bytes[..], &line, b"\n"].concat()
}

fn note(text: &str) -> Content {
    Content::Note(Note { text: text.to_owned(), gate: None })
}

#[test]
fn a_ledger_that_was_appended_to_is_whole() {
    let bench = bench();
    let ledger = bench.ledger();
    assert_eq!(ledger.lines().len(), 5);
    assert_eq!(ledger.lines().iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(ledger.head(), Digest::of(lines(&bench.bytes)[4].strip_suffix(b"\n").expect("ended")));
    assert_eq!(ledger.claim("pvcheck.m1").expect("claimed").1, &claim());
}

#[test]
fn a_changed_byte_is_found_in_its_line() {
    let bench = bench();
    let changed = String::from_utf8_lossy(&bench.bytes).replace("\"renewed\"", "\"Renewed\"");
    assert_eq!(fault(changed.as_bytes()), (4, Fault::Edited));
    let mut last = bench.bytes;
    let at = last.len() - 200;
    last[at] ^= 1;
    assert_eq!(fault(&last), (5, Fault::Edited));
}

#[test]
fn a_missing_line_is_named_with_its_number() {
    let bench = bench();
    let all = lines(&bench.bytes);
    let without = |n: usize| [&all[..n - 1], &all[n..]].concat().concat();
    for n in 2..5 {
        let number = n as u64;
        assert_eq!(fault(&without(n)), (number, Fault::Missing { number: number + 1, expected: number }));
    }
    assert_eq!(fault(&without(1)), (1, Fault::Missing { number: 2, expected: 1 }));
    let error =
        Ledger::read(&[&all[..1], &all[3..]].concat().concat()).expect_err("two are missing").to_string();
    assert!(error.contains("has number 4: lines 2 to 3 are missing before it"), "{error}");
}

/// The end of a chain cannot be seen from the chain: only the head that was noted shows it.
#[test]
fn a_ledger_without_its_last_line_is_whole_and_lacks_the_head() {
    let bench = bench();
    let (all, head) = (lines(&bench.bytes), bench.ledger().head());
    let cut = Ledger::read(&all[..4].concat()).expect("a chain like any other");
    assert!(matches!(cut.holds(head), Err(Damage::HeadMissing { lines: 4, .. })));
    assert_eq!(bench.ledger().holds(head).expect("its own").number, 5);
    assert_eq!(bench.ledger().holds(cut.head()).expect("it has grown since").number, 4);
}

#[test]
fn lines_in_another_order_are_named() {
    let bench = bench();
    let swapped = |a: usize, b: usize| {
        let mut all = lines(&bench.bytes);
        all.swap(a - 1, b - 1);
        fault(&all.concat())
    };
    assert_eq!(swapped(3, 4), (3, Fault::Reordered { number: 4, expected: 3 }));
    assert_eq!(swapped(2, 5), (2, Fault::Reordered { number: 5, expected: 2 }));
    assert_eq!(swapped(1, 2), (1, Fault::Reordered { number: 2, expected: 1 }));
    let all = lines(&bench.bytes);
    assert_eq!(
        fault(&[&all[..3], &all[2..]].concat().concat()),
        (4, Fault::Reordered { number: 3, expected: 4 })
    );
}

#[test]
fn a_line_that_is_cut_off_is_named() {
    let bench = bench();
    for cut in [1, 2, 50, 300] {
        assert_eq!(fault(&bench.bytes[..bench.bytes.len() - cut]), (5, Fault::CutOff), "{cut}");
    }
}

/// A role can write its last line anew: what was appended to the former one tells.
#[test]
fn a_line_that_its_own_role_replaced_is_named() {
    let bench = bench();
    let all = lines(&bench.bytes);
    let ledger = Ledger::read(&all[..3].concat()).expect("whole");
    let (_, other) = ledger.next(note("something else"), at(3), &bench.builder).expect("its own line");
    let replaced = [&all[..3], &[other], &all[4..]].concat().concat();
    assert_eq!(fault(&replaced), (5, Fault::Replaced { line: 5 }));
    assert!(Fault::Replaced { line: 5 }.to_string().contains("line 4 was replaced"));
}

#[test]
fn a_key_that_is_not_the_roles_is_named() {
    let bench = bench();
    let last = |bytes: &[u8]| fault(bytes);
    let stranger = forged(&bench, Role::Builder, &note("x"), &key());
    assert_eq!(last(&stranger), (6, Fault::Edited), "nothing was appended to it");
    let digest = Digest::of(lines(&stranger)[5].strip_suffix(b"\n").expect("ended"));
    let line = sealed(7, at(101), Role::Builder, Some(digest), &note("y"), &bench.builder).expect("JSON");
    assert_eq!(last(&[&stranger[..], &line, b"\n"].concat()), (6, Fault::ForeignKey));
    let wrong = Fault::WrongRole { named: Role::Verifier, signed_by: Role::Builder };
    assert_eq!(last(&forged(&bench, Role::Verifier, &note("x"), &bench.builder)), (6, wrong));
}

fn verdict(bench: &Bench) -> Verdict {
    let ledger = bench.ledger();
    let line = &ledger.lines()[1];
    let of = OfClaim { line: 2, digest: line.digest };
    let veto = Veto::ClaimAged { line: 2, age_ms: 2, max_age_ms: 1 };
    Verdict::vetoed("pvcheck.m1", Some(of), veto)
}

#[test]
fn a_verdict_with_the_builders_key_is_refused_and_found_where_it_was_forged() {
    let bench = bench();
    let content = Content::Verdict(verdict(&bench));
    let error = bench.ledger().next(content.clone(), at(50), &bench.builder).expect_err("the verifier's");
    let breach = Breach::NotItsKind { kind: "verdict", only: Role::Verifier, role: Role::Builder };
    assert!(matches!(&error, Refusal::Breach(is) if *is == breach), "{error}");
    assert_eq!(fault(&forged(&bench, Role::Builder, &content, &bench.builder)), (6, Fault::Breach(breach)));
    let claim = Content::Claim(claim());
    let breach = Breach::NotItsKind { kind: "claim", only: Role::Builder, role: Role::Verifier };
    assert_eq!(fault(&forged(&bench, Role::Verifier, &claim, &bench.verifier)), (6, Fault::Breach(breach)));
    assert!(bench.ledger().next(content, at(50), &bench.verifier).is_ok());
}

#[test]
fn rules_that_no_writer_may_break_are_found_where_they_were() {
    let bench = bench();
    let founded = Content::Founded(bench.ledger().founding().clone());
    let mut passed = verdict(&bench);
    passed.outcome = crate::verdict::Outcome::Pass;
    let mut stale = verdict(&bench);
    stale.claim = None;
    let mut no_pass = claim();
    no_pass.facts.verdict = crate::facts::Measured::Unknown;
    let opened = |may_close| Opened {
        id: "F1".to_owned(),
        severity: Severity::Minor,
        title: "text".to_owned(),
        gate: None,
        reproduction: None,
        options: Vec::new(),
        may_close,
    };
    let given_away = Content::Finding(FindingEvent::Open(opened(Role::Builder)));
    let closed =
        Content::Finding(FindingEvent::Closed(Closed { id: "F9".to_owned(), because: "x".to_owned() }));
    for (role, content, word) in [
        (Role::Builder, founded, "first line only"),
        (Role::Builder, Content::Claim(no_pass), "only a PASS"),
        (Role::Verifier, Content::Verdict(passed), "says PASS, and what it lists makes VETO"),
        (Role::Verifier, Content::Verdict(stale), "not on its last claim, which is of line 2"),
        (Role::Verifier, given_away, "only the verifier may close it"),
        (Role::Builder, closed, "no finding F9"),
    ] {
        let key = if role == Role::Builder { &bench.builder } else { &bench.verifier };
        let (line, fault) = fault(&forged(&bench, role, &content, key));
        assert!(line == 6 && fault.to_string().contains(word), "{fault}");
        let refused = bench.ledger().next(content, at(100), key).expect_err(word).to_string();
        assert!(refused.contains(word), "{refused}");
    }
    let early =
        bench.ledger().next(note("x"), at(0), &bench.builder).expect_err("time goes back").to_string();
    assert!(early.contains("is before"), "{early}");
}

/// The bytes of a line of a later version, signed as it should be.
fn of_later(bench: &Bench, old: &str, new: &str) -> Vec<u8> {
    let whole = forged(bench, Role::Builder, &note("x"), &bench.builder);
    let text = String::from_utf8(lines(&whole)[5].clone()).expect("text");
    let signed = text.split(",\"signature\"").next().expect("signed").replace(old, new);
    assert!(!text.starts_with(&signed), "`{old}` is there");
    let signature = bench.builder.sign(Digest::of(signed.as_bytes()));
    [&bench.bytes[..], format!("{signed},\"signature\":\"{signature}\"}}\n").as_bytes()].concat()
}

#[test]
fn what_a_later_version_wrote_is_refused_as_such() {
    let bench = bench();
    for (old, new, word) in [
        ("\"note\"", "\"oracle\"", "kind `oracle`"),
        ("\"gate\":null", "\"gate\":null,\"mood\":1", "mood"),
        ("\"number\":6", "\"number\":6,\"shard\":1", "shard"),
        ("\"builder\"", "\"auditor\"", "auditor"),
    ] {
        let error = Ledger::read(&of_later(&bench, old, new)).expect_err(word);
        assert!(matches!(&error, Damage::Newer { line: 6, what } if what.contains(word)), "{error}");
    }
    let first = String::from_utf8(lines(&bench.bytes)[0].clone()).expect("text");
    let signed =
        first.split(",\"signature\"").next().expect("signed").replace("\"format\":1", "\"format\":2");
    let signature = bench.verifier.sign(Digest::of(signed.as_bytes()));
    let error = Ledger::read(format!("{signed},\"signature\":\"{signature}\"}}\n").as_bytes());
    assert!(matches!(error, Err(Damage::Newer { line: 1, .. })), "{error:?}");
}

#[test]
fn what_is_no_ledger_is_said_to_be_none() {
    for bytes in
        [&b""[..], b"\n", b"hello\n", b"{}\n", b"{\"number\":1}\n", b"[overlay]\nname = 1\n", b"\xff\xfe\n"]
    {
        assert!(matches!(Ledger::read(bytes), Err(Damage::NotALedger { .. })), "{bytes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_changed_byte_is_found(notes in 0usize..5, place in any::<prop::sample::Index>(), bits in 1u8..) {
        let mut bench = Bench::new();
        (0..notes).for_each(|n| bench.note(&format!("note {n}"), 1));
        let mut bytes = bench.bytes.clone();
        let at = place.index(bytes.len());
        bytes[at] ^= bits;
        let error = Ledger::read(&bytes).expect_err("a byte was changed");
        let line = 1 + String::from_utf8_lossy(&bench.bytes[..at]).matches('\n').count() as u64;
        match error {
            Damage::Damaged { line: named, .. } => prop_assert_eq!(named, line),
            // Of a first line that cannot be read the keys are unknown, so that no more can be said.
            Damage::NotALedger { .. } | Damage::Newer { line: 1, .. } => prop_assert_eq!(line, 1),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn any_removed_line_but_the_last_is_found(notes in 1usize..6, place in any::<prop::sample::Index>()) {
        let mut bench = Bench::new();
        (0..notes).for_each(|n| bench.note(&format!("note {n}"), 1));
        let (mut all, head) = (lines(&bench.bytes), bench.ledger().head());
        let at = place.index(all.len());
        all.remove(at);
        match Ledger::read(&all.concat()) {
            Ok(cut) => {
                prop_assert_eq!(at, notes);
                prop_assert!(cut.holds(head).is_err());
            }
            Err(Damage::Damaged { line, fault: Fault::Missing { .. }, .. }) => prop_assert_eq!(line, at as u64 + 1),
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn any_two_swapped_lines_are_found(
        notes in 1usize..6,
        one in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let mut bench = Bench::new();
        (0..notes).for_each(|n| bench.note(&format!("note {n}"), 1));
        let mut all = lines(&bench.bytes);
        let (one, other) = (one.index(all.len()), other.index(all.len()));
        prop_assume!(one != other);
        all.swap(one, other);
        let (line, fault) = fault(&all.concat());
        prop_assert_eq!(line, one.min(other) as u64 + 1);
        prop_assert!(matches!(fault, Fault::Reordered { .. }), "{}", fault);
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Ledger::read(&bytes).is_err());
    }

    /// Pieces of a ledger are more like one than arbitrary bytes are.
    #[test]
    fn any_pieces_of_a_ledger_are_read_or_refused(cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let bench = bench();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bench.bytes.len())).collect();
        places.push(bench.bytes.len());
        let pieces: Vec<u8> = places.windows(2).flat_map(|w| bench.bytes[w[0].min(w[1])..w[0].max(w[1])].to_vec()).collect();
        let _ = Ledger::read(&pieces);
    }
}
