//! The engine's log, for those who ask it without a gate.

use pvcheck_audit::Snapshot;
use pvcheck_journal::{Catalogue, Limits, ReadFrom, Role, Scan, Scanner, Since};

use crate::cause::Unseen;
use crate::config::Config;
use crate::role::{ChosenLog, choose_log, log_role};

/// Scans the leader's log from there on: that of the configuration, or of the unit `docker.service`. The role is that of the
/// node that wrote it.
///
/// # Errors
/// If the configuration has the logs of several nodes and none is the leader's, its catalogue is not taken, or the log cannot be
/// read at all.
pub async fn scan_log(
    config: Option<&Config>,
    snapshot: &Snapshot,
    since: Since,
) -> Result<(Scan, Role), Unseen> {
    let log = match config {
        Some(config) => choose_log(config, snapshot)?,
        None => ChosenLog::of_engine(None),
    };
    let catalogue = config.map_or_else(|| Ok(Catalogue::builtin()), Config::catalogue);
    let catalogue = catalogue.map_err(|error| Unseen::Failed { error: error.to_string() })?;
    let role = log_role(snapshot, log.node.as_ref());
    let scanner = Scanner::since(catalogue, since, None).role(role);
    // The whole log, so that the scan knows whether it reaches back far enough.
    let scan = log.source.scan(&ReadFrom::Beginning, &Limits::default(), scanner).await;
    let scan = scan.map_err(|error| Unseen::Failed { error: format!("{}: {error}", log.name) })?;
    Ok((scan, role))
}
