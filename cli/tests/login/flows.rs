//! The code flow: a browser goes to the provider and comes back.

use crate::person::{Desk, Running, claims, fetch, mode};

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_somebody_in_and_kubectl_gets_the_token() {
    let desk = Desk::new().await;
    let person = desk.person("ada", "fleet-editor");
    let mut login = desk.start(&["login", "--no-browser"]);
    let address = login.address();
    let page = desk.browse(&address).await;
    assert!(page.starts_with("HTTP/1.1 200 OK"), "{page}");
    assert!(page.contains("You are logged in"), "{page}");
    let said = login.end();
    assert!(said.err.contains(" as ada."), "{said:?}");
    // Only `--exec` prints the token.
    assert_eq!(said.ok(), "");

    let credential = desk.run(&["token"]).ok();
    let (_, said) = claims(&credential);
    assert_eq!(said["sub"], person);
    assert_eq!(said["azp"], desk.client);
    let project = desk.idp().project();
    let roles = &said[format!("urn:zitadel:iam:org:project:{project}:roles")];
    assert!(roles.get("fleet-editor").is_some(), "{said}");
    assert_eq!(mode(&desk.login_file()), 0o600);

    let again = desk.run(&["token"]).ok();
    assert_eq!(again, credential, "a fresh token is kept");
    let said = desk.run(&["logout"]);
    assert!(said.err.starts_with("Logged out of https://"), "{said:?}");
    let error = desk.run(&["token"]).failed();
    assert!(error.contains("nobody is logged in"), "{error}");
    let command = format!("fleet login {}", desk.flags().join(" "));
    assert!(error.contains(&command), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn login_itself_can_answer_kubectl() {
    let desk = Desk::new().await;
    let person = desk.person("ada", "fleet-viewer");
    let mut login = desk.start(&["login", "--no-browser", "--exec"]);
    let address = login.address();
    desk.browse(&address).await;
    let (_, said) = claims(&login.end().ok());
    assert_eq!(said["sub"], person);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_started_where_there_is_one() {
    let desk = Desk::new().await;
    desk.person("ada", "fleet-viewer");
    let browser = desk.home.path().join("browser");
    let seen = desk.home.path().join("seen");
    let script = format!(
        "#!/bin/sh\nprintf %s \"$1\" > {0}.new && mv {0}.new {0}\n",
        seen.display()
    );
    std::fs::write(&browser, script).expect("written");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&browser, executable).expect("set");
    let mut command = desk.program();
    command
        .env("BROWSER", &browser)
        .env("PATH", "/usr/bin:/bin");
    command.arg("login").args(desk.flags());
    let mut login = Running::new(&mut command);
    login.line_with("Your browser opens");
    let address = login.address();
    let there = || async { seen.exists() };
    assert!(fleet_testbed::wait::until(std::time::Duration::from_secs(20), there).await);
    assert_eq!(std::fs::read_to_string(&seen).expect("read"), address);
    desk.browse(&address).await;
    login.end().ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_answer_is_not_taken() {
    let desk = Desk::new().await;
    desk.person("ada", "fleet-viewer");
    let mut login = desk.start(&["login", "--no-browser"]);
    let address = login.address();
    let back = desk.redirect(&address).await;
    let (page, query) = back.split_once('?').expect("a query");
    // A page in the browser may send it anywhere on this machine; it does not know the state.
    let forged = fetch(&format!("{page}?code=stolen&state=guess"));
    assert!(forged.starts_with("HTTP/1.1 400"), "{forged}");
    let icon = fetch(&page.replace("/callback", "/favicon.ico"));
    assert!(icon.starts_with("HTTP/1.1 404"), "{icon}");
    let page = fetch(&format!("{page}?{query}"));
    assert!(page.contains("You are logged in"), "{page}");
    login.end().ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_provider_is_named() {
    let desk = Desk::new().await;
    desk.person("ada", "fleet-viewer");
    let mut login = desk.start(&["login", "--no-browser"]);
    let address = login.address();
    let wrong = address.replace("scope=openid", "scope=profile");
    let page = desk.browse(&wrong).await;
    assert!(page.contains("You are not logged in"), "{page}");
    let error = login.end().failed();
    assert!(
        error.contains("refused to log in: invalid_scope"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_another_login_is_worth_nothing() {
    let desk = Desk::new().await;
    desk.person("ada", "fleet-viewer");
    let mut first = desk.start(&["login", "--no-browser"]);
    let mut second = desk.start(&["login", "--no-browser"]);
    let first_back = desk.redirect(&first.address()).await;
    let second_back = desk.redirect(&second.address()).await;
    let field = |url: &str, name: &str| {
        let fields = url.split(['?', '&']);
        let found = fields.filter_map(|field| field.strip_prefix(&format!("{name}=")));
        found.map(str::to_owned).next().expect("a field")
    };
    // The first login's state with the second one's code, as after an injection: PKCE tells them
    // apart.
    let mixed = first_back.replace(&field(&first_back, "code"), &field(&second_back, "code"));
    fetch(&mixed);
    let error = first.end().failed();
    assert!(error.contains("invalid_grant"), "{error}");
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_browser_ends_the_wait() {
    let desk = Desk::new().await;
    let error = desk
        .run(&["login", "--no-browser", "--timeout", "1s"])
        .failed();
    assert!(error.contains("nobody logged in within 1 s"), "{error}");
    assert!(error.contains("--device"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_or_none_is_named() {
    let desk = Desk::new().await;
    desk.idp().stop().await;
    let issuer = desk.idp().issuer();
    let error = desk.run(&["login"]).failed();
    assert!(
        error.contains(&format!("cannot discover the provider at {issuer}")),
        "{error}"
    );
    let mut command = desk.program();
    command.args([
        "login",
        "--issuer",
        "http://id.example.com",
        "--client-id",
        "x",
    ]);
    let error = Running::new(&mut command).end().failed();
    assert!(error.contains("is not an https:// address"), "{error}");
    let mut command = desk.program();
    command.args(["login"]);
    let error = Running::new(&mut command).end().failed();
    assert!(error.contains("state --issuer and --client-id"), "{error}");
}
