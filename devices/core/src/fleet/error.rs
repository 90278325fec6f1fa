use crate::host::InvalidAddress;

/// Why a fleet file is not used. Each says in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetFileError {
    /// It is not TOML, or has something in it that a fleet file has not.
    #[error("{0}")]
    Syntax(String),
    /// It has no hosts.
    #[error("it names no host; add a [[hosts]] with an address")]
    Empty,
    /// An address is none.
    #[error("line {line}, column {column}: {source}; or set `user` in [defaults]")]
    Address {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
        /// What is wrong.
        #[source]
        source: InvalidAddress,
    },
    /// A host is there twice.
    #[error("line {line}: {host} is there already, in line {first}; remove one of them")]
    DuplicateHost {
        /// Which.
        host: String,
        /// Where.
        line: usize,
        /// Where else.
        first: usize,
    },
    /// Two hosts are to be the same device.
    #[error(
        "line {line}: another host is {device}, in line {first}; each device has an id of its own"
    )]
    DuplicateDevice {
        /// Which.
        device: String,
        /// Where.
        line: usize,
        /// Where else.
        first: usize,
    },
    /// Nothing says how a host's agent finds its fleet.
    #[error(
        "line {line}: {host} has nothing to run with; set `enrol_url` or `config`, there or in [defaults]"
    )]
    NoConfiguration {
        /// Which.
        host: String,
        /// Where.
        line: usize,
    },
    /// No agent is named.
    #[error("line {line}: {host} has no agent; set `agents`, there or in [defaults]")]
    NoAgent {
        /// Which.
        host: String,
        /// Where.
        line: usize,
    },
    /// A token's file has the name of the device, and there is none.
    #[error(
        "line {line}: {host} has no `device_id`, by which its token would be found in `enrol_token_folder`; set it, \
         or `enrol_token_file`"
    )]
    NoToken {
        /// Which.
        host: String,
        /// Where.
        line: usize,
    },
}

impl FleetFileError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "FleetFileInvalid",
            Self::Empty => "FleetFileEmpty",
            Self::Address { .. } => "AddressInvalid",
            Self::DuplicateHost { .. } => "DuplicateHost",
            Self::DuplicateDevice { .. } => "DuplicateDevice",
            Self::NoConfiguration { .. } => "NoConfiguration",
            Self::NoAgent { .. } => "NoAgent",
            Self::NoToken { .. } => "NoToken",
        }
    }
}
