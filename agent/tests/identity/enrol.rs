//! `fleet-agent enrol`: from nothing to a configuration that is valid.

use std::fs;
use std::process::Stdio;

use axum::http::Method;
use fleet_contracts::enrolment::{
    Approval, DenialReason, Enrolment, EnrolmentRefusal, EnrolmentState, EnrolmentToken,
};

use crate::agent::{Agent, mode};
use crate::service::Service;

const PENDING: EnrolmentState = EnrolmentState::Pending {
    poll_after_seconds: 1,
    waits_for: None,
};

fn approval() -> Approval {
    let example = include_str!("../../../contracts/tests/data/v1-enrolment-approved.json");
    let enrolment: Enrolment = serde_json::from_str(example).expect("an enrolment");
    let EnrolmentState::Approved(approval) = enrolment.state else {
        panic!("not approved");
    };
    *approval
}

/// What the service's authority signs is also the provider's and the bus's.
fn approved(service: &Service) -> EnrolmentState {
    let ca = fs::read_to_string(&service.ca_file).expect("a file");
    EnrolmentState::Approved(Box::new(Approval {
        issuer_ca: Some(ca.clone()),
        nats_ca: Some(ca),
        ..approval()
    }))
}

fn token() -> EnrolmentToken {
    EnrolmentToken::from_random(&[7; 32])
}

async fn enrol(agent: &Agent, service: &Service, further: &[&str]) -> (bool, String) {
    let file = agent.write_private("token", &format!("{}\n", token().expose()));
    let (ca, file) = (
        service.ca_file.display().to_string(),
        file.display().to_string(),
    );
    let mut args = vec![
        "enrol",
        "--url",
        &service.url,
        "--ca-file",
        &ca,
        "--rsa-bits=2048",
    ];
    if !further.contains(&"--no-token") {
        args.extend(["--token-file", &file]);
    }
    args.extend(further.iter().filter(|a| **a != "--no-token"));
    agent.run(&args).await
}

#[tokio::test]
async fn from_nothing_to_a_valid_configuration() {
    let service = Service::start(vec![Ok(PENDING)]).await;
    service
        .script(|s| s.answers = vec![Ok(PENDING), Err(EnrolmentRefusal::Unavailable), Ok(PENDING)]);
    let last = approved(&service);
    service.script(|s| s.answers.push(Ok(last)));
    let agent = Agent::new();
    let wants = ["--device-id", "robot-7", "--label", "site=lyon"];
    let (enrolled, said) = enrol(&agent, &service, &wants).await;
    assert!(enrolled, "{said}");
    assert!(
        said.contains("SHA256:") && said.contains("fleet approve"),
        "{said}"
    );
    assert!(
        said.contains("enrolled as robot-7") && said.contains("Unavailable"),
        "{said}"
    );
    assert!(!said.contains(token().expose()), "{said}");

    let request = service.script(|s| s.request.clone()).expect("a request");
    assert_eq!(request.device_id.expect("an id").as_str(), "robot-7");
    assert_eq!(request.labels["site"], "lyon");
    assert!(request.facts.agent_version.is_some() && request.facts.cpu_cores.is_some());
    let asked = service.script(|s| s.asked.clone());
    assert_eq!(asked, [Method::POST, Method::GET, Method::GET, Method::GET]);

    for file in [
        "device-key.pem",
        "enrolment.json",
        "issuer-ca.pem",
        "nats-ca.pem",
    ] {
        assert_eq!(mode(&agent.identity(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&agent.identity("")), 0o700);
    let (valid, said) = agent.run(&["--check-config"]).await;
    assert!(valid && said.contains("valid for device robot-7"), "{said}");

    // Again: nothing happens, nobody is asked.
    let (enrolled, said) = enrol(&agent, &service, &[]).await;
    assert!(
        enrolled && said.contains("already enrolled as robot-7"),
        "{said}"
    );
    assert_eq!(service.script(|s| s.asked.len()), 4);

    // A static login beside it would be a second identity.
    agent.write_config("", "[nats]\nseed_file = \"/nowhere\"");
    let (valid, said) = agent.run(&["--check-config"]).await;
    assert!(!valid && said.contains("enrolled"), "{said}");
}

#[tokio::test]
async fn what_was_interrupted_goes_on_with_the_same_key_and_without_the_token() {
    let service = Service::start(vec![Err(EnrolmentRefusal::TokenExpired)]).await;
    let agent = Agent::new();
    let (enrolled, said) = enrol(&agent, &service, &[]).await;
    assert!(
        !enrolled && said.contains("TokenExpired") && said.contains("get a new one"),
        "{said}"
    );
    let key = fs::read(agent.identity("device-key.pem")).expect("a key");

    let last = approved(&service);
    service.script(|s| s.answers = vec![Ok(PENDING), Ok(last)]);
    let (enrolled, said) = enrol(&agent, &service, &["--no-token"]).await;
    assert!(
        enrolled && said.contains("found this device's key"),
        "{said}"
    );
    assert_eq!(
        fs::read(agent.identity("device-key.pem")).expect("a key"),
        key
    );
    let asked = service.script(|s| s.asked.clone());
    assert_eq!(asked, [Method::POST, Method::GET, Method::GET]);
}

#[tokio::test]
async fn a_device_with_a_wrong_clock_takes_the_services_time() {
    let service = Service::start(vec![Ok(PENDING)]).await;
    let last = approved(&service);
    for ahead in [-400_000_000, 400_000_000] {
        service.script(|s| {
            s.asked.clear();
            s.ahead = ahead;
            s.answers = vec![Ok(PENDING), Ok(last.clone())];
        });
        let agent = Agent::new();
        let (enrolled, said) = enrol(&agent, &service, &[]).await;
        assert!(enrolled, "{said}");
        let asked = service.script(|s| s.asked.clone());
        assert_eq!(
            asked,
            [Method::POST, Method::POST, Method::GET],
            "signed again once"
        );
    }
}

#[tokio::test]
async fn every_refusal_and_denial_is_named_and_writes_nothing() {
    let service = Service::start(vec![Ok(PENDING)]).await;
    let agent = Agent::new();
    let passing = |r: &EnrolmentRefusal| {
        r.is_passing() || matches!(r, EnrolmentRefusal::ClockSkew | EnrolmentRefusal::Unknown)
    };
    for &reason in EnrolmentRefusal::ALL.iter().filter(|r| !passing(r)) {
        service.script(|s| s.answers = vec![Err(reason)]);
        let (enrolled, said) = enrol(&agent, &service, &[]).await;
        let named = format!("refused ({reason})");
        assert!(
            !enrolled && said.contains(&named) && said.contains("the service says"),
            "{said}"
        );
    }
    let (reason, message) = (DenialReason::Rejected, "not ours".to_owned());
    service.script(|s| s.answers = vec![Ok(EnrolmentState::Denied { reason, message })]);
    let (enrolled, said) = enrol(&agent, &service, &[]).await;
    assert!(
        !enrolled && said.contains("denied (Rejected) (not ours)"),
        "{said}"
    );
    // An approval that cannot be followed is none.
    let open = Approval {
        issuer: "http://id.example".into(),
        ..approval()
    };
    let keyless = Approval {
        manifest_keys: vec![],
        ..approval()
    };
    for (bad, named) in [(open, "https"), (keyless, "manifest key")] {
        service.script(|s| s.answers = vec![Ok(EnrolmentState::Approved(Box::new(bad)))]);
        let (enrolled, said) = enrol(&agent, &service, &[]).await;
        assert!(!enrolled && said.contains(named), "{said}");
    }
    assert!(!agent.identity("enrolment.json").exists());
}

#[tokio::test]
async fn a_service_that_the_device_does_not_trust_learns_nothing() {
    let service = Service::start(vec![Ok(PENDING)]).await;
    let stranger = Service::start(vec![Ok(PENDING)]).await;
    let mut agent = Agent::new();
    let file = agent.write_private("token", token().expose());
    let (ca, file) = (
        stranger.ca_file.display().to_string(),
        file.display().to_string(),
    );
    // It goes on trying: the certificate may be put right.
    let log = fs::File::create(agent.path("log")).expect("a log");
    let mut command = agent.command();
    command
        .args(["enrol", "--rsa-bits=2048", "--url", &service.url])
        .args(["--ca-file", &ca, "--token-file", &file])
        .stdout(Stdio::null())
        .stderr(log);
    agent.adopt(command.spawn().expect("started"));
    let complains = || async { agent.logged("not of a trusted authority") >= 2 };
    assert!(
        fleet_testbed::wait::until(crate::chain::SOON, complains).await,
        "{}",
        agent.log()
    );
    assert_eq!(service.script(|s| s.asked.len()), 0);
}
