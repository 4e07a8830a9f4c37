//! A model of a Swarm manager behind the Engine API.
