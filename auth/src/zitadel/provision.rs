//! Brings Zitadel to what the fleet needs. What is right already is left alone, so that a second run
//! changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::args::ProvisionArgs;
use super::calls::FoundProject;
use super::connection::{Connection, IdpError};
use super::keep::{KeepError, Keeper};
use super::wait::wait;
use super::wanted::{Application, Organisation, Wanted};
use crate::jwks::SourceError;
use crate::steps::{Mode, Outcome, Step};

/// Why Zitadel was not set up.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// It cannot be asked.
    #[error("failed to find out how to reach the identity provider")]
    Source(#[from] SourceError),
    /// It refused, or did not answer.
    #[error(transparent)]
    Idp(#[from] IdpError),
    /// An application of that name is something else, and Zitadel cannot make one of the other.
    #[error(
        "the application {0} is of another kind: rename or delete it, nothing was changed there"
    )]
    Taken(String),
    /// What came of it was not kept.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The ids cannot be written.
    #[error("failed to write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// What others have to be told about it. None is a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ids {
    /// Of the organisation: that of devices.
    pub organisation: String,
    /// Of the project: the audience of all tokens.
    pub project: String,
    /// Client ids by the application's name.
    pub applications: BTreeMap<String, String>,
}

/// Sets it up or plans; `tell` hears of each thing as soon as it is so.
///
/// # Errors
/// At the first step that fails; those before it stay done, and the next run goes on after them.
pub async fn run(args: &ProvisionArgs, tell: &mut impl FnMut(Step)) -> Result<Ids, ProvisionError> {
    let connection = Connection::new(&args.connection)?;
    let keeper = Keeper::new(&args.keep, args.mode()).await?;
    wait(&connection, args.patience()).await?;
    let mut run = Run {
        connection,
        mode: args.mode(),
        ids: Ids::default(),
        tell,
    };
    run.provision(&args.wanted()).await?;
    if let Some(path) = args.ids_file.as_ref().filter(|_| run.mode == Mode::Apply) {
        // Strings only.
        let text = serde_json::to_string_pretty(&run.ids).unwrap_or_default();
        std::fs::write(path, text + "\n").map_err(|source| ProvisionError::File {
            path: path.clone(),
            source,
        })?;
    }
    if let Some(keeper) = keeper {
        let issuer = &args.connection.oidc_issuer;
        keeper.ids(issuer, &run.ids, run.tell).await?;
        keeper.token(&run.connection, &run.ids, run.tell).await?;
    }
    Ok(run.ids)
}

struct Run<'a, T> {
    connection: Connection,
    mode: Mode,
    ids: Ids,
    tell: &'a mut T,
}

impl<T: FnMut(Step)> Run<'_, T> {
    fn note(&mut self, what: String, outcome: Outcome) {
        (self.tell)(Step { what, outcome });
    }

    async fn provision(&mut self, wanted: &Wanted) -> Result<(), ProvisionError> {
        self.organisation(&wanted.organisation).await?;
        self.project(&wanted.project).await?;
        self.roles(wanted).await?;
        self.applications(wanted).await
    }

    async fn organisation(&mut self, wanted: &Organisation) -> Result<(), ProvisionError> {
        let name = match wanted {
            Organisation::Id(id) => {
                self.ids.organisation.clone_from(id);
                return Ok(());
            }
            Organisation::Name(name) => name,
        };
        let found = self.connection.organisation(name).await?;
        let outcome = outcome(found.is_some());
        self.ids.organisation = match found {
            Some(id) => id,
            None if self.mode == Mode::Plan => String::new(),
            None => self.connection.add_organisation(name).await?,
        };
        self.note(
            labelled("organisation", name, &self.ids.organisation),
            outcome,
        );
        Ok(())
    }

    async fn project(&mut self, name: &str) -> Result<(), ProvisionError> {
        let organisation = self.ids.organisation.clone();
        let found = if is_there(&organisation) {
            self.connection.project(&organisation, name).await?
        } else {
            None
        };
        let (id, outcome) = match found {
            Some(FoundProject {
                project_id,
                project_role_assertion: true,
                ..
            }) => (project_id, Outcome::Kept),
            Some(FoundProject { project_id, .. }) => {
                if self.mode == Mode::Apply {
                    self.connection.assert_roles(&project_id).await?;
                }
                (project_id, Outcome::Changed)
            }
            None if self.mode == Mode::Plan => (String::new(), Outcome::Created),
            None => {
                let id = self.connection.create_project(&organisation, name).await?;
                (id, Outcome::Created)
            }
        };
        self.note(labelled("project", name, &id), outcome);
        self.ids.project = id;
        Ok(())
    }

    async fn roles(&mut self, wanted: &Wanted) -> Result<(), ProvisionError> {
        let project = self.ids.project.clone();
        let there = if is_there(&project) {
            self.connection.roles(&project).await?
        } else {
            Vec::new()
        };
        for role in &wanted.roles {
            let outcome = outcome(there.contains(&role.key));
            if outcome == Outcome::Created && self.mode == Mode::Apply {
                self.connection.add_role(&project, role).await?;
            }
            self.note(format!("role {}", role.key), outcome);
        }
        Ok(())
    }

    async fn applications(&mut self, wanted: &Wanted) -> Result<(), ProvisionError> {
        let project = self.ids.project.clone();
        let there = if is_there(&project) {
            self.connection.applications(&project).await?
        } else {
            Vec::new()
        };
        for application in &wanted.applications {
            let name = &application.name;
            let found = there.iter().find(|found| found.is_named(name));
            let (client, outcome) = match found {
                Some(found) => {
                    let there = found.configuration();
                    let there = there.filter(|c| application.configuration.is_like(c));
                    let there = there.ok_or_else(|| ProvisionError::Taken(name.clone()))?;
                    let outcome = if application.configuration.matches(&there) {
                        Outcome::Kept
                    } else {
                        self.update(&project, &found.application_id, application)
                            .await?;
                        Outcome::Changed
                    };
                    (found.client_id(), outcome)
                }
                None if self.mode == Mode::Plan => (String::new(), Outcome::Created),
                None => {
                    let created = self.connection.create_application(&project, application);
                    (created.await?, Outcome::Created)
                }
            };
            self.note(labelled("application", name, &client), outcome);
            self.ids.applications.insert(name.clone(), client);
        }
        Ok(())
    }

    async fn update(
        &self,
        project: &str,
        id: &str,
        wanted: &Application,
    ) -> Result<(), ProvisionError> {
        if self.mode == Mode::Apply {
            let wanted = &wanted.configuration;
            self.connection
                .update_application(project, id, wanted)
                .await?;
        }
        Ok(())
    }
}

/// Whether anything can be asked about it: in a plan it may be missing, and then has no id.
const fn is_there(id: &str) -> bool {
    !id.is_empty()
}

const fn outcome(is_there: bool) -> Outcome {
    if is_there {
        Outcome::Kept
    } else {
        Outcome::Created
    }
}

/// `project fleet: 312909075212468632`; without an id what is only planned.
fn labelled(kind: &str, name: &str, id: &str) -> String {
    if id.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {name}: {id}")
    }
}
