//! The calls that set up a project, with no more of requests and answers than is needed.

use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::{Connection, IdpError};
use super::wanted::{Application, Configuration, Role};

const ORGANISATIONS: &str = "zitadel.org.v2.OrganizationService";
const PROJECTS: &str = "zitadel.project.v2.ProjectService";
const APPLICATIONS: &str = "zitadel.application.v2.ApplicationService";

/// More than anybody has in one project; Zitadel shows 100 unless told otherwise.
const MOST: u32 = 1000;

/// A project that is there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FoundProject {
    pub(super) project_id: String,
    organization_id: String,
    name: String,
    #[serde(default)]
    pub(super) project_role_assertion: bool,
}

/// An application that is there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FoundApplication {
    pub(super) application_id: String,
    name: String,
    #[serde(default)]
    oidc_configuration: Option<Value>,
    #[serde(default)]
    api_configuration: Option<Value>,
}

/// What people and services name themselves by.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClientId {
    client_id: String,
}

impl FoundApplication {
    /// None if it is of a kind that is not ours.
    pub(super) fn configuration(&self) -> Option<Configuration> {
        let read = |value: Value| serde_json::from_value(value).ok();
        match (&self.oidc_configuration, &self.api_configuration) {
            (Some(oidc), _) => read(json!({"oidcConfiguration": oidc})),
            (_, Some(api)) => read(json!({"apiConfiguration": api})),
            _ => None,
        }
    }

    /// Its client id; empty if it has none.
    pub(super) fn client_id(&self) -> String {
        let found = self.oidc_configuration.as_ref();
        client_id(found.or(self.api_configuration.as_ref()))
    }
}

fn client_id(configuration: Option<&Value>) -> String {
    let found = configuration
        .cloned()
        .map(serde_json::from_value::<ClientId>);
    found.and_then(Result::ok).unwrap_or_default().client_id
}

impl Connection {
    /// The id of the organisation of this name.
    pub(super) async fn organisation(&self, name: &str) -> Result<Option<String>, IdpError> {
        #[derive(Deserialize)]
        struct Found {
            id: String,
            name: String,
        }
        let query = json!({"name": name, "method": "TEXT_QUERY_METHOD_EQUALS"});
        let request = json!({"queries": [{"nameQuery": query}]});
        let found = self.list::<Found>(ORGANISATIONS, "ListOrganizations", &request);
        let found = found.await?.into_iter().find(|found| found.name == name);
        Ok(found.map(|found| found.id))
    }

    /// Makes an organisation; its id.
    pub(super) async fn add_organisation(&self, name: &str) -> Result<String, IdpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Added {
            organization_id: String,
        }
        let request = json!({"name": name});
        let added: Added = self
            .call(ORGANISATIONS, "AddOrganization", &request)
            .await?;
        Ok(added.organization_id)
    }

    /// The organisation's own project of this name. Others grant theirs to it, under any name.
    pub(super) async fn project(
        &self,
        organisation: &str,
        name: &str,
    ) -> Result<Option<FoundProject>, IdpError> {
        let request = json!({"filters": [
            {"organizationIdFilter": {"organizationId": organisation, "type": "OWNED"}},
            {"projectNameFilter": {"projectName": name, "method": "TEXT_FILTER_METHOD_EQUALS"}},
        ]});
        let found = self.list(PROJECTS, "ListProjects", &request).await?;
        let is_it =
            |found: &FoundProject| found.name == name && found.organization_id == organisation;
        Ok(found.into_iter().find(is_it))
    }

    /// Makes a project whose applications' tokens have roles; its id.
    pub(super) async fn create_project(
        &self,
        organisation: &str,
        name: &str,
    ) -> Result<String, IdpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Created {
            project_id: String,
        }
        let request = json!({
            "organizationId": organisation, "name": name, "projectRoleAssertion": true,
        });
        let created: Created = self.call(PROJECTS, "CreateProject", &request).await?;
        Ok(created.project_id)
    }

    /// Lets the tokens of a project's applications have roles.
    pub(super) async fn assert_roles(&self, project: &str) -> Result<(), IdpError> {
        let request = json!({"projectId": project, "projectRoleAssertion": true});
        self.call::<Value>(PROJECTS, "UpdateProject", &request)
            .await
            .map(drop)
    }

    /// The keys of a project's roles.
    pub(super) async fn roles(&self, project: &str) -> Result<Vec<String>, IdpError> {
        #[derive(Deserialize)]
        struct Found {
            key: String,
        }
        let request = json!({"projectId": project, "pagination": {"limit": MOST}});
        let found = self.list::<Found>(PROJECTS, "ListProjectRoles", &request);
        Ok(found.await?.into_iter().map(|role| role.key).collect())
    }

    /// Adds a role; one that is there is as good as added.
    pub(super) async fn add_role(&self, project: &str, role: &Role) -> Result<(), IdpError> {
        let request = json!({
            "projectId": project, "roleKey": role.key, "displayName": role.display_name,
        });
        self.make(PROJECTS, "AddProjectRole", &request).await
    }

    /// All applications of a project.
    pub(super) async fn applications(
        &self,
        project: &str,
    ) -> Result<Vec<FoundApplication>, IdpError> {
        let request = json!({
            "filters": [{"projectIdFilter": {"projectId": project}}],
            "pagination": {"limit": MOST},
        });
        self.list(APPLICATIONS, "ListApplications", &request).await
    }

    /// Makes an application; its client id.
    pub(super) async fn create_application(
        &self,
        project: &str,
        wanted: &Application,
    ) -> Result<String, IdpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        struct Created {
            oidc_configuration: Option<Value>,
            api_configuration: Option<Value>,
        }
        let request = request(
            &wanted.configuration,
            [("projectId", project), ("name", &wanted.name)],
        );
        let created: Created = self
            .call(APPLICATIONS, "CreateApplication", &request)
            .await?;
        let configuration = created.oidc_configuration.or(created.api_configuration);
        Ok(client_id(configuration.as_ref()))
    }

    /// Makes an application what is wanted.
    pub(super) async fn update_application(
        &self,
        project: &str,
        application: &str,
        wanted: &Configuration,
    ) -> Result<(), IdpError> {
        let request = request(
            wanted,
            [("projectId", project), ("applicationId", application)],
        );
        self.call::<Value>(APPLICATIONS, "UpdateApplication", &request)
            .await
            .map(drop)
    }
}

impl FoundApplication {
    /// Whether it goes by this name.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name == name
    }
}

/// The configuration under its name, and what it is of.
fn request(configuration: &Configuration, fields: [(&str, &str); 2]) -> Value {
    // Structs and enums of strings and booleans always become JSON.
    let mut request = serde_json::to_value(configuration).unwrap_or_default();
    for (name, value) in fields {
        request[name] = value.into();
    }
    request
}
