//! systemd's journal files, read by their documented format (systemd.io/JOURNAL_FILE_FORMAT) and by no library of systemd's.
//!
//! A file is read object by object from its first to its last entry, and its indexes are not asked: an index that is damaged
//! hides entries without a word, and a walk that does not arrive at the number of entries that the header promises is known to
//! be incomplete.

mod ahead;
mod data;
mod decompress;
mod entries;
mod files;
mod hash;
mod items;
mod layout;
mod pages;
mod place;
mod seek;
mod walk;
mod wanted;

pub(super) use self::entries::{Entries, Next};
pub(super) use self::files::{Files, is_of_several_machines};
pub(super) use self::layout::Flaw;
pub(super) use self::wanted::{Asker, Wanted, whole_name};
