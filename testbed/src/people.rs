//! People: the application that they log in to, and what the API server knows of the provider.

use std::fs;

use fleet_people::{Provider, Roles};

use crate::error::Error;
use crate::idp::Idp;
use crate::testbed::Testbed;

/// What stands before users and groups of the test IdP.
const PREFIX: &str = "idp:";
/// Where browsers come back to, on any port.
const REDIRECT: &str = "http://127.0.0.1/callback";

/// The people of a testbed: those of its identity provider.
#[derive(Debug)]
pub struct People {
    client: String,
    provider: Provider,
}

impl People {
    /// Registers the application.
    pub(crate) fn create(idp: &Idp) -> Result<Self, Error> {
        let client = idp
            .native_application("fleet", &[REDIRECT])
            .map_err(crate::IdpError::from)?;
        let authority = fs::read_to_string(idp.ca_file()).map_err(|source| Error::File {
            path: idp.ca_file().to_owned(),
            source,
        })?;
        let roles = Roles::Zitadel {
            project: idp.project().to_owned(),
            organisation: Some(idp.organisation().to_owned()),
        };
        let provider = Provider::new(idp.issuer(), [&client], roles, PREFIX.parse()?)?;
        Ok(Self {
            client,
            provider: provider.with_authority(authority),
        })
    }

    /// The application that stands for fleet at the provider.
    pub fn client_id(&self) -> &str {
        &self.client
    }

    /// The provider, as the API server knows it.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// The group that people with this role are in.
    pub fn group(&self, role: &str) -> String {
        format!("{PREFIX}{role}")
    }

    /// The user that somebody is to the cluster.
    pub fn user(&self, subject: &str) -> String {
        format!("{PREFIX}{subject}")
    }
}

impl Testbed {
    /// The people who can log in to the cluster.
    ///
    /// # Errors
    /// When the testbed has none.
    pub fn people(&self) -> Result<&People, Error> {
        let people = self.people.as_ref();
        people.ok_or(Error::NoPart("people", "people"))
    }
}
