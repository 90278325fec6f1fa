//! What kubectl reads from its credential plugin: an `ExecCredential`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::session::Session;

/// The version that we write into kubeconfigs.
pub const API_VERSION: &str = "client.authentication.k8s.io/v1";
/// The older one that some kubeconfigs name; the answer has the same fields.
const BETA: &str = "client.authentication.k8s.io/v1beta1";
/// The variable in which kubectl says what it wants.
pub const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential<'a> {
    api_version: &'a str,
    kind: &'a str,
    status: Status<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_timestamp: Option<Timestamp>,
    token: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecInfo {
    api_version: String,
}

/// The answer, in the version that `exec_info` asks for: clients refuse another one.
pub fn render(
    session: &Session,
    exec_info: Option<&str>,
    now: Timestamp,
) -> serde_json::Result<String> {
    let asked = exec_info.and_then(|info| serde_json::from_str::<ExecInfo>(info).ok());
    let is_beta = asked.is_some_and(|info| info.api_version == BETA);
    let credential = ExecCredential {
        api_version: if is_beta { BETA } else { API_VERSION },
        kind: "ExecCredential",
        status: Status {
            expiration_timestamp: session.ask_again_at(now),
            token: &session.id_token,
        },
    };
    Ok(serde_json::to_string(&credential)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_of_the_version_that_was_asked_for() {
        let session = Session {
            issuer: String::new(),
            client_id: String::new(),
            subject: String::new(),
            name: None,
            issued: 0,
            expires: 3600,
            id_token: "a.b.c".to_owned(),
            refresh_token: Some("secret".to_owned()),
        };
        let render = |info| render(&session, info, Timestamp::UNIX_EPOCH).expect("renders");
        let v1 = concat!(
            r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","#,
            r#""status":{"expirationTimestamp":"1970-01-01T00:59:00Z","token":"a.b.c"}}"#,
            "\n"
        );
        assert_eq!(render(None), v1);
        assert_eq!(render(Some("garbage")), v1);
        let beta = r#"{"apiVersion": "client.authentication.k8s.io/v1beta1", "spec": {}}"#;
        assert_eq!(render(Some(beta)), v1.replace("/v1\"", "/v1beta1\""));
    }
}
