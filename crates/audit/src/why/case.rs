//! What is asked about, and what it comes to.

use super::answer::{Link, Verdict};
use super::remedy::RemedyKind;
use super::suspects::WaitedOn;
use crate::seen::{Service, Task};
use crate::waiting::Waiting;

/// What is asked about.
pub(crate) struct Case<'a> {
    pub(crate) waiting: &'a Waiting<'a>,
    pub(crate) service: Option<&'a Service>,
    /// The task that was asked about, if one was.
    pub(crate) task: Option<&'a Task>,
}

impl<'a> Case<'a> {
    /// The tasks of the service, or the one task.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &'a Task> {
        let (service, task) = (self.service.map(|s| &s.id), self.task.map(|t| &t.id));
        self.waiting.snapshot.tasks.iter().filter(move |t| match task {
            Some(id) => t.id == *id,
            None => service.is_some_and(|id| t.service.as_ref() == Some(id)),
        })
    }

    pub(crate) fn is_about(&self, task: &Task) -> bool {
        match self.task {
            Some(asked) => asked.id == task.id,
            None => self.service.is_some_and(|s| task.service.as_ref() == Some(&s.id)),
        }
    }

    /// What was asked about, in words.
    pub(crate) fn name(&self) -> String {
        match (self.task, self.service) {
            (Some(task), Some(service)) => format!("task {} of {}", task.id, service.name),
            (Some(task), None) => format!("task {}", task.id),
            (None, Some(service)) => format!("service {}", service.name),
            (None, None) => "nothing".into(),
        }
    }
}

/// What it comes to, before the remedies for a lack of addresses are known.
pub(crate) struct Decision<'a> {
    pub(crate) verdict: Verdict,
    pub(crate) summary: String,
    pub(crate) task: Option<&'a Task>,
    pub(crate) links: Vec<Link>,
    pub(crate) network: Option<WaitedOn>,
    pub(crate) candidates: Vec<WaitedOn>,
    /// What to do where the verdict is not about addresses.
    pub(crate) remedies: Vec<RemedyKind>,
}

impl<'a> Decision<'a> {
    pub(crate) fn new(verdict: Verdict, summary: impl Into<String>, task: Option<&'a Task>) -> Self {
        Self {
            verdict,
            summary: summary.into(),
            task,
            links: Vec::new(),
            network: None,
            candidates: Vec::new(),
            remedies: Vec::new(),
        }
    }

    pub(crate) fn link(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }
}

pub(crate) fn task_link(task: &Task, fact: &str) -> Link {
    Link {
        subject: format!("task {}", task.id),
        state: task.state.word().into(),
        since: task.since,
        fact: fact.to_owned(),
    }
}
