//! The page that says where a change is on its way to a device; `fleet trace` asks for it through the
//! API server.
//!
//! The operator cannot see who asks: the API server hands requests on without saying whose they are,
//! and pods may reach the port of the metrics. So it answers only about a Deployment whose
//! `metadata.uid` is named, which is known to whoever may read that object. Standbys answer as well as
//! the leader does: all replicas follow everything.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use fleet_api::trace::{Trace, TraceQuery, Verdict};
use fleet_contracts::id::{DeploymentName, Namespace};
use fleet_contracts::{DeploymentRef, DeviceId};
use fleet_operator_core::trace::{Question, trace};

use crate::clock;
use crate::http::Pages;
use crate::state::Source;

/// What a path of this page holds.
type Asked = (Namespace, DeploymentName, String, i64, DeviceId);

/// Answers with a [`Trace`] as JSON; with 404 if there is no such Deployment, and with 503 while the
/// watches of the objects have not told all they have.
pub async fn page(State(pages): State<Pages>, Path(asked): Path<Asked>) -> Response {
    let (namespace, name, uid, generation, device) = asked;
    let deployment = DeploymentRef { namespace, name };
    let problems = pages.problems();
    let awaited = pages.shared.awaited();
    let objects = [Source::Deployments, Source::Devices];
    if awaited.iter().any(|source| objects.contains(source)) {
        return (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n").into_response();
    }
    let question = Question {
        deployment: &deployment,
        device: &device,
        query: &TraceQuery { uid, generation },
    };
    let answer = {
        let state = pages.shared.lock();
        trace(&state.index, &state.mirror, question, clock::now())
    };
    let Some(mut answer) = answer else {
        let text = "the operator knows no Deployment of this name and uid\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    explain(&mut answer, &problems);
    match serde_json::to_vec(&answer) {
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What is not written has its cause outside of what the index knows.
fn explain(answer: &mut Trace, problems: &[String]) {
    if answer.verdict == Verdict::NotWritten && answer.reason.is_none() {
        let first = problems.first().and_then(|line| line.split_once(": "));
        if let Some((reason, words)) = first {
            answer.reason = Some(reason.to_owned());
            words.clone_into(&mut answer.message);
        }
    }
    answer.problems = problems.to_vec();
}
