//! The churn: throwaway stacks deployed and removed, with a census before and after.
//!
//! Counting endpoints shows nothing: a leaked address has none. So the proof is the allocator's own answer.

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
