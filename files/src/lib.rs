//! Files for their owner alone, there whole or not at all, and where a user's files lie.
//!
//! | module | answers |
//! |---|---|
//! | [`private`] | how a file with a secret gets where it belongs |
//! | [`dirs`] | where data, cache, state and keys of a user lie |

pub mod dirs;
pub mod private;
