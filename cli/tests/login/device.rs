//! The device flow: a code on this machine, a browser on another.

use std::time::Duration;

use fleet_testbed::{Endpoint, Fault};

use crate::person::{Desk, Running, claims};

/// The code that it shows.
fn user_code(login: &mut Running) -> String {
    let line = login.line_with("enter the code ");
    let code = line.rsplit(' ').next().expect("a code");
    code.trim_end_matches(':').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_logs_in_on_another_machine() {
    let desk = Desk::new().await;
    let person = desk
        .idp()
        .person("ada", &["fleet-editor"])
        .expect("a person");
    desk.idp().set_poll_interval(Duration::from_secs(1));
    let mut login = desk.start(&["login", "--device"]);
    let code = user_code(&mut login);
    let page = login.address();
    assert!(page.starts_with(&desk.idp().issuer()), "{page}");
    assert!(desk.idp().approve_device(&code, &person));
    login.end().ok();
    let (_, said) = claims(&desk.run(&["token"]).ok());
    assert_eq!(said["sub"], person);
    let project = desk.idp().project();
    let roles = &said[format!("urn:zitadel:iam:org:project:{project}:roles")];
    assert!(roles.get("fleet-editor").is_some(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_ends_it() {
    let desk = Desk::new().await;
    desk.idp().set_poll_interval(Duration::from_secs(1));
    let mut login = desk.start(&["login", "--device"]);
    let code = user_code(&mut login);
    assert!(desk.idp().deny_device(&code));
    let error = login.end().failed();
    assert!(
        error.contains("refused to log in: access_denied"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_nobody_enters_ends_and_so_does_an_application_without_the_flow() {
    let desk = Desk::new().await;
    desk.idp().set_poll_interval(Duration::from_secs(1));
    let error = desk.run(&["login", "--device", "--timeout", "1s"]).failed();
    assert!(
        error.contains("refused to log in: expired_token"),
        "{error}"
    );
    desk.idp()
        .inject_at(Endpoint::DeviceAuthorization, Fault::Status(503));
    let error = desk.run(&["login", "--device"]).failed();
    assert!(error.contains("to begin a login with a code"), "{error}");
}
