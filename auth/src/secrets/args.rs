//! Options of `secrets`.

use std::num::NonZeroU32;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Subcommand};

use super::catalogue::Name;
use super::ring::Turn;
use crate::steps::Mode;

/// `secrets`.
#[derive(Debug, Clone, Subcommand)]
pub enum SecretsCommand {
    /// Make the platform's own keys, each once, and keep them as Secrets. A second run changes
    /// nothing.
    Ensure(EnsureArgs),
}

/// Options of `secrets ensure`. The cluster is that of KUBECONFIG, or the pod's own.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("turn").multiple(false))]
pub struct EnsureArgs {
    /// The namespace of the operator, the bus and the auth services.
    #[arg(long, env = "FLEET_NAMESPACE", default_value = "fleet-system")]
    pub namespace: String,
    /// The namespace of OpenBao. Default: the same.
    #[arg(long, env = "FLEET_OPENBAO_NAMESPACE")]
    pub openbao_namespace: Option<String>,
    /// The number of OpenBao's seal key: one more than before makes a further one, and the earlier
    /// ones stay.
    #[arg(long, env = "FLEET_SEAL_NUMBER", default_value = "1")]
    pub seal_number: NonZeroU32,
    /// A name by which OpenBao is known in the cluster, such as `fleet-openbao`; repeatable. Makes a
    /// certificate for all of them, with an authority of its own.
    #[arg(
        long = "openbao-host",
        env = "FLEET_OPENBAO_HOSTS",
        value_delimiter = ','
    )]
    pub openbao_hosts: Vec<String>,
    /// Make the key that Zitadel encrypts its database with.
    #[arg(long, env = "FLEET_ZITADEL_MASTERKEY")]
    pub zitadel_masterkey: bool,
    /// Make that key and nothing else: Zitadel's own set-up starts before the rest and needs it.
    #[arg(
        long,
        env = "FLEET_ZITADEL_MASTERKEY_ONLY",
        conflicts_with_all = ["zitadel_masterkey", "turn"]
    )]
    pub zitadel_masterkey_only: bool,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Add a next key, which is known from now on and not used yet.
    #[arg(long, value_name = "NAME", value_parser = names(), group = "turn")]
    pub rotate: Option<Name>,
    /// Use the next key from now on; the one used so far is still known.
    #[arg(long, value_name = "NAME", value_parser = names(), group = "turn")]
    pub switch: Option<Name>,
    /// Drop the key that was used before.
    #[arg(long, value_name = "NAME", value_parser = names(), group = "turn")]
    pub retire: Option<Name>,
}

/// The names of keys, each with what it is for.
fn names() -> impl TypedValueParser<Value = Name> {
    let names = Name::ALL.map(|name| PossibleValue::new(name.as_str()).help(name.purpose()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Name>())
}

impl EnsureArgs {
    /// The key that is to be turned, and how.
    pub fn turn(&self) -> Option<(Name, Turn)> {
        let rotate = self.rotate.map(|name| (name, Turn::Rotate));
        let switch = self.switch.map(|name| (name, Turn::Switch));
        let retire = self.retire.map(|name| (name, Turn::Retire));
        rotate.or(switch).or(retire)
    }

    /// Where seal keys are.
    pub fn seals(&self) -> &str {
        self.openbao_namespace.as_deref().unwrap_or(&self.namespace)
    }

    /// Whether anything is written.
    pub fn mode(&self) -> Mode {
        if self.dry_run {
            Mode::Plan
        } else {
            Mode::Apply
        }
    }
}
