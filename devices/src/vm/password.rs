use fleet_devices_core::vm::{HashedPassword, VmName};
use sha_crypt::{PasswordHasher as _, ShaCrypt};

use super::error::VmError;

/// As crypt(5) has it for SHA-512; four digits of salt for three bytes.
const SALT: usize = 12;

/// A password as `/etc/shadow` has it. One that is hashed already stays as it is.
///
/// The salt is made of the machine's name: the same password gives the same hash, so that a machine whose
/// password did not change is as it was; and another machine has another one.
///
/// # Errors
/// When it is empty.
pub fn hash_password(name: &VmName, given: &str) -> Result<HashedPassword, VmError> {
    if let Ok(hashed) = given.parse() {
        return Ok(hashed);
    }
    if given.is_empty() {
        return Err(VmError::Password("it is empty".to_owned()));
    }
    let salt = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_str().as_bytes());
    let salt = salt.as_ref().get(..SALT).unwrap_or_default();
    let made = ShaCrypt::SHA512.hash_password_with_salt(given.as_bytes(), salt);
    let made = made.map_err(|error| VmError::Password(error.to_string()))?;
    Ok(made.to_string().parse()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    fn hash(name: &str, password: &str) -> HashedPassword {
        hash_password(&name.parse().expect("a name"), password).expect("hashed")
    }

    #[test]
    fn a_password_is_hashed_the_same_each_time_and_otherwise_on_other_machines() {
        assert_eq!(hash("pi-1", "secret"), hash("pi-1", "secret"));
        assert_ne!(hash("pi-1", "secret"), hash("pi-2", "secret"));
        assert_ne!(hash("pi-1", "secret"), hash("pi-1", "Secret"));
    }

    #[test]
    fn what_is_hashed_already_stays() {
        let given = "$6$rounds=5000$abcdefgh$Hs1vbqz0dYlUt6zBw3pFz3b7F8a1QeKJ0n9rT5mXc2W";
        assert_eq!(hash("pi-1", given), given.parse().expect("a hash"));
        let empty = hash_password(&"pi-1".parse().expect("a name"), "").expect_err("empty");
        assert_eq!(empty.reason(), "Password");
    }
}
