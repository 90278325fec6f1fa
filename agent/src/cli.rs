//! The command line, by hand: an argument parser would be a tenth of the binary.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fleet_contracts::DeviceId;
use fleet_contracts::enrolment::EnrolmentToken;

use crate::enrol::{Enrol, RsaBits, TokenFrom};
use crate::identity::MINT;
use crate::rotate::{FOR_AGENT, ROTATE, When};

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run until told to stop.
    Run,
    /// Read the configuration and say whether it is valid.
    CheckConfig,
    /// Become part of a fleet.
    Enrol(Box<Enrol>),
    /// Replace the key of an enrolled device.
    Rotate(When),
    /// The same as the agent's helper, and say when to look again.
    RotateForAgent,
    /// Ask for one token, as the agent's helper. Not for people, so the help does not name it.
    Mint,
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// What `--help` prints.
pub const HELP: &str = "\
Runs what the fleet wants on this device, and reports what came of it.

Usage: fleet-agent [--check-config | --version | --help]
       fleet-agent enrol --url URL [options]
       fleet-agent rotate [--now]

  --check-config  read the configuration, say what is wrong with it, and exit
  --version       print the version and exit
  --help          print this and exit

enrol makes this device part of a fleet: it makes a key, asks, waits for the approval, and keeps
what the fleet says in the state folder. Run it as the agent's user. It can be stopped and run again
at any time; without a token it goes on with what was asked before.

  --url URL          the enrolment service, https://
  --token TOKEN      what allows this device to ask; others on this machine can read it there,
  --token-file FILE  so better in a file; - reads it from standard input
  --ca-file FILE     certificates (PEM) to trust instead of the system's
  --device-id ID     who to be; without it the configuration's, else the fleet decides
  --label KEY=VALUE  a label to carry; may be repeated
  --rsa-bits 2048    a shorter key (default 3072), for slow devices

rotate replaces the key of an enrolled device, if its time has come; the agent does that by itself. It
needs no token and no approval while the old key is good, and can be stopped and run again at any time.

  --now              whether or not its time has come

Environment:
  FLEET_AGENT_CONFIG      the configuration file (default /etc/fleet-agent/config.toml)
  FLEET_AGENT_LOG         error, warn, info (default), debug or trace
  FLEET_AGENT_LOG_FORMAT  text (default) or json
";

/// Arguments that are not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// No such argument.
    #[error("unknown argument {0:?}; see fleet-agent --help")]
    Unknown(String),
    /// An option without its value.
    #[error("{0} needs a value; see fleet-agent --help")]
    NoValue(String),
    /// An option with a value it cannot have. The value is not repeated: it may be a secret.
    #[error("{option}: {message}")]
    Value {
        /// The option.
        option: &'static str,
        /// What is wrong.
        message: String,
    },
    /// An option is missing.
    #[error("enrol needs {0}; see fleet-agent --help")]
    Missing(&'static str),
}

/// Reads the arguments after the program's name.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, ArgumentError> {
    let mut args = args.into_iter();
    let command = match args.next().as_deref() {
        None => return Ok(Command::Run),
        Some("enrol" | "enroll") => return enrol(args),
        Some(ROTATE) => return rotate(args),
        Some("--check-config") => Command::CheckConfig,
        Some(MINT) => Command::Mint,
        Some("--version" | "-V") => Command::Version,
        Some("--help" | "-h") => Command::Help,
        Some(other) => return Err(ArgumentError::Unknown(other.into())),
    };
    args.next()
        .map_or(Ok(command), |extra| Err(ArgumentError::Unknown(extra)))
}

fn rotate(mut args: impl Iterator<Item = String>) -> Result<Command, ArgumentError> {
    let command = match args.next().as_deref() {
        None => Command::Rotate(When::Due),
        Some("--now") => Command::Rotate(When::Now),
        Some(FOR_AGENT) => Command::RotateForAgent,
        Some("--help" | "-h") => Command::Help,
        Some(other) => return Err(ArgumentError::Unknown(other.into())),
    };
    args.next()
        .map_or(Ok(command), |extra| Err(ArgumentError::Unknown(extra)))
}

fn enrol(mut args: impl Iterator<Item = String>) -> Result<Command, ArgumentError> {
    let (mut url, mut token, mut ca_file, mut device_id) = (None, None, None, None);
    let mut labels = BTreeMap::new();
    let mut bits = RsaBits::default();
    while let Some(arg) = args.next() {
        // Both `--option value` and `--option=value`.
        let (option, given) = match arg.split_once('=') {
            Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        let mut value = || {
            let value = given.clone().or_else(|| args.next());
            value.ok_or_else(|| ArgumentError::NoValue(option.clone()))
        };
        match option.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--url" => url = Some(value()?),
            "--token" => {
                let parsed = value()?.parse::<EnrolmentToken>();
                token = Some(TokenFrom::Given(parsed.map_err(|e| bad("--token", &e))?));
            }
            "--token-file" => token = Some(TokenFrom::File(PathBuf::from(value()?))),
            "--ca-file" => ca_file = Some(PathBuf::from(value()?)),
            "--device-id" => {
                let parsed = value()?.parse::<DeviceId>();
                device_id = Some(parsed.map_err(|e| bad("--device-id", &e))?);
            }
            "--label" => {
                let pair = value()?;
                let pair = pair.split_once('=').filter(|(key, _)| !key.is_empty());
                let (key, value) = pair.ok_or_else(|| bad("--label", &"must be KEY=VALUE"))?;
                labels.insert(key.to_owned(), value.to_owned());
            }
            "--rsa-bits" => {
                bits = match value()?.as_str() {
                    "2048" => RsaBits::B2048,
                    "3072" => RsaBits::B3072,
                    _ => return Err(bad("--rsa-bits", &"must be 2048 or 3072")),
                }
            }
            _ => return Err(ArgumentError::Unknown(option)),
        }
    }
    let url = url.ok_or(ArgumentError::Missing("--url"))?;
    if !url.starts_with("https://") {
        return Err(bad("--url", &"must be an https:// address"));
    }
    Ok(Command::Enrol(Box::new(Enrol {
        url: url.trim_end_matches('/').to_owned(),
        token,
        ca_file,
        device_id,
        labels,
        bits,
    })))
}

fn bad(option: &'static str, message: &dyn std::fmt::Display) -> ArgumentError {
    ArgumentError::Value {
        option,
        message: message.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::panic, reason = "test code")]
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
        assert_eq!(parsed(&["rotate"]), Some(Command::Rotate(When::Due)));
        assert_eq!(
            parsed(&["rotate", "--now"]),
            Some(Command::Rotate(When::Now))
        );
        assert_eq!(parsed(&["rotate", "--now", "x"]), None);
    }

    #[test]
    fn enrol_reads_its_options_in_either_form() {
        let parsed = |args: &str| parse(args.split(' ').map(str::to_owned));
        let command = parsed(
            "enrol --url=https://enrol.example/ --token-file /t --label site=a=b --label rack=1 --device-id dev-1",
        );
        let Ok(Command::Enrol(enrol)) = command else {
            panic!("{command:?}");
        };
        assert_eq!(enrol.url, "https://enrol.example");
        assert_eq!(enrol.token, Some(TokenFrom::File("/t".into())));
        assert_eq!(
            (&*enrol.labels["site"], &*enrol.labels["rack"]),
            ("a=b", "1")
        );
        let missing = parsed("enrol --token-file /t");
        assert_eq!(missing, Err(ArgumentError::Missing("--url")));
        for refused in [
            "enrol --url http://x",
            "enrol --url",
            "enrol --url https://x --label =a",
            "enrol --url https://x --rsa-bits 1024",
            "enrol --url https://x --device-id A.B",
            "enrol --url https://x now",
        ] {
            assert!(parsed(refused).is_err(), "{refused}");
        }
        let error = parsed("enrol --url https://x --token hunter2").expect_err("no token");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn the_help_names_every_setting() {
        for name in [CONFIG_ENV, LEVEL_ENV, FORMAT_ENV, DEFAULT_CONFIG] {
            assert!(HELP.contains(name), "{name}");
        }
    }
}
