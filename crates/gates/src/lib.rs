//! Checks over recorded facts, verdicts with evidence, gates and reports.
