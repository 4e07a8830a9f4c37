//! What the model does, call by call, seen through the Engine API and the model's own truth.

mod agreement;
mod client;
mod containers;
mod jobs;
mod leader;
mod networks;
mod nodes;
mod orchestrator;
mod shapes;
mod support;
