//! Address arithmetic for Docker Swarm overlay networks.
