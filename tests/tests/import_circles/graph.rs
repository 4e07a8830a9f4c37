//! Which file of a crate imports which, and the circles among them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use crate::source::{self, Import, Source};

/// A module in a file of its own: `["census", "run"]`; the crate's root is empty.
type Module = Vec<String>;

/// The files of a crate by module, each with what it imports.
pub(crate) type Sources = BTreeMap<Module, Source>;

/// Which module imports which, by the paths that say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    edges: BTreeMap<Module, BTreeMap<Module, BTreeSet<String>>>,
}

/// Modules each of which reaches all others, with the imports that tie them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Circle {
    pub(crate) modules: BTreeSet<Module>,
    /// From, to, and the paths by which.
    pub(crate) ties: Vec<(Module, Module, BTreeSet<String>)>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.modules.iter().map(|module| module.join("/")).collect();
        write!(f, "circle: {}", names.join(", "))?;
        for (from, to, paths) in &self.ties {
            let paths: Vec<_> = paths.iter().map(String::as_str).collect();
            write!(f, "\n  {} -> {}: {}", from.join("/"), to.join("/"), paths.join(", "))?;
        }
        Ok(())
    }
}

/// Reads the files below a `src` folder, without those of tests.
///
/// # Errors
/// If a folder or file cannot be read.
pub(crate) fn sources(src: &Path) -> io::Result<Sources> {
    let mut sources = Sources::new();
    let mut folders = vec![(src.to_owned(), Module::new())];
    while let Some((folder, above)) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
            let module = |name: &str| above.iter().cloned().chain([name.to_owned()]).collect::<Module>();
            if name == "tests" {
                continue;
            }
            if path.is_dir() {
                folders.push((path.clone(), module(name)));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                // Modules that are folders are named by the folder.
                let module =
                    if matches!(name, "lib" | "main" | "mod") { above.clone() } else { module(name) };
                sources.insert(module, source::read(&fs::read_to_string(&path)?));
            }
        }
    }
    Ok(without_test_modules(sources))
}

/// Leaves out the files that are modules for tests only, and those below them.
fn without_test_modules(mut sources: Sources) -> Sources {
    let hidden: Vec<Module> = sources
        .iter()
        .flat_map(|(module, source)| {
            source.test_modules.iter().map(|name| [module.as_slice(), std::slice::from_ref(name)].concat())
        })
        .collect();
    sources.retain(|module, _| !hidden.iter().any(|hidden| module.starts_with(hidden)));
    sources
}

impl Graph {
    /// The imports between the modules of a crate.
    pub(crate) fn of(sources: &Sources) -> Self {
        let mut graph = Self::default();
        for (module, source) in sources {
            for import in &source.imports {
                if let Some(target) = target(module, import, sources) {
                    let ties = graph.edges.entry(module.clone()).or_default();
                    ties.entry(target).or_default().insert(import.path.join("::"));
                }
            }
        }
        graph
    }

    /// How many modules import another one, and how many imports there are between two modules.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.edges.len(), self.edges.values().map(BTreeMap::len).sum())
    }

    /// The largest sets of modules that reach each other, by name.
    pub(crate) fn circles(&self) -> Vec<Circle> {
        let reach: BTreeMap<_, _> = self.edges.keys().map(|module| (module, self.reached(module))).collect();
        let mut circles = Vec::new();
        let mut seen = BTreeSet::new();
        for (module, reached) in &reach {
            if !reached.contains(*module) || seen.contains(*module) {
                continue;
            }
            let back = |other: &&Module| reach.get(*other).is_some_and(|reached| reached.contains(*module));
            let modules: BTreeSet<Module> = reached.iter().filter(back).cloned().collect();
            seen.extend(modules.iter().cloned());
            circles.push(self.circle(modules));
        }
        circles
    }

    fn reached(&self, from: &Module) -> BTreeSet<Module> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(module) = open.pop() {
            for next in self.edges.get(module).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        reached
    }

    fn circle(&self, modules: BTreeSet<Module>) -> Circle {
        let inside = |(module, _): &(&Module, _)| modules.contains(*module);
        let ties = self.edges.iter().filter(inside).flat_map(|(from, targets)| {
            let targets = targets.iter().filter(|(to, _)| modules.contains(*to));
            targets.map(|(to, paths)| (from.clone(), to.clone(), paths.clone()))
        });
        Circle { ties: ties.collect(), modules }
    }
}

/// The module that an import leads to: the deepest one with a file of its own. `None` for other crates, for the module
/// itself, and for the crate's root: `lib.rs` re-exports names for users, and what it re-exports has a path of its own.
fn target(module: &Module, import: &Import, sources: &Sources) -> Option<Module> {
    let here: Module = module.iter().chain(&import.within).cloned().collect();
    let (mut full, mut rest) = match import.path.split_first()? {
        (word, rest) if word == "crate" => (Module::new(), rest),
        (word, rest) if word == "self" => (here, rest),
        (word, _) if word == "super" => (here, import.path.as_slice()),
        (word, _) if import.by_use && is_child(&here, word, sources) => (here, import.path.as_slice()),
        _ => return None,
    };
    while let [word, after @ ..] = rest
        && word == "super"
    {
        full.pop();
        rest = after;
    }
    full.extend(rest.iter().cloned());
    while !full.is_empty() && !sources.contains_key(&full) {
        full.pop();
    }
    (!full.is_empty() && full != *module).then_some(full)
}

/// True iff `word` is a module below `here` in a file of its own.
fn is_child(here: &[String], word: &str, sources: &Sources) -> bool {
    let child: Module = here.iter().cloned().chain([word.to_owned()]).collect();
    sources.contains_key(&child)
}
