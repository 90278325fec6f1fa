//! What is kept.

use fleet_api::{Deployment, Device, DeviceEnrolment};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};

use crate::resource::KindName;

/// A kind of objects. They are taken as they are: fields that this version does not know are kept, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A key of the platform.
    Secret,
    Deployment,
    Device,
    Enrolment,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::Secret,
        Self::Deployment,
        Self::Device,
        Self::Enrolment,
    ];

    pub(super) fn resource(self) -> ApiResource {
        match self {
            Self::Secret => ApiResource::erase::<Secret>(&()),
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::Device => ApiResource::erase::<Device>(&()),
            Self::Enrolment => ApiResource::erase::<DeviceEnrolment>(&()),
        }
    }

    /// The kind of an object; none for one that is not kept.
    pub(super) fn of(object: &DynamicObject) -> Option<Self> {
        let types = object.types.as_ref()?;
        Self::ALL.into_iter().find(|kind| {
            let resource = kind.resource();
            (resource.api_version.as_str(), resource.kind.as_str())
                == (types.api_version.as_str(), types.kind.as_str())
        })
    }

    /// All of its objects, or those of a namespace.
    pub(super) fn api(self, client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
        let (client, resource) = (client.clone(), self.resource());
        match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        }
    }

    /// As kubectl prints an object of it.
    pub(super) fn reference(self, name: &str) -> String {
        match self {
            Self::Secret => format!("secret/{name}"),
            Self::Deployment => KindName::Deployment.reference(name),
            Self::Device => KindName::Device.reference(name),
            Self::Enrolment => KindName::Enrolment.reference(name),
        }
    }
}
