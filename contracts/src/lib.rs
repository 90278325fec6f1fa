//! All that crosses the wire between the fleet's operator and its devices.
