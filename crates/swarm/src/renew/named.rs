//! The facts of a network that is named: it may not be there, because its renewal is not finished.

use pvcheck_audit::SavedSnapshot;

use super::error::RenewalError;
use super::facts::RenewalFacts;
use super::record::unfinished;
use crate::engine::Engine;

impl RenewalFacts {
    /// Reads them, for the overlay of this name or id. Nothing is changed.
    ///
    /// # Errors
    /// If there is none, if an unfinished renewal has removed it for now, or if a call fails.
    pub async fn of(engine: &Engine, saved: SavedSnapshot, name: &str) -> Result<Self, RenewalError> {
        let id = match saved.snapshot.named_overlay(name) {
            Ok(network) => network.id.clone(),
            Err(none) => {
                return Err(match unfinished(engine).await? {
                    Some((renewal, _)) if renewal.network == name => {
                        RenewalError::Unfinished { renewal: Box::new(renewal) }
                    }
                    _ => none.into(),
                });
            }
        };
        Ok(Self::read(engine, saved, &id).await?)
    }
}
