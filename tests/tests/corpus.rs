//! The committed corpus of the fuzz targets, file by file, without a fuzzer.

#[path = "../../fuzz/src/checks.rs"]
mod checks;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use pvcheck_tests::Outcome;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

/// Names in a folder. Files that a fuzzer wrote have no extension and are left out where committed files are wanted.
fn names(folder: &Path) -> std::io::Result<BTreeSet<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

#[test]
fn every_file_of_the_corpus_holds() -> Outcome {
    let mut failed = vec![];
    for (target, check) in checks::CHECKS {
        let files = names(&corpus().join(target))?.into_iter().filter(|file| file.extension().is_some());
        let files: Vec<_> = files.collect();
        assert!(files.len() > 3, "the corpus of {target} is too small: {files:?}");
        for file in files {
            let data = fs::read(&file)?;
            if catch_unwind(|| check(&data)).is_err() {
                failed.push(file);
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
    Ok(())
}

/// A corpus without a check, a target without a corpus, or a target that cargo-fuzz does not know would never run.
#[test]
fn every_target_has_its_check_and_its_corpus() -> Outcome {
    let stem = |path: PathBuf| path.file_stem().map(|name| name.to_string_lossy().into_owned());
    let of = |folder: &Path| -> std::io::Result<BTreeSet<String>> {
        Ok(names(folder)?.into_iter().filter_map(stem).collect())
    };
    let checks: BTreeSet<String> = checks::CHECKS.iter().map(|(target, _)| (*target).to_owned()).collect();
    assert_eq!(of(&corpus())?, checks);
    assert_eq!(of(&corpus().join("../fuzz_targets"))?, checks);
    let manifest = fs::read_to_string(corpus().join("../Cargo.toml"))?;
    for target in &checks {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")),
            "{target} has no [[bin]] in fuzz/Cargo.toml"
        );
    }
    Ok(())
}
