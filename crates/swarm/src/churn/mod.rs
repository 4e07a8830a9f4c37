//! The churn: throwaway stacks are deployed and removed between two censuses.
//!
//! A leaked address has no endpoint, so counting endpoints shows nothing. The proof is which addresses the allocator still
//! hands out.

mod both;
mod image;
mod plan;
mod report;
mod run;

pub use both::{ChurnComparison, churn_both};
pub use image::{ImageError, ImageFault, check_image};
pub use plan::{ChurnPlan, ChurnShape};
pub use report::{Churn, ChurnCounts, ChurnError};
pub use run::churn;
