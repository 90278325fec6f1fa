//! The key that seals OpenBao is changed, and nothing that it keeps is lost.

use std::os::unix::fs::PermissionsExt as _;

use fleet_testbed::{OpenBao, SealKey};
use serde_json::json;

use crate::vault::{bao, bed, decide, provisioned};

async fn restart_sealed_by(server: &OpenBao, current: &SealKey, previous: Option<&SealKey>) {
    server.stop().await.expect("stopped");
    server.seal_with(current, previous).expect("configured");
    server.start().await.expect("unsealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_key_of_ours_takes_the_place_of_another_and_the_old_one_is_needed_no_more() {
    let bed = bed("seal").await;
    let server = bed.openbao().expect("openbao");
    let file = bed.folder().join("recovery.key");
    let recovery = ["--recovery-key-file", &file.to_string_lossy()];
    // Without it the first seal key would be needed for ever.
    assert_eq!(provisioned(server, &recovery)[1], "created   recovery key");
    assert_eq!(provisioned(server, &recovery)[1], "unchanged recovery key");
    let written = std::fs::metadata(&file).expect("written");
    assert_eq!(written.permissions().mode() & 0o777, 0o600);
    decide(server, "dev-1", &json!({"denied": true}));
    let made = |id: &str| SealKey {
        id: id.to_owned(),
        key: fleet_keys::make_seal_key().expect("made"),
    };
    let (second, third) = (made("fleet-2"), made("fleet-3"));
    let read = ["read", "kv/data/devices/dev-1"];
    for (current, previous) in [
        (&second, Some(server.first_seal())),
        // Without the key from before: all is sealed by this one.
        (&second, None),
        (&third, Some(&second)),
        (&third, None),
    ] {
        restart_sealed_by(server, current, previous).await;
        let record = bao(server, &server.callout(), &read).expect("read");
        assert_eq!(record["data"]["data"], json!({"denied": true}));
    }
}
