//! Applications, as Argo CD shows them.

use std::time::Duration;

use fleet_testbed::wait;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde::Serialize;
use serde_json::{Value, json};

const NAMESPACE: &str = "argocd";
/// Argo CD looks every twenty seconds; a busy machine takes several times what it has to do then.
pub(crate) const LIMIT: Duration = Duration::from_secs(150);

/// How long it takes to look.
const ANSWER: Duration = Duration::from_secs(2);

/// All applications.
#[derive(Clone)]
pub(crate) struct Applications {
    client: kube::Client,
    api: Api<DynamicObject>,
}

/// One of them, as it was seen.
#[derive(Debug, Clone)]
pub(crate) struct Seen(Value);

impl Applications {
    pub(crate) fn new(client: &kube::Client) -> Self {
        let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application");
        let resource = ApiResource::from_gvk(&kind);
        Self {
            client: client.clone(),
            api: Api::namespaced_with(client.clone(), NAMESPACE, &resource),
        }
    }

    /// Applies an object as `kubectl apply --server-side` would.
    pub(crate) async fn apply(&self, object: &impl Serialize) {
        let applied = self.try_apply(object, &PatchParams::apply("test")).await;
        applied.unwrap_or_else(|error| panic!("refused: {error}"));
    }

    /// The same with the API server's answer.
    pub(crate) async fn try_apply(
        &self,
        object: &impl Serialize,
        params: &PatchParams,
    ) -> kube::Result<DynamicObject> {
        let object = serde_json::to_value(object).expect("JSON");
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let types = object.types.clone().expect("a kind");
        let kind = GroupVersionKind::try_from(&types).expect("a kind");
        let resource = ApiResource::from_gvk(&kind);
        let namespace = object.metadata.namespace.clone();
        let api: Api<DynamicObject> = match &namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let name = object.metadata.name.clone().expect("a name");
        api.patch(&name, params, &Patch::Apply(&object)).await
    }

    /// As it is now; nothing of one that is not there.
    pub(crate) async fn see(&self, name: &str) -> Option<Seen> {
        let object = self.api.get_opt(name).await.ok().flatten()?;
        Some(Seen(serde_json::to_value(object).ok()?))
    }

    /// Waits until it is as wanted. Argo CD is asked to look now and again: by itself it would after its
    /// period, and a question that comes before it has heard of a change is answered without that.
    #[track_caller]
    pub(crate) fn wait<'a>(
        &'a self,
        name: &'a str,
        what: &'a str,
        wanted: impl Fn(&Seen) -> bool + 'a,
    ) -> impl Future<Output = Seen> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let reached = || async { self.see(name).await.is_some_and(|seen| wanted(&seen)) };
            let asked = || async {
                self.refresh(name).await;
                wait::until(ANSWER, reached).await
            };
            let done = wait::until(LIMIT, asked).await;
            match self.see(name).await {
                Some(seen) if done => seen,
                seen => panic!("{caller}: {name} is not {what}: {seen:#?}"),
            }
        }
    }

    /// Waits until it has brought this commit and all of it is healthy.
    pub(crate) async fn synced(&self, name: &str, commit: &str) -> Seen {
        let there = |seen: &Seen| seen.has_synced(commit) && seen.health() == "Healthy";
        self.wait(name, &format!("synced to {commit} and healthy"), there)
            .await
    }

    /// The first of these that is not in sync, or syncs, within this time. One that heals itself for ever is
    /// in sync most of the time: the times of operations tell.
    pub(crate) async fn left_sync(&self, names: &[&str], time: Duration) -> Option<String> {
        let mut before = Vec::new();
        for name in names {
            let seen = self.see(name).await.expect("it");
            before.push((name, seen.operated_at().to_owned()));
        }
        let found = std::cell::RefCell::new(None);
        let left = || async {
            for (name, operated_at) in &before {
                let seen = self.see(name).await.expect("it");
                let state = (seen.sync(), seen.operated_at());
                if state != ("Synced", operated_at) {
                    *found.borrow_mut() = Some(format!("{name}: {state:?}"));
                    return true;
                }
            }
            false
        };
        wait::until(time, left).await;
        found.into_inner()
    }

    /// Asks for a look at git and cluster. One that is not there yet looks when it comes.
    pub(crate) async fn refresh(&self, name: &str) {
        let asked = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
        let _ = self
            .api
            .patch(name, &PatchParams::default(), &Patch::Merge(asked))
            .await;
    }

    /// Changes its metadata or spec.
    pub(crate) async fn patch(&self, name: &str, patch: Value) {
        let patched = self
            .api
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched.expect("patched");
    }

    /// Deletes it, and waits until it is gone.
    pub(crate) async fn delete(&self, name: &str) {
        self.api
            .delete(name, &kube::api::DeleteParams::default())
            .await
            .expect("deleted");
        let gone = || async { matches!(self.api.get_opt(name).await, Ok(None)) };
        let done = wait::until(LIMIT, gone).await;
        assert!(done, "{name} goes: {:#?}", self.see(name).await);
    }
}

impl Seen {
    fn text(&self, pointer: &str) -> &str {
        let found = self.0.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default()
    }

    /// `Synced` or not.
    pub(crate) fn sync(&self) -> &str {
        self.text("/status/sync/status")
    }

    /// How it is.
    pub(crate) fn health(&self) -> &str {
        self.text("/status/health/status")
    }

    /// Whether its last operation brought this commit, and nothing differs since.
    pub(crate) fn has_synced(&self, commit: &str) -> bool {
        self.sync() == "Synced" && self.has_operated(commit)
    }

    /// Whether its last operation brought this commit, whatever differs since.
    pub(crate) fn has_operated(&self, commit: &str) -> bool {
        let revisions = "/status/operationState/syncResult/revisions";
        let revisions = self.0.pointer(revisions).and_then(Value::as_array);
        let this = revisions.is_some_and(|all| all.iter().any(|r| r == commit));
        this && self.text("/status/operationState/phase") == "Succeeded"
    }

    /// All that is said about its last operation and its comparison.
    pub(crate) fn results(&self) -> String {
        let places = ["/status/operationState", "/status/conditions"];
        let all = places.map(|place| self.0.pointer(place).map(Value::to_string));
        all.into_iter().flatten().collect()
    }

    /// When its last operation ended: a new one, such as one that heals, has another time.
    pub(crate) fn operated_at(&self) -> &str {
        self.text("/status/operationState/finishedAt")
    }

    /// Health and message of one of its objects.
    pub(crate) fn object(&self, kind: &str, name: &str) -> Option<(&str, &str)> {
        let objects = self.0.pointer("/status/resources")?.as_array()?;
        let object = objects
            .iter()
            .find(|o| o["kind"] == kind && o["name"] == name)?;
        let text = |key: &str| object["health"][key].as_str().unwrap_or_default();
        Some((text("status"), text("message")))
    }
}
