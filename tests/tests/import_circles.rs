//! No file of a crate imports another one that leads back to it: a reader can start at the bottom and never meets a name
//! that is explained further on.

#[path = "import_circles/graph.rs"]
mod graph;
#[path = "import_circles/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use graph::{Circle, Graph, Sources, sources};
use pvcheck_tests::Outcome;

/// The `src` folders of all crates.
fn crates() -> io::Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = fs::read_dir(root.join("crates"))?.map(|entry| Ok(entry?.path().join("src")));
    let mut folders = folders.collect::<io::Result<Vec<_>>>()?;
    folders.push(root.join("xtask/src"));
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    Ok(folders)
}

/// A crate of these files, given as module path and text.
fn planted(files: &[(&str, &str)]) -> Sources {
    let module = |path: &str| path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    files.iter().map(|(path, text)| (module(path), source::read(text))).collect()
}

fn circles(files: &[(&str, &str)]) -> Vec<Circle> {
    Graph::of(&planted(files)).circles()
}

/// The modules of each circle, joined.
fn names(circles: &[Circle]) -> Vec<String> {
    let joined = |circle: &Circle| {
        let names: BTreeSet<String> = circle.modules.iter().map(|module| module.join("/")).collect();
        names.into_iter().collect::<Vec<_>>().join(" ")
    };
    circles.iter().map(joined).collect()
}

/// The paths that a file names, joined.
fn paths(text: &str) -> Vec<String> {
    source::read(text).imports.iter().map(|import| import.path.join("::")).collect()
}

#[test]
fn the_files_of_no_crate_import_each_other_in_a_circle() -> Outcome {
    let mut found = Vec::new();
    for src in crates()? {
        let name = src.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let circles = Graph::of(&sources(&src)?).circles();
        found.extend(circles.iter().map(|circle| format!("{name}: {circle}")));
    }
    assert!(found.is_empty(), "{} circles\n{}", found.len(), found.join("\n"));
    Ok(())
}

/// A search that reads nothing would find no circle either.
#[test]
fn the_search_sees_files_and_imports_in_every_crate() -> Outcome {
    let crates = crates()?;
    assert!(5 < crates.len(), "{crates:?}");
    for src in crates {
        let sources = sources(&src)?;
        assert!(sources.contains_key(&Vec::new()), "{} has no lib.rs or main.rs", src.display());
        let (modules, imports) = Graph::of(&sources).size();
        assert!(0 < modules && modules <= imports, "{}: {modules}, {imports}", src.display());
    }
    Ok(())
}

#[test]
fn a_tree_without_a_circle_is_clean() {
    let files = [
        ("", "mod a; mod b; mod c; pub use a::A; pub use crate::b::B;"),
        ("a", "use crate::{b::B, c};"),
        ("b", "use super::c::C;"),
        ("c", "use std::fmt;"),
    ];
    assert_eq!(circles(&files), []);
}

#[test]
fn a_circle_of_two_is_found_with_the_paths_that_tie_it() {
    let files = [("a", "use crate::b::{B, C};"), ("b", "fn f() -> super::a::A { todo!() }"), ("c", "")];
    let found = circles(&files);
    assert_eq!(names(&found), ["a b"]);
    let text = found[0].to_string();
    assert_eq!(text, "circle: a, b\n  a -> b: crate::b::B, crate::b::C\n  b -> a: super::a::A");
}

#[test]
fn a_circle_of_three_is_found_and_what_only_leads_into_it_is_not_part_of_it() {
    let files = [
        ("", "mod a; mod b; mod c; mod out; mod tail;"),
        ("a", "use crate::b::B; use crate::tail::T;"),
        ("b", "use crate::c::C;"),
        ("c", "use crate::a::A;"),
        ("out", "use crate::a::A;"),
        ("tail", ""),
    ];
    assert_eq!(names(&circles(&files)), ["a b c"]);
}

#[test]
fn circles_apart_are_counted_apart() {
    let files = [
        ("a", "use crate::b::B;"),
        ("b", "use crate::a::A; use crate::c::C;"),
        ("c", "use crate::d::D;"),
        ("d", "use crate::c::C;"),
    ];
    assert_eq!(names(&circles(&files)), ["a b", "c d"]);
}

#[test]
fn a_module_and_its_child_can_be_a_circle() {
    let files = [("a", "mod child; use child::C;"), ("a::child", "use super::A;")];
    assert_eq!(names(&circles(&files)), ["a a/child"]);
    let files = [("a", "mod child; pub use self::child::C;"), ("a::child", "use crate::a::A;")];
    assert_eq!(names(&circles(&files)), ["a a/child"]);
    let declared_only = [("a", "mod child;"), ("a::child", "use super::A;")];
    assert_eq!(circles(&declared_only), [], "a declaration is no import");
}

#[test]
fn the_root_re_exports_and_is_in_no_circle() {
    let files = [("", "mod a; pub use a::A;"), ("a", "use crate::Other; use super::Another;")];
    assert_eq!(circles(&files), []);
}

#[test]
fn another_crate_with_the_name_of_a_module_is_another_crate() {
    let files = [("a", "use b::B; use ::b::C; fn f() { b::g() }"), ("b", "use crate::a::A;")];
    assert_eq!(circles(&files), [], "b is not a child of a");
}

#[test]
fn super_climbs_one_module_for_each_word() {
    let files = [("x", ""), ("a::b::c", "use super::super::super::x::X;"), ("a::x", "use super::b::c::C;")];
    let text = format!("{:?}", Graph::of(&planted(&files)));
    assert_eq!(Graph::of(&planted(&files)).size(), (2, 2), "{text}");
    let files = [("a::x", "use super::b::c::C;"), ("a::b::c", "use super::super::x::X;")];
    assert_eq!(names(&circles(&files)), ["a/b/c a/x"]);
}

#[test]
fn an_inline_module_is_climbed_like_any_other() {
    let inner = "mod inner { use super::B; } use crate::b::X;";
    assert_eq!(circles(&[("a", inner), ("b", "")]), []);
    let outer = "mod inner { fn f() { super::super::b::g() } }";
    assert_eq!(names(&circles(&[("a", outer), ("b", "use crate::a::A;")])), ["a b"]);
    let after = "mod inner { fn f() {} } use super::b::B;";
    assert_eq!(names(&circles(&[("a", after), ("b", "use crate::a::A;")])), ["a b"]);
}

#[test]
fn nested_use_trees_are_taken_apart() {
    let text = "use crate::{a, b::{self, c::{D, E as F}, *}, g::{}};";
    assert_eq!(paths(text), ["crate::a", "crate::b", "crate::b::c::D", "crate::b::c::E", "crate::b"]);
    assert_eq!(paths("use {crate::a::A, super::b};"), ["crate::a::A", "super::b"]);
    assert_eq!(
        paths("pub(in crate::x) use super::{\n    a,\n    b,\n};"),
        ["crate::x", "super::a", "super::b"]
    );
    assert_eq!(paths("use self::a; pub(crate) use a as b;"), ["self::a", "a"]);
    assert_eq!(paths("use ::std::fmt;"), [""; 0]);
}

#[test]
fn paths_in_code_count_from_crate_and_super_only() {
    let text = "fn f(x: crate::a::A) -> Vec<super::b::B> { std::mem::take(x); other::g(); crate::c!() }";
    assert_eq!(paths(text), ["crate::a::A", "super::b::B", "crate::c"]);
    assert_eq!(paths("pub(crate) fn f() {} pub(super) fn g() {}"), [""; 0]);
    assert_eq!(paths("macro_rules! m { () => { $crate::a::f() } }"), ["crate::a::f"]);
}

#[test]
fn comments_and_literals_are_no_imports() {
    for text in [
        "// use crate::a;",
        "/// [`crate::a::A`]",
        "/* use crate::a; /* nested */ use crate::b; */",
        r#"const X: &str = "use crate::a;";"#,
        r#"const X: &str = "\" use crate::a;";"#,
        r##"const X: &str = r#"" use crate::a; "#;"##,
        r##"const X: &[u8] = br#"" use crate::a; "#;"##,
        r#"const X: &CStr = c"use crate::a;";"#,
    ] {
        assert_eq!(paths(text), [""; 0], "{text}");
    }
}

#[test]
fn what_follows_a_literal_is_code_again() {
    for text in [
        r#"const X: char = '"'; use crate::a;"#,
        r"const X: char = '\''; use crate::a;",
        r#"const X: u8 = b'"'; use crate::a;"#,
        r"const X: &str = r#type(b'\\'); use crate::a;",
        r#"const X: &str = "\\"; use crate::a;"#,
        r##"const X: &str = r#"\"#; use crate::a;"##,
        "fn f<'a>(x: &'a str, y: &'static str) {} use crate::a;",
        "const X: u32 = 4 / 2; use crate::a; // end",
        "let bar\"\" = 1; use crate::a;",
    ] {
        assert_eq!(paths(text), ["crate::a"], "{text}");
    }
}

#[test]
fn what_only_tests_see_is_left_out() {
    for text in [
        "#[cfg(test)] mod tests { use crate::a; fn f() { if x { super::b::g() } } }",
        "#[cfg(test)]\n#[allow(x)]\nmod tests { use crate::a; }",
        "#[cfg(test)] use crate::{a, b};",
        "#[cfg(test)] pub(crate) fn f<A, B>(x: [u8; 2]) -> crate::a::A { crate::b::c() }",
        "#[cfg(all(test, unix))] mod m { use crate::a; }",
        "#[cfg(all(any(unix, windows), test))] mod m { use crate::a; }",
        "#[cfg(test)] const X: crate::a::A = crate::a::A { x: 1 };",
        "struct S { #[cfg(test)] x: crate::a::A }",
        "struct S { #[cfg(test)] x: crate::a::A, y: u8 }",
        "#![cfg(test)] use crate::a;",
    ] {
        assert_eq!(paths(text), [""; 0], "{text}");
    }
}

#[test]
fn what_others_see_too_is_kept() {
    for text in [
        "#[cfg(not(test))] use crate::a;",
        "#[cfg(any(test, unix))] use crate::a;",
        "#[cfg(feature = \"test\")] use crate::a;",
        "#[derive(Debug)] struct S { x: crate::a }",
        "#[cfg(test)] mod tests; use crate::a;",
        "#[cfg(test)] mod tests { use crate::b; } use crate::a;",
        "#[cfg(test)] use crate::{b, c}; use crate::a;",
        "struct S { #[cfg(test)] x: crate::b::B, y: crate::a }",
        "#![forbid(unsafe_code)] use crate::a;",
        "struct S { #[arg(value_parser = crate::a)] x: u8 }",
    ] {
        assert_eq!(paths(text), ["crate::a"], "{text}");
    }
}

#[test]
fn modules_for_tests_are_named() {
    let text = "mod a; #[cfg(test)] mod tests; #[cfg(test)] pub(crate) mod support; #[cfg(test)] mod b { }";
    assert_eq!(source::read(text).test_modules, ["tests", "support"]);
}

#[test]
fn files_are_read_as_modules_and_those_of_tests_are_not() -> Outcome {
    let folder = tempfile::tempdir()?;
    let files = [
        ("lib.rs", "mod a; #[cfg(test)] mod support;"),
        ("a/mod.rs", "mod b;"),
        ("a/b.rs", "use crate::a::A;"),
        ("a/tests.rs", "use crate::a::b::B;"),
        ("a/tests/more.rs", "use crate::a::b::B;"),
        ("support.rs", "mod deep;"),
        ("support/deep.rs", "use crate::a::A;"),
        ("notes.md", "use crate::a;"),
    ];
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
        fs::write(path, text)?;
    }
    let found: Vec<String> = sources(folder.path())?.keys().map(|module| module.join("/")).collect();
    assert_eq!(found, ["", "a", "a/b"]);
    Ok(())
}
