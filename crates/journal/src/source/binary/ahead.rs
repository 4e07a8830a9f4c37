//! A file that is walked before its turn comes, on a thread of its own.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::vec;

use super::layout::Flaw;
use super::walk::{Step, Walk};
use super::wanted::Wanted;

/// Entries that are handed over at once.
const BATCH: usize = 256;
/// Bytes of their texts, about.
const BATCH_BYTES: usize = 128 * 1024;
/// So many batches wait for their turn.
const WAITING: usize = 64;

/// The steps of such a walk.
pub(super) struct Ahead {
    batches: Receiver<Vec<Step>>,
    batch: vec::IntoIter<Step>,
    is_at_end: bool,
}

impl Ahead {
    /// # Errors
    /// If there can be no thread; the walk is given back.
    pub(super) fn start(walk: Box<Walk>, wanted: Wanted) -> Result<Self, Box<Walk>> {
        let (give, take) = channel::<Box<Walk>>();
        let (send, batches) = sync_channel(WAITING);
        let run = move || {
            if let Ok(walk) = take.recv() {
                run(*walk, &wanted, &send);
            }
        };
        if thread::Builder::new().name("journal-ahead".to_owned()).spawn(run).is_err() {
            return Err(walk);
        }
        give.send(walk).map_err(|unsent| unsent.0)?;
        Ok(Self { batches, batch: Vec::new().into_iter(), is_at_end: false })
    }

    /// The next step; it waits for it.
    pub(super) fn step(&mut self) -> Step {
        if self.is_at_end {
            return Step::End;
        }
        if let Some(step) = self.batch.next() {
            self.is_at_end = matches!(step, Step::End);
            return step;
        }
        if let Ok(batch) = self.batches.recv() {
            self.batch = batch.into_iter();
            return Step::More;
        }
        self.is_at_end = true;
        Step::Flaw(Flaw::Io(io::Error::other("the reader of the file broke off")))
    }
}

/// Walks to the end, or until nobody takes what is found.
fn run(mut walk: Walk, wanted: &Wanted, send: &SyncSender<Vec<Step>>) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    loop {
        let step = walk.step(wanted);
        let is_end = matches!(step, Step::End);
        if let Step::Found(found) = &step {
            bytes += found.fields.text_bytes();
        }
        batch.push(step);
        if is_end || BATCH <= batch.len() || BATCH_BYTES <= bytes {
            bytes = 0;
            if send.send(std::mem::take(&mut batch)).is_err() || is_end {
                return;
            }
        }
    }
}
