//! Texts inside a score. One rule each, checked on entry and repeated in the CRD schema.

pub use crate::id::InvalidName as InvalidField;

use crate::base::checked_string;

checked_string!(
    /// An image with tag or digest, `registry.example/team/web:v1`.
    ImageRef, kind: "image", max: 500,
    pattern: r"^[a-zA-Z0-9][-a-zA-Z0-9._/:]*(@sha256:[a-f0-9]{64})?$",
    rule: "an image reference of at most 500 characters, such as registry.example/team/web:v1 or …@sha256:<64 hex digits>",
    check: is_image, error: InvalidField
);

checked_string!(
    /// A container's name on the device, if the default `<namespace>.<deployment>.<service>` will not do.
    ContainerName, kind: "container name", max: 128,
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    rule: "1 to 128 of letters, digits, '_', '.', '-', starting with a letter or digit",
    check: is_podman_name, error: InvalidField
);

checked_string!(
    /// A named volume.
    VolumeName, kind: "volume name", max: 128,
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    rule: "1 to 128 of letters, digits, '_', '.', '-', starting with a letter or digit",
    check: is_podman_name, error: InvalidField
);

checked_string!(
    /// An absolute path on the device.
    HostPath, kind: "host path", max: 1024, pattern: "^/[^:\\x00]*$",
    rule: "an absolute path without ':'",
    check: is_path, error: InvalidField
);

checked_string!(
    /// An absolute path in the container.
    MountPath, kind: "mount path", max: 1024, pattern: "^/[^:\\x00]+$",
    rule: "an absolute path without ':', other than '/'",
    check: is_mount_path, error: InvalidField
);

checked_string!(
    /// The name of an environment variable.
    EnvName, kind: "environment variable", max: 256,
    pattern: "^[a-zA-Z_][a-zA-Z0-9_.-]*$",
    rule: "letters, digits, '_', '.', '-', not starting with a digit",
    check: is_env_name, error: InvalidField
);

checked_string!(
    /// A Linux capability without `CAP_`, or `ALL`.
    Capability, kind: "capability", max: 40, pattern: "^[A-Z][A-Z_]*$",
    rule: "a Linux capability in capitals without CAP_, or ALL",
    check: is_capability, error: InvalidField
);

checked_string!(
    /// Permission bits in octal, `0644`.
    FileMode, kind: "file mode", max: 4, pattern: "^0?[0-7]{3}$",
    rule: "three octal digits, with or without a leading 0",
    check: is_mode, error: InvalidField
);

impl FileMode {
    /// The permission bits.
    pub fn bits(&self) -> u32 {
        // The rule allows octal digits only.
        u32::from_str_radix(self.as_str(), 8).unwrap_or(0o644)
    }
}

impl Default for FileMode {
    fn default() -> Self {
        Self("0644".into())
    }
}

fn is_image(s: &str) -> bool {
    let (name, digest) = match s.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (s, None),
    };
    let digest_ok = digest.is_none_or(|d| {
        d.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    });
    digest_ok
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._/:".contains(c))
}

fn is_podman_name(s: &str) -> bool {
    s.starts_with(|c: char| c.is_ascii_alphanumeric())
        && s.chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

fn is_path(s: &str) -> bool {
    s.starts_with('/') && !s.contains([':', '\0'])
}

fn is_mount_path(s: &str) -> bool {
    s.len() > 1 && is_path(s)
}

fn is_env_name(s: &str) -> bool {
    s.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && s.chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

fn is_capability(s: &str) -> bool {
    s.starts_with(|c: char| c.is_ascii_uppercase())
        && s.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

fn is_mode(s: &str) -> bool {
    let digits = s
        .strip_prefix('0')
        .filter(|rest| rest.len() == 3)
        .unwrap_or(s);
    digits.len() == 3 && digits.bytes().all(|b| matches!(b, b'0'..=b'7'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("web", true)]
    #[case("localhost:5000/team/web:v1.2", true)]
    #[case(
        "a/b@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        true
    )]
    #[case("a@sha256:12", false)]
    #[case("-web", false)]
    #[case("web v1", false)]
    fn images(#[case] given: &str, #[case] valid: bool) {
        assert_eq!(given.parse::<ImageRef>().is_ok(), valid);
    }

    #[rstest]
    #[case("644", true, 0o644)]
    #[case("0600", true, 0o600)]
    #[case("888", false, 0)]
    #[case("64", false, 0)]
    fn modes(#[case] given: &str, #[case] valid: bool, #[case] bits: u32) {
        let mode = given.parse::<FileMode>();
        assert_eq!(mode.is_ok(), valid);
        assert!(mode.map_or(true, |m| m.bits() == bits));
    }
}
