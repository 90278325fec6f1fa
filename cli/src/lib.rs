//! The command line of the fleet: fleet, also as kubectl fleet.
