//! Pinned, checksummed builds of the third-party servers that tests and demo run.
