//! The rules, each with a stable name.

use std::fmt;

use serde::{Serialize, Serializer};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something the reader should know; nothing is wrong.
    Note,
    /// Works, but not as well as it should.
    Warning,
    /// Refused by a server, broken, or dangerous.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident $id:literal $severity:ident $advice:literal;)*) => {
        /// What is checked. The id of a rule does not change between versions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name, such as `psa-seccomp`.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// How much a finding of this rule matters, unless it says otherwise itself.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// What to do about a finding.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}

rules! {
    /// `yaml-syntax`: the text is not YAML.
    YamlSyntax "yaml-syntax" Error "correct the template; nothing after this place was checked";
    /// `yaml11-ambiguous`: a bare scalar that readers of YAML disagree about, such as `y` or `010`.
    Yaml11Ambiguous "yaml11-ambiguous" Warning "quote it, or write the value meant (true, 8)";
    /// `yaml-duplicate-key`: a mapping has a key twice. Strict servers refuse it.
    YamlDuplicateKey "yaml-duplicate-key" Error "remove one of the two";
    /// `not-an-object`: a document without `apiVersion`, `kind` or name.
    NotAnObject "not-an-object" Error "give it apiVersion, kind and metadata.name, or render nothing";

    /// `psa-host-namespaces`: shares network, process or IPC namespace with the node.
    PsaHostNamespaces "psa-host-namespaces" Error "remove hostNetwork, hostPID and hostIPC";
    /// `psa-privileged`: a privileged container.
    PsaPrivileged "psa-privileged" Error "remove privileged: true";
    /// `psa-capabilities`: does not drop all capabilities, or adds one besides `NET_BIND_SERVICE`.
    PsaCapabilities "psa-capabilities" Error "set securityContext.capabilities.drop to [ALL] on the container; add at most NET_BIND_SERVICE";
    /// `psa-volumes`: a volume type that reaches the node or a storage system directly.
    PsaVolumes "psa-volumes" Error "use configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected or secret";
    /// `psa-host-ports`: a port of the node.
    PsaHostPorts "psa-host-ports" Error "remove hostPort and use a Service";
    /// `psa-host-probes`: a probe or lifecycle hook names another host.
    PsaHostProbes "psa-host-probes" Error "remove host from httpGet and tcpSocket";
    /// `psa-apparmor`: switches `AppArmor` off or to an unknown profile.
    PsaAppArmor "psa-apparmor" Error "use RuntimeDefault or Localhost, or leave it out";
    /// `psa-selinux`: sets the `SELinux` user, role or an unusual type.
    PsaSeLinux "psa-selinux" Error "leave out seLinuxOptions";
    /// `psa-proc-mount`: unmasks `/proc`.
    PsaProcMount "psa-proc-mount" Error "remove procMount";
    /// `psa-sysctls`: a kernel setting that is not on the safe list.
    PsaSysctls "psa-sysctls" Error "remove the sysctl";
    /// `psa-windows-host-process`: a process of a Windows node.
    PsaWindowsHostProcess "psa-windows-host-process" Error "remove windowsOptions.hostProcess";
    /// `psa-privilege-escalation`: does not forbid gaining privileges.
    PsaPrivilegeEscalation "psa-privilege-escalation" Error "set securityContext.allowPrivilegeEscalation: false on the container";
    /// `psa-run-as-non-root`: root is not excluded.
    PsaRunAsNonRoot "psa-run-as-non-root" Error "set securityContext.runAsNonRoot: true on the pod";
    /// `psa-run-as-user`: runs as user 0.
    PsaRunAsUser "psa-run-as-user" Error "remove runAsUser: 0";
    /// `psa-seccomp`: no seccomp profile, or none that restricts.
    PsaSeccomp "psa-seccomp" Error "set securityContext.seccompProfile.type: RuntimeDefault on the pod";

    /// `scc-run-as-user`: a user outside the range of the namespace.
    SccRunAsUser "scc-run-as-user" Error "leave out runAsUser: OpenShift chooses one from the range of the namespace";
    /// `scc-fs-group`: a group that is not the first of the range.
    SccFsGroup "scc-fs-group" Error "leave out fsGroup: OpenShift sets it";
    /// `scc-selinux`: `SELinux` options of one's own.
    SccSeLinux "scc-selinux" Error "leave out seLinuxOptions: OpenShift sets them";
    /// `scc-seccomp`: a seccomp profile other than the runtime's.
    SccSeccomp "scc-seccomp" Error "use RuntimeDefault, or leave it out";
    /// `scc-capabilities`: adds a capability besides `NET_BIND_SERVICE`.
    SccCapabilities "scc-capabilities" Error "remove the capability";
    /// `scc-privileged`: a privileged container.
    SccPrivileged "scc-privileged" Error "remove privileged: true";
    /// `scc-privilege-escalation`: allows gaining privileges.
    SccPrivilegeEscalation "scc-privilege-escalation" Error "set allowPrivilegeEscalation: false, or leave it out";
    /// `scc-volumes`: a volume type that is not on the list.
    SccVolumes "scc-volumes" Error "use configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected or secret";
    /// `scc-host-namespaces`: shares a namespace with the node.
    SccHostNamespaces "scc-host-namespaces" Error "remove hostNetwork, hostPID and hostIPC";
    /// `scc-host-ports`: a port of the node.
    SccHostPorts "scc-host-ports" Error "remove hostPort and use a Service";
    /// `scc-sysctls`: a kernel setting that is not on the safe list.
    SccSysctls "scc-sysctls" Error "remove the sysctl";

    /// `unknown-field`: the API does not know the field; strict clients refuse it, others drop it.
    UnknownField "unknown-field" Error "correct the name or its place";
    /// `wrong-type`: a field has a value of another type than the API wants.
    WrongType "wrong-type" Error "quote it, or remove the quotes";
    /// `kind-not-checked`: fields of this kind are unknown here, custom resources for example.
    KindNotChecked "kind-not-checked" Note "check it with the schema of its CRD";
    /// `kind-not-served`: a version of a built-in group that current Kubernetes does not have.
    KindNotServed "kind-not-served" Warning "move to a version that is served";

    /// `rbac-wildcard`: a rule for everything.
    RbacWildcard "rbac-wildcard" Error "name what is needed";
    /// `rbac-escalation`: `escalate`, `bind` or `impersonate`.
    RbacEscalation "rbac-escalation" Error "remove the verb: it gives rights that are not written here";
    /// `rbac-secrets`: reads all Secrets of the cluster.
    RbacSecrets "rbac-secrets" Error "use a Role in the namespace, or resourceNames with get";
    /// `rbac-binding`: binds `cluster-admin`, or binds to everyone.
    RbacBinding "rbac-binding" Error "bind a role of its own to a service account of its own";
    /// `rbac-subject-missing`: a binding's service account is not among the manifests.
    RbacSubjectMissing "rbac-subject-missing" Warning "add the ServiceAccount, or make sure that it exists";

    /// `duplicate-object`: the same object twice.
    DuplicateObject "duplicate-object" Error "remove one; the last one applied would win";
    /// `duplicate-entry`: two entries with the same key in a list that the server merges by key.
    DuplicateEntry "duplicate-entry" Error "remove one; server-side apply refuses both";

    /// `selector-mismatch`: a selector that does not match its own pods.
    SelectorMismatch "selector-mismatch" Error "make every label of the selector a label of the template";

    /// `upgrade-immutable-field`: a field changed that the API server does not let change.
    UpgradeImmutableField "upgrade-immutable-field" Error "keep the old value, or rename the object";
    /// `upgrade-crd-version-removed`: a served version of a CRD is gone.
    UpgradeCrdVersionRemoved "upgrade-crd-version-removed" Error "keep serving it until nobody stores or uses it";
    /// `upgrade-crd-field-removed`: a field of a CRD is gone; its data is dropped at the next write.
    UpgradeCrdFieldRemoved "upgrade-crd-field-removed" Error "keep the field, and deprecate it";
    /// `upgrade-keep-removed`: `helm.sh/resource-policy: keep` is gone.
    UpgradeKeepRemoved "upgrade-keep-removed" Error "keep the annotation: without it uninstalling deletes the object";

    /// `crd-size`: a CRD is larger than the limit.
    CrdSize "crd-size" Error "shorten descriptions, do not embed pod templates";
    /// `crd-schema`: a served version without a structural schema, or one that keeps unknown fields.
    CrdSchema "crd-schema" Error "give each version an openAPIV3Schema of type object, without preserveUnknownFields";
    /// `crd-keep`: uninstalling the chart would delete the CRD and all its resources.
    CrdKeep "crd-keep" Error "annotate it with helm.sh/resource-policy: keep";
    /// `crd-argo`: Argo CD would prune the CRD, or fail to apply it.
    CrdArgo "crd-argo" Error "annotate it with argocd.argoproj.io/sync-options: Prune=false,Delete=false,ServerSideApply=true";
    /// `release-size`: the Secret in which Helm stores the release is larger than the limit.
    ReleaseSize "release-size" Error "move large files out of the chart; Kubernetes refuses Secrets over 1 MiB";

    /// `resources-missing`: requests no processor time or memory.
    ResourcesMissing "resources-missing" Warning "set resources.requests for cpu and memory";
    /// `probe-missing`: nothing tells whether a long-running container is ready or hangs.
    ProbeMissing "probe-missing" Warning "add readinessProbe and livenessProbe";
    /// `root-filesystem-writable`: the container may change its own programs.
    RootFilesystemWritable "root-filesystem-writable" Warning "set readOnlyRootFilesystem: true and mount what must be written";
    /// `service-account-token-implicit`: it is not said whether the pod gets API credentials.
    ServiceAccountTokenImplicit "service-account-token-implicit" Warning "set automountServiceAccountToken on the pod";
    /// `image-tag`: the image may be another one tomorrow.
    ImageTag "image-tag" Warning "name a version or a digest";
    /// `service-links`: the pod gets environment variables for every Service of its namespace.
    ServiceLinks "service-links" Warning "set enableServiceLinks: false";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// Not the id of a rule.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the id of a rule")]
pub struct UnknownRule(String);

impl std::str::FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(id: &str) -> Result<Self, UnknownRule> {
        let rule = Self::ALL.iter().find(|rule| rule.id() == id);
        rule.copied().ok_or_else(|| UnknownRule(id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_parse_back() {
        for rule in Rule::ALL {
            assert_eq!(rule.id().parse(), Ok(*rule));
        }
        assert!("psa".parse::<Rule>().is_err());
    }
}
