//! Authorities of servers, which values may name.

use chartgen::{Cond, Document, ValueRef};

use super::overlay::Arguments;
use super::{Mounted, Program};

/// The certificate of a server's authority in a user's Secret: the file and the argument for it are there only
/// if the values name the Secret. Without, a program trusts the system's authorities.
#[derive(Debug, Clone)]
pub(crate) struct Authority<V> {
    /// The file.
    pub(crate) file: Mounted,
    /// The argument that names the file.
    pub(crate) flag: &'static str,
    /// The Secret, if any.
    pub(crate) name: ValueRef<V>,
    /// Its key.
    pub(crate) key: ValueRef<V>,
}

impl<V> Authority<V> {
    /// Fills in, in a pod's spec, where the file is from.
    #[track_caller]
    pub(crate) fn taken(self, spec: Document, program: Program) -> Document {
        let named = Cond::is(self.name.clone());
        let spec = self.file.taken_from(spec, self.name, self.key);
        self.file.only_when(spec, program, &named)
    }
}

impl Arguments {
    /// Where the certificate of an authority is, if one is named.
    pub(crate) fn authority<V>(self, authority: Authority<V>) -> Self {
        let file = authority.file.flag(authority.flag);
        self.fixed_if_set(authority.name, [file])
    }
}
