use super::*;
use crate::workspace;

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_tests_that_need_the_machine_for_themselves_are_there() -> anyhow::Result<()> {
    let names = names(&workspace::root()?.join("tests/tests"))?;
    let missing: Vec<_> =
        ALONE.iter().chain(LONGEST).filter(|alone| !names.iter().any(|n| n == *alone)).collect();
    assert!(missing.is_empty(), "{missing:?} of {names:?}");
    Ok(())
}

#[test]
fn only_files_of_rust_are_test_programs() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for name in ["b.rs", "a.rs", "notes.md", "README"] {
        std::fs::write(folder.path().join(name), "")?;
    }
    std::fs::create_dir(folder.path().join("support"))?;
    assert_eq!(names(folder.path())?, ["a", "b"]);
    Ok(())
}

#[test]
fn those_that_need_the_machine_are_taken_out_and_the_longest_of_the_others_come_first() {
    let (alone, others) = split(owned(&["census", "churn", "lab", "leaks", "removal", "why"]));
    assert_eq!(alone, ["lab", "removal"]);
    assert_eq!(others, ["leaks", "why", "census", "churn"]);
}
