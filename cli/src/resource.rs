//! The kinds a user can name, and the ways to name them.

use std::ffi::OsStr;
use std::str::FromStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};

/// A kind of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KindName {
    /// `Device`, cluster-scoped.
    Device,
    /// `Deployment`, namespaced.
    Deployment,
    /// `DeviceEnrolment`, cluster-scoped.
    Enrolment,
}

impl KindName {
    /// The kind, as objects carry it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Device => "Device",
            Self::Deployment => "Deployment",
            Self::Enrolment => "DeviceEnrolment",
        }
    }

    /// As people call it.
    pub const fn spoken(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Deployment => "deployment",
            Self::Enrolment => "enrolment",
        }
    }

    /// The same of several: what completion offers.
    const fn offered(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolments",
            _ => self.plural(),
        }
    }

    /// The plural, as URLs carry it.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Device => "devices",
            Self::Deployment => "deployments",
            Self::Enrolment => "deviceenrolments",
        }
    }

    /// `device.fleet.nationtech.io/<name>`, as kubectl prints an object.
    pub fn reference(self, name: &str) -> String {
        let kind = self.kind().to_ascii_lowercase();
        format!("{kind}.{}/{name}", fleet_api::GROUP)
    }
}

/// No kind of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no resource type {0:?}; say devices, deployments or enrolments")]
pub struct UnknownKind(String);

impl FromStr for KindName {
    type Err = UnknownKind;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let lower = given.to_ascii_lowercase();
        let bare = lower
            .split_once('.')
            .filter(|(_, group)| *group == fleet_api::GROUP)
            .map_or(lower.as_str(), |(bare, _)| bare);
        match bare {
            "device" | "devices" | "dev" | "fleetdev" => Ok(Self::Device),
            "deployment" | "deployments" | "dep" | "deploy" | "fleetdep" => Ok(Self::Deployment),
            "enrolment" | "enrolments" | "deviceenrolment" | "deviceenrolments" | "fleetenrol" => {
                Ok(Self::Enrolment)
            }
            _ => Err(UnknownKind(given.chars().take(80).collect())),
        }
    }
}

/// `TYPE` or `TYPE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameArg {
    /// The type.
    pub kind: KindName,
    /// The name, if it was given with the type.
    pub name: Option<String>,
}

impl FromStr for NameArg {
    type Err = UnknownKind;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let (kind, name) = match given.split_once('/') {
            Some((kind, name)) if !name.is_empty() => (kind, Some(name.to_owned())),
            _ => (given, None),
        };
        Ok(Self {
            kind: kind.parse()?,
            name,
        })
    }
}

/// Parses a [`NameArg`], and offers the usual names where completion asks.
#[derive(Debug, Clone, Copy)]
pub struct NameArgParser;

impl TypedValueParser for NameArgParser {
    type Value = NameArg;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<NameArg, clap::Error> {
        let parser = StringValueParser::new().try_map(|text| text.parse::<NameArg>());
        parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let kinds = [KindName::Device, KindName::Deployment, KindName::Enrolment];
        Some(Box::new(
            kinds
                .into_iter()
                .map(|kind| PossibleValue::new(kind.offered())),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("dev", Ok((KindName::Device, None)))]
    #[case("Devices", Ok((KindName::Device, None)))]
    #[case("fleetdep", Ok((KindName::Deployment, None)))]
    #[case("deployment.fleet.nationtech.io/web", Ok((KindName::Deployment, Some("web"))))]
    #[case("device/pi-7", Ok((KindName::Device, Some("pi-7"))))]
    #[case("enrolments", Ok((KindName::Enrolment, None)))]
    #[case("fleetenrol/0af3", Ok((KindName::Enrolment, Some("0af3"))))]
    #[case("deployments.apps", Err(UnknownKind("deployments.apps".into())))]
    #[case("pods", Err(UnknownKind("pods".into())))]
    fn kinds_go_by_the_names_kubectl_knows(
        #[case] given: &str,
        #[case] expected: Result<(KindName, Option<&str>), UnknownKind>,
    ) {
        let parsed = given.parse::<NameArg>();
        let parsed = parsed
            .as_ref()
            .map(|a| (a.kind, a.name.as_deref()))
            .map_err(Clone::clone);
        assert_eq!(parsed, expected);
    }
}
