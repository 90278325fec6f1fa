//! What people look up: the errors of a login are in docs/people.md, in these words.

use std::fs;

use crate::person::{Desk, Running};

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/people.md");

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_explained_in_the_guide() {
    let desk = Desk::new().await;
    let issuer = desk.idp().issuer();
    let slash = format!("{issuer}/");
    let plain = issuer.replace("https://", "http://");
    let ca = desk.idp().ca_file().display().to_string();
    let client = desk.client.as_str();
    let cases: [(&[&str], &[&str]); 8] = [
        (&["login"], &["nothing says where to log in"]),
        (
            &["token", "--issuer", &issuer, "--client-id", client],
            &["nobody is logged in at"],
        ),
        (
            &["login", "--issuer", &issuer, "--client-id", client],
            &["cannot reach", "invalid peer certificate"],
        ),
        (
            &["login", "--issuer", &plain, "--client-id", client],
            &["is not an https:// address"],
        ),
        (
            &[
                "login",
                "--issuer",
                &slash,
                "--client-id",
                client,
                "--ca-file",
                &ca,
            ],
            &["does not answer as an OpenID provider (to discover the provider)"],
        ),
        (
            &[
                "login",
                "--device",
                "--issuer",
                &issuer,
                "--client-id",
                "1",
                "--ca-file",
                &ca,
            ],
            &["refused to begin a login with a code"],
        ),
        (
            &[
                "login",
                "--no-browser",
                "--timeout",
                "1s",
                "--issuer",
                &issuer,
                "--client-id",
                client,
                "--ca-file",
                &ca,
            ],
            &["nobody logged in within"],
        ),
        (
            &[
                "login",
                "--device",
                "--timeout",
                "1s",
                "--issuer",
                &issuer,
                "--client-id",
                client,
                "--ca-file",
                &ca,
            ],
            &["expired_token"],
        ),
    ];
    let guide = fs::read_to_string(GUIDE).expect("the guide");
    for (args, words) in cases {
        let mut command = desk.program();
        let error = Running::new(command.args(args)).end().failed();
        for word in words {
            assert!(error.contains(word), "{args:?}: {error}");
            assert!(guide.contains(word), "not in the guide: {word}");
        }
    }
}
