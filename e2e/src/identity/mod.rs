//! How devices come to be who they are: OpenBao, the auth callout, the enrolment service, and the
//! two people of an enrolment, who carries a token to a device and who approves.
//!
//! The identity provider is the testbed's, which stands in for Zitadel; everything else is what an
//! installation has.

mod vault;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fleet_api::DeviceEnrolment;
use fleet_testbed::{
    Callout, CalloutOptions, Device, Enrolment, EnrolmentOptions, Invitation, Service, Testbed,
};
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use crate::command::Command;
use crate::platform::expect;
use crate::{Error, http};

/// For services to come up and for decisions to arrive on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the chain differs from its defaults.
#[derive(Debug, Clone, Default)]
pub struct ChainOptions {
    /// Further arguments of the auth callout, such as shorter times.
    pub callout: Vec<String>,
    /// Further arguments of the enrolment service.
    pub enrolment: Vec<String>,
}

/// The running services, and how their commands reach the cluster.
pub struct Identity {
    /// Decides who may use the bus.
    pub callout: Callout,
    /// Takes in devices.
    pub enrolment: Enrolment,
    /// The namespace of enrolment tokens.
    namespace: String,
    /// None where the cluster is the user's.
    kubeconfig: Option<PathBuf>,
    client: kube::Client,
}

/// What does not need the cluster: OpenBao set up, and the callout ready.
///
/// # Errors
/// When one of them does not come up.
pub async fn start_callout(bed: &Testbed, options: &ChainOptions) -> Result<Callout, Error> {
    vault::provision(bed).await?;
    let (idp, server) = (bed.idp()?, bed.openbao()?);
    let replica = CalloutOptions::default()
        .believing(idp)
        .args(vault::login_options(server, &server.callout()))
        .args(options.callout.clone());
    let callout = bed.start_callout(replica)?;
    let ready = || async { http::status(callout.metrics_addr(), "/readyz").await == Some(200) };
    let log = || callout.log();
    await_service("the callout is ready", callout.service(), ready, log).await?;
    Ok(callout)
}

/// Waits until a service does what it should; no longer than it runs.
async fn await_service<F: Future<Output = bool>>(
    what: &str,
    service: &Service,
    ready: impl Fn() -> F,
    log: impl Fn() -> String,
) -> Result<(), Error> {
    let settled = || async { service.pid().is_none() || ready().await };
    let waited = expect(PATIENCE, what.to_owned(), settled).await;
    if waited.is_ok() && service.pid().is_some() {
        return Ok(());
    }
    Err(Error::Unexpected(format!("not so: {what}\n{}", log())))
}

impl Identity {
    /// Starts the enrolment service beside a callout; the definitions must be in the cluster.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(
        bed: &Testbed,
        callout: Callout,
        client: kube::Client,
        namespace: &str,
        further: &[String],
    ) -> Result<Self, Error> {
        let kubeconfig = bed.kubeconfig().ok().map(Path::to_owned);
        // In a cluster of the user's the service acts as the user.
        if kubeconfig.is_some() {
            bed.grant_enrolment(namespace).await?;
        }
        let server = bed.openbao()?;
        let options = EnrolmentOptions::default()
            .args(["--token-namespace", namespace, "--poll-after", "1"])
            .args(vault::login_options(server, &server.enrol()))
            .args(further.to_vec());
        let enrolment = bed.start_enrolment(options)?;
        let address = enrolment.address();
        let open = || async { tokio::net::TcpStream::connect(address).await.is_ok() };
        let (what, log) = ("the enrolment service is open", || enrolment.log());
        await_service(what, enrolment.service(), open, log).await?;
        Ok(Self {
            callout,
            enrolment,
            namespace: namespace.to_owned(),
            kubeconfig,
            client,
        })
    }

    /// The namespace of enrolment tokens.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A token that is good once, as `fleet-auth token create` makes it.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn token(&self, further: &[&str]) -> Result<String, Error> {
        Command::ours("fleet-auth")?
            .args(["token", "create", "--token-namespace", &self.namespace])
            .args(further.iter().copied())
            .cluster(self.kubeconfig.as_deref())
            .run()
            .await
    }

    /// Makes a device ask to join, and gives the name of its enrolment once that is there.
    ///
    /// # Errors
    /// When the device is refused or cannot ask.
    pub async fn ask(&self, device: &Device) -> Result<String, Error> {
        self.ask_bound(device, &[]).await
    }

    /// The same with a token that is bound to more than the device's id, by options of
    /// `fleet-auth token create`.
    ///
    /// # Errors
    /// When the device is refused or cannot ask.
    pub async fn ask_bound(&self, device: &Device, bound: &[&str]) -> Result<String, Error> {
        let id = ["--device-id", device.id().as_str()];
        let token = self.token(&[&id, bound].concat()).await?;
        let url = self.enrolment.url();
        let invitation = Invitation {
            url: &url,
            ca_file: self.enrolment.ca_file(),
            token: &token,
        };
        device.enrol(&invitation).await?;
        let asked = self.wait_asked(device.id().as_str(), PATIENCE).await;
        asked.map_err(|error| self.explain(device, Err(error)))
    }

    /// Waits until a device has asked to join; gives the name of its enrolment.
    ///
    /// # Errors
    /// When it does not ask in time.
    pub async fn wait_asked(&self, device: &str, limit: Duration) -> Result<String, Error> {
        let found = std::sync::Mutex::new(None);
        let asked = || async {
            let name = self.enrolment_of(device).await.ok().flatten();
            let done = name.is_some();
            if let Ok(mut found) = found.lock() {
                *found = name;
            }
            done
        };
        let what = format!("{device} has asked to join");
        expect(limit, what.clone(), asked).await?;
        let name = found.into_inner().ok().flatten();
        name.ok_or(Error::Timeout { what, limit })
    }

    /// `fleet approve NAME`
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn approve(&self, name: &str) -> Result<(), Error> {
        self.decide("approve", name).await
    }

    /// `fleet deny NAME`
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn deny(&self, name: &str) -> Result<(), Error> {
        self.decide("deny", name).await
    }

    /// Changes a device's policy record in OpenBao, as a person does: what is not named stays.
    ///
    /// # Errors
    /// When OpenBao refuses.
    pub async fn patch_policy(
        &self,
        bed: &Testbed,
        device: &str,
        change: &serde_json::Value,
    ) -> Result<(), Error> {
        vault::patch_policy(bed, device, change).await
    }

    async fn decide(&self, verb: &str, name: &str) -> Result<(), Error> {
        Command::ours("fleet")?
            .args([verb, name])
            .cluster(self.kubeconfig.as_deref())
            .run()
            .await
            .map(drop)
    }

    /// Waits until the device has its identity.
    ///
    /// # Errors
    /// With what device and service said, when that does not happen in time.
    pub async fn wait_enrolled(&self, device: &Device) -> Result<(), Error> {
        let enrolled = || async { device.is_enrolled() && device.enrolling().pid().is_none() };
        let what = format!("{} is enrolled", device.id());
        let waited = expect(PATIENCE, what, enrolled).await;
        waited.map_err(|error| self.explain(device, Err(error)))
    }

    /// A token is carried to the device, the device asks, and somebody approves.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn enrol(&self, device: &Arc<Device>) -> Result<String, Error> {
        let name = self.ask(device).await?;
        self.approve(&name).await?;
        self.wait_enrolled(device).await?;
        Ok(name)
    }

    /// The name of the enrolment of a device, if it has asked.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub async fn enrolment_of(&self, device: &str) -> Result<Option<String>, Error> {
        let api: Api<DeviceEnrolment> = Api::all(self.client.clone());
        let all = api.list(&ListParams::default()).await;
        let all = all.map_err(Error::kube("list DeviceEnrolments"))?;
        let mut of_device = all.iter().filter(|e| e.spec.device_id.as_str() == device);
        Ok(of_device.next().map(ResourceExt::name_any))
    }

    fn explain(&self, device: &Device, waited: Result<(), Error>) -> Error {
        let what = waited.err().map(|error| error.to_string());
        Error::Unexpected(format!(
            "{}\n--- the device says\n{}\n--- the enrolment service says\n{}",
            what.unwrap_or_default(),
            device.enrolling().log(),
            self.enrolment.log(),
        ))
    }
}
