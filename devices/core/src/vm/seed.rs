//! What a virtual machine is told at its first boot: a seed for cloud-init's `NoCloud`.
//!
//! All three files are JSON. cloud-init reads YAML, and JSON is YAML as long as its strings hold no
//! character that YAML's readers refuse; nothing that gets in here does.

use std::fmt;

use serde_json::{Value, json};

use super::credential::{AuthorizedKey, HashedPassword, HostKey};
use super::name::VmName;

/// The label that a seed's file system must have: cloud-init finds it by that.
pub const VOLUME_LABEL: &str = "cidata";

/// The administrator's name where nobody chose another.
pub const DEFAULT_ADMIN: &str = "fleet-admin";

/// Why a seed cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// Nobody could ever log in.
    #[error("nobody could log in as {0}: give an SSH public key, or a hashed password")]
    NoLogin(String),
    /// What is no user's name.
    #[error(
        "{0:?} is no name of an administrator: take 1 to 32 of a-z, 0-9, '-' and '_', starting with a \
         letter or '_', and not \"root\""
    )]
    InvalidAdmin(String),
    /// What is no instance id.
    #[error("{0:?} is no instance id: take 1 to 128 letters, digits and any of \"-_.:\"")]
    InvalidInstanceId(String),
}

impl SeedError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoLogin(_) => "NoLogin",
            Self::InvalidAdmin(_) => "InvalidAdmin",
            Self::InvalidInstanceId(_) => "InvalidInstanceId",
        }
    }
}

/// Who may log in, and may do everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminUser {
    name: String,
    authorized_keys: Vec<AuthorizedKey>,
    password: Option<HashedPassword>,
}

impl AdminUser {
    /// Named [`DEFAULT_ADMIN`]. With a password, and only then, SSH asks for it, too.
    pub fn new(
        authorized_keys: Vec<AuthorizedKey>,
        password: Option<HashedPassword>,
    ) -> Result<Self, SeedError> {
        let name = DEFAULT_ADMIN.to_owned();
        if authorized_keys.is_empty() && password.is_none() {
            return Err(SeedError::NoLogin(name));
        }
        Ok(Self {
            name,
            authorized_keys,
            password,
        })
    }

    /// Under another name.
    pub fn named(self, name: &str) -> Result<Self, SeedError> {
        let first = |b: &u8| b.is_ascii_lowercase() || *b == b'_';
        let other = |b: u8| first(&b) || b.is_ascii_digit() || b == b'-';
        let valid = name.len() <= 32
            && name.as_bytes().first().is_some_and(first)
            && name.bytes().all(other)
            && name != "root";
        if !valid {
            return Err(SeedError::InvalidAdmin(name.chars().take(50).collect()));
        }
        Ok(Self {
            name: name.to_owned(),
            ..self
        })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keys that log in.
    pub fn authorized_keys(&self) -> &[AuthorizedKey] {
        &self.authorized_keys
    }

    /// The password, hashed.
    pub(super) const fn password(&self) -> Option<&HashedPassword> {
        self.password.as_ref()
    }

    fn user_data(&self) -> Value {
        let keys: Vec<_> = self
            .authorized_keys
            .iter()
            .map(AuthorizedKey::as_str)
            .collect();
        // cloud-init refuses an empty list of keys.
        let mut user = json!({
            "name": self.name,
            "shell": "/bin/bash",
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "lock_passwd": self.password.is_none(),
        });
        if !keys.is_empty() {
            user["ssh_authorized_keys"] = json!(keys);
        }
        if let Some(password) = &self.password {
            user["passwd"] = json!(password.as_str());
        }
        user
    }
}

/// What a virtual machine is told at its first boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    hostname: VmName,
    instance_id: String,
    admin: AdminUser,
    host_key: Option<HostKey>,
}

/// A file at the top of a seed's file system. Its content may hold a password's hash, so it does not
/// show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct SeedFile {
    /// Its name.
    pub name: &'static str,
    /// All of it.
    pub content: String,
}

impl fmt::Debug for SeedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeedFile({}, {} bytes)", self.name, self.content.len())
    }
}

impl Seed {
    /// Of a guest's host name, its administrator and its instance: with another `instance_id`
    /// cloud-init takes a boot for the first one.
    pub fn new(hostname: VmName, instance_id: &str, admin: AdminUser) -> Result<Self, SeedError> {
        let character = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
        if !(1..=128).contains(&instance_id.len()) || !instance_id.bytes().all(character) {
            let shown = instance_id.chars().take(150).collect();
            return Err(SeedError::InvalidInstanceId(shown));
        }
        Ok(Self {
            hostname,
            instance_id: instance_id.to_owned(),
            admin,
            host_key: None,
        })
    }

    /// For a guest that proves by this key who it is, instead of making one.
    #[must_use]
    pub fn with_host_key(self, key: HostKey) -> Self {
        Self {
            host_key: Some(key),
            ..self
        }
    }

    /// `user-data`, `meta-data` and `network-config`, in this order.
    pub fn files(&self) -> [SeedFile; 3] {
        let user_data = format!("#cloud-config\n{:#}\n", self.user_data());
        let meta_data = json!({
            "instance-id": self.instance_id,
            "local-hostname": self.hostname.as_str(),
        });
        // Whatever the one interface is called: enp1s0, ens3 or eth0.
        let network_config = json!({
            "version": 2,
            "ethernets": {
                "primary": { "match": { "name": "e*" }, "dhcp4": true, "dhcp6": false },
            },
        });
        let file = |name, content| SeedFile { name, content };
        [
            file("user-data", user_data),
            file("meta-data", format!("{meta_data:#}\n")),
            file("network-config", format!("{network_config:#}\n")),
        ]
    }

    fn user_data(&self) -> Value {
        let mut data = json!({
            "hostname": self.hostname.as_str(),
            "manage_etc_hosts": true,
            // Every image has it. With any other, cloud-init fails where locales are left out.
            "locale": "C.UTF-8",
            "ssh_pwauth": self.admin.password.is_some(),
            // What is on a device is decided later, and the first boot need not reach a mirror.
            "package_update": false,
            "package_upgrade": false,
            "users": [self.admin.user_data()],
        });
        if let Some(key) = &self.host_key {
            data["ssh_keys"] = json!({
                "ed25519_private": key.private(),
                "ed25519_public": key.public(),
            });
        }
        data
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq0c2Zr9t0o1lH0XbqJw0y6n5m1mVn0q2Gm9w4bJx3Z ops@example";
    const HASH: &str = "$6$rounds=5000$abcdefgh$Hs1vbqz0dYlUt6zBw3pFz3b7F8a1QeKJ0n9rT5mXc2W";

    fn seed(keys: &[&str], password: Option<&str>) -> Seed {
        let keys = keys.iter().map(|key| key.parse().expect("a key"));
        let password = password.map(|hash| hash.parse().expect("a hash"));
        let admin = AdminUser::new(keys.collect(), password).expect("a login");
        let name = "pi-1".parse().expect("a name");
        Seed::new(name, "pi-1-3f2a", admin).expect("a seed")
    }

    fn host_key() -> HostKey {
        let private =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n";
        HostKey::ed25519(private, KEY).expect("a key")
    }

    fn shown(seed: &Seed) -> String {
        let files = seed.files();
        let show = |file: &SeedFile| format!("=== {}\n{}", file.name, file.content);
        files.iter().map(show).collect()
    }

    #[test]
    fn with_a_key() {
        insta::assert_snapshot!(shown(&seed(&[KEY], None)));
    }

    #[test]
    fn with_a_password_and_another_name() {
        let mut seed = seed(&[], Some(HASH));
        seed.admin = seed.admin.named("jo_1").expect("a name");
        insta::assert_snapshot!(shown(&seed));
    }

    #[test]
    fn with_a_key_of_the_host() {
        let seed = seed(&[KEY], None).with_host_key(host_key());
        insta::assert_snapshot!(shown(&seed));
    }

    #[test]
    fn nobody_shows_the_password() {
        let seed = seed(&[KEY], Some(HASH)).with_host_key(host_key());
        let shown = format!("{seed:?} {:?}", seed.files());
        assert!(!shown.contains("$6$"), "{shown}");
        assert!(!shown.contains("PRIVATE"), "{shown}");
    }

    #[test]
    fn somebody_must_be_able_to_log_in() {
        let error = AdminUser::new(vec![], None).expect_err("nobody");
        assert_eq!(error.reason(), "NoLogin");
        assert!(error.to_string().contains(DEFAULT_ADMIN), "{error}");
    }

    #[test]
    fn names_and_instances_that_nothing_could_bear_are_refused() {
        let seed = seed(&[KEY], None);
        let long = "a".repeat(33);
        for name in ["", "root", "1a", "-a", "A", "a b", "a:b", "é", &long] {
            let error = seed.admin.clone().named(name).expect_err(name);
            assert_eq!(error.reason(), "InvalidAdmin");
        }
        for id in ["", "a b", "a\n", "é"] {
            let error = Seed::new(seed.hostname.clone(), id, seed.admin.clone());
            let reason = error.map_err(|error| error.reason());
            assert_eq!(reason, Err("InvalidInstanceId"), "{id:?}");
        }
    }

    proptest! {
        #[test]
        fn what_comes_in_comes_out(comment in any::<String>()) {
            let line = format!("{KEY} {comment}");
            let Ok(key) = line.parse::<AuthorizedKey>() else {
                return Ok(());
            };
            let admin = AdminUser::new(vec![key], None).expect("a login");
            let user = admin.user_data();
            prop_assert_eq!(&user["ssh_authorized_keys"][0], line.trim());
        }
    }
}
