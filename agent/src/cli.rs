//! The command line, by hand: an argument parser would be a tenth of the binary.

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Run until told to stop.
    Run,
    /// Read the configuration and say whether it is valid.
    CheckConfig,
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// What `--help` prints.
pub const HELP: &str = "\
Runs what the fleet wants on this device, and reports what came of it.

Usage: fleet-agent [--check-config | --version | --help]

  --check-config  read the configuration, say what is wrong with it, and exit
  --version       print the version and exit
  --help          print this and exit

Environment:
  FLEET_AGENT_CONFIG      the configuration file (default /etc/fleet-agent/config.toml)
  FLEET_AGENT_LOG         error, warn, info (default), debug or trace
  FLEET_AGENT_LOG_FORMAT  text (default) or json
";

/// An argument that is not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown argument {0:?}; see fleet-agent --help")]
pub struct UnknownArgument(String);

/// Reads the arguments after the program's name.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, UnknownArgument> {
    let mut args = args.into_iter();
    let command = match args.next().as_deref() {
        None => return Ok(Command::Run),
        Some("--check-config") => Command::CheckConfig,
        Some("--version" | "-V") => Command::Version,
        Some("--help" | "-h") => Command::Help,
        Some(other) => return Err(UnknownArgument(other.into())),
    };
    args.next()
        .map_or(Ok(command), |extra| Err(UnknownArgument(extra)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CONFIG_ENV, DEFAULT_CONFIG};
    use crate::logging::{FORMAT_ENV, LEVEL_ENV};

    #[test]
    fn one_known_argument_or_none() {
        let parsed = |args: &[&str]| parse(args.iter().map(ToString::to_string)).ok();
        assert_eq!(parsed(&[]), Some(Command::Run));
        assert_eq!(parsed(&["--check-config"]), Some(Command::CheckConfig));
        assert_eq!(parsed(&["--verbose"]), None);
        assert_eq!(parsed(&["--version", "x"]), None);
    }

    #[test]
    fn the_help_names_every_setting() {
        for name in [CONFIG_ENV, LEVEL_ENV, FORMAT_ENV, DEFAULT_CONFIG] {
            assert!(HELP.contains(name), "{name}");
        }
    }
}
