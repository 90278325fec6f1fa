//! The `DeviceEnrolment` objects. Never patched: who may patch may approve.

use fleet_api::{DEVICE_ID_LABEL, DeviceEnrolment, DeviceEnrolmentSpec, DeviceEnrolmentStatus};
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use kube::{Api, Client};

use super::view::View;
use crate::clock;

/// The API server did not do it.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation} an enrolment")]
pub struct RegistryError {
    operation: &'static str,
    #[source]
    source: Box<kube::Error>,
}

impl RegistryError {
    /// Whether somebody else changed the object in between.
    pub fn is_conflict(&self) -> bool {
        matches!(&*self.source, kube::Error::Api(status) if status.code == 409)
    }

    /// Whether the API server finds that the object breaks a rule.
    pub fn is_invalid(&self) -> bool {
        matches!(&*self.source, kube::Error::Api(status) if matches!(status.code, 400 | 422))
    }
}

fn failed(operation: &'static str) -> impl Fn(kube::Error) -> RegistryError {
    move |source| RegistryError {
        operation,
        source: Box::new(source),
    }
}

/// Where enrolments are.
#[derive(Clone)]
pub struct Registry {
    pub(crate) api: Api<DeviceEnrolment>,
    /// How long somebody may take to decide, in seconds.
    pub(crate) patience: u64,
}

impl Registry {
    /// In this cluster.
    pub fn new(client: Client, patience: u64) -> Self {
        Self {
            api: Api::all(client),
            patience,
        }
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Option<View>, RegistryError> {
        let found = self.api.get_opt(name).await.map_err(failed("read"))?;
        Ok(found.map(|object| self.view(object)))
    }

    /// Those that want this device id, whoever they are.
    pub(crate) async fn wanting(&self, device: &str) -> Result<Vec<View>, RegistryError> {
        let params = ListParams::default().labels(&format!("{DEVICE_ID_LABEL}={device}"));
        let found = self.api.list(&params).await.map_err(failed("list"))?;
        let views = found.items.into_iter().map(|object| self.view(object));
        // The label only finds them; what counts is what they ask for.
        Ok(views.filter(|view| view.device() == device).collect())
    }

    /// Opens one; one of this name that is there already is left as it is.
    pub(crate) async fn open(
        &self,
        name: &str,
        spec: DeviceEnrolmentSpec,
    ) -> Result<(), RegistryError> {
        let device = spec.device_id.to_string();
        let mut object = DeviceEnrolment::new(name, spec);
        object.metadata.labels = Some([(DEVICE_ID_LABEL.to_owned(), device)].into());
        match self.api.create(&PostParams::default(), &object).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => other.map(drop).map_err(failed("open")),
        }
    }

    /// Removes exactly this one, if it is still there.
    pub(crate) async fn remove(&self, name: &str, uid: String) -> Result<(), RegistryError> {
        let only = Preconditions {
            uid: Some(uid),
            resource_version: None,
        };
        let params = DeleteParams {
            preconditions: Some(only),
            ..DeleteParams::default()
        };
        match self.api.delete(name, &params).await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            other => other.map(drop).map_err(failed("remove")),
        }
    }

    /// Writes the status, unless the object changed since it was read.
    pub(crate) async fn write_status(
        &self,
        view: &View,
        status: DeviceEnrolmentStatus,
    ) -> Result<(), RegistryError> {
        if view.object.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let mut object = view.object.clone();
        object.status = Some(status);
        let params = PostParams::default();
        let written = self.api.replace_status(&view.name, &params, &object);
        written
            .await
            .map(drop)
            .map_err(failed("update the status of"))
    }

    pub(crate) fn view(&self, object: DeviceEnrolment) -> View {
        View::new(object, clock::now(), self.patience)
    }
}
