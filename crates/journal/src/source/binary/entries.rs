//! The entries of several files, in the journal's order.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::ahead::Ahead;
use super::layout::Flaw;
use super::place::Place;
use super::seek;
use super::walk::{Found, Step, Walk};
use super::wanted::Wanted;
use crate::entry::Fields;

/// So much of all files is in memory, where they are few.
const MEMORY_BYTES: usize = 8 << 20;
/// So much of one is read at once, at most and at least.
const MOST_CHUNK: usize = 256 * 1024;
const LEAST_CHUNK: usize = 8 * 1024;
/// Files that are walked ahead: the one whose turn it is, and the next one.
const AHEAD: usize = 2;

/// What comes next.
pub(crate) enum Next {
    Entry(Fields),
    /// Something of a file cannot be read.
    Flaw(PathBuf, Flaw),
    /// There may be more; ask again.
    More,
    End,
}

/// The entries of a journal that are asked for.
pub(crate) struct Entries {
    wanted: Wanted,
    files: Vec<One>,
    /// Files that could not be opened.
    unopened: Vec<(PathBuf, Flaw)>,
    /// Only what comes after this is asked for.
    after: Option<Place>,
    /// The one that came last, which may be in two files.
    last: Option<Place>,
}

/// A file, and the entry that it stands at.
struct One {
    path: PathBuf,
    /// Nothing where it is walked ahead.
    walk: Option<Box<Walk>>,
    ahead: Option<Ahead>,
    head: Option<Found>,
    is_at_end: bool,
}

impl Entries {
    /// Opens the files. Those that cannot be opened come as flaws.
    pub(crate) fn open(paths: &[PathBuf], wanted: Wanted) -> Self {
        let chunk = (MEMORY_BYTES / paths.len().max(1)).clamp(LEAST_CHUNK, MOST_CHUNK);
        let (mut files, mut unopened) = (Vec::new(), Vec::new());
        for path in paths {
            match Walk::open(path, chunk) {
                Ok(walk) => files.push(One::new(path, walk)),
                Err(flaw) => unopened.push((path.clone(), flaw)),
            }
        }
        Self { wanted, files, unopened, after: None, last: None }
    }

    /// Begins with what was received at that time.
    pub(crate) fn seek_time(&mut self, at_usec: u64) {
        for one in &mut self.files {
            one.go_to(|place| at_usec <= place.at_usec);
        }
    }

    /// Begins behind the entry of a cursor; false if it is not there any more, and what comes is what was written after it.
    pub(crate) fn seek_after(&mut self, cursor: &str) -> bool {
        let Some(mark) = Place::of_cursor(cursor) else { return false };
        let mut is_there = false;
        for one in &mut self.files {
            is_there |= one.has(&mark);
            one.go_to(|place| place.order(&mark) == Ordering::Greater);
        }
        self.after = Some(mark);
        is_there
    }

    /// The cursor of the last entry of all, whatever is asked for; `None` if the journal is empty.
    pub(crate) fn last_cursor(&self) -> Result<Option<String>, (PathBuf, Flaw)> {
        let mut last: Option<Place> = None;
        for one in &self.files {
            let Some(walk) = &one.walk else { continue };
            let place = seek::last(walk.indexed()).map_err(|flaw| (one.path.clone(), flaw))?;
            if let Some(place) = place
                && last.as_ref().is_none_or(|last| last.order(&place) == Ordering::Less)
            {
                last = Some(place);
            }
        }
        Ok(last.map(|place| place.cursor()))
    }

    /// The files that could not be opened.
    pub(crate) fn unopened(&self) -> impl Iterator<Item = (&Path, &Flaw)> {
        self.unopened.iter().map(|(path, flaw)| (path.as_path(), flaw))
    }

    /// The next entry, or what stands in its way. It reads a bounded part of the journal.
    pub(crate) fn next(&mut self) -> Next {
        if let Some(behind) = self.files.iter_mut().find(|one| one.head.is_none() && !one.is_at_end) {
            return behind.step(&self.wanted);
        }
        let heads =
            self.files.iter().enumerate().filter_map(|(at, one)| Some((at, &one.head.as_ref()?.place)));
        let first = heads.reduce(|first, other| if other.1.order(first.1).is_lt() { other } else { first });
        let Some((at, _)) = first else { return Next::End };
        self.walk_ahead(at);
        let Some(found) = self.files[at].head.take() else { return Next::End };
        // An entry of two files is one entry.
        let is_again = self.last.replace(found.place) == Some(found.place);
        if is_again || self.after.is_some_and(|after| found.place.order(&after) != Ordering::Greater) {
            return Next::More;
        }
        Next::Entry(found.fields)
    }
}

impl Entries {
    /// Has the file walked ahead whose turn comes after that one's.
    fn walk_ahead(&mut self, now: usize) {
        let is_ahead = |one: &One| !one.is_at_end && one.ahead.is_some();
        if self.files.iter().filter(|one| is_ahead(one)).count() == AHEAD {
            return;
        }
        let next = self.files.iter_mut().enumerate().filter_map(|(at, one)| {
            let is_next = at != now && one.walk.is_some();
            let place = one.head.as_ref().filter(|_| is_next)?.place;
            Some((place, one))
        });
        let next = next.reduce(|first, other| if other.0.order(&first.0).is_lt() { other } else { first });
        if let Some((_, one)) = next {
            one.go_ahead(self.wanted.clone());
        }
    }
}

impl One {
    fn new(path: &Path, walk: Walk) -> Self {
        let walk = Some(Box::new(walk));
        Self { path: path.to_owned(), walk, ahead: None, head: None, is_at_end: false }
    }

    /// Walks on a thread of its own from here on, where there can be one.
    fn go_ahead(&mut self, wanted: Wanted) {
        let Some(walk) = self.walk.take() else { return };
        match Ahead::start(walk, wanted) {
            Ok(ahead) => self.ahead = Some(ahead),
            Err(walk) => self.walk = Some(walk),
        }
    }

    /// Goes to the first entry from which on that holds, or, where the index is damaged, to the beginning: what is too
    /// early is left out then, by its place or its time.
    fn go_to(&mut self, is_late: impl Fn(&Place) -> bool) {
        let Some(walk) = &mut self.walk else { return };
        match seek::first(walk.indexed(), is_late) {
            Ok(Some((offset, before))) => walk.go_to(offset, before),
            Ok(None) => walk.go_to_end(),
            Err(_) => {}
        }
    }

    /// True iff the file has that entry.
    fn has(&self, mark: &Place) -> bool {
        let Some(walk) = self.walk.as_ref().filter(|walk| walk.indexed().header.seqnum_id == mark.seqnum_id)
        else {
            return false;
        };
        let found = seek::first(walk.indexed(), |place| mark.seqnum <= place.seqnum);
        let Ok(Some((_, before))) = found else { return false };
        seek::nth(walk.indexed(), before).is_ok_and(|place| place == *mark)
    }

    fn step(&mut self, wanted: &Wanted) -> Next {
        let step = match (&mut self.ahead, &mut self.walk) {
            (Some(ahead), _) => ahead.step(),
            (None, Some(walk)) => walk.step(wanted),
            (None, None) => Step::End,
        };
        match step {
            Step::Found(found) => self.head = Some(*found),
            Step::Flaw(flaw) => return Next::Flaw(self.path.clone(), flaw),
            Step::More => {}
            Step::End => self.is_at_end = true,
        }
        Next::More
    }
}
