//! Requests and answers, in the shapes of libpod's API of version 4.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use fleet_check_core::containers::{Container, Refused, Spec};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;

/// What it says to be; devices report it.
const VERSION: &str = "in memory (fleet-check)";

pub(super) fn routes(state: State) -> Router {
    let api = Router::new()
        .route("/info", get(info))
        .route("/images/{name}/exists", get(has_image))
        .route("/images/pull", post(pull))
        .route("/containers/create", post(create))
        .route("/containers/json", get(list))
        .route("/containers/{id}/start", post(start))
        .route("/containers/{id}", delete(remove))
        .route("/events", get(events))
        .with_state(state);
    Router::new().nest("/v4.0.0/libpod", api)
}

/// A refusal in podman's shape.
struct Complaint(Refused);

impl IntoResponse for Complaint {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            Refused::NoImage(_) | Refused::NoContainer(_) => StatusCode::NOT_FOUND,
            Refused::NameTaken(_) => StatusCode::CONFLICT,
        };
        let message = self.0.to_string();
        let body = json!({"cause": message, "message": message, "response": status.as_u16()});
        (status, Json(body)).into_response()
    }
}

impl From<Refused> for Complaint {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

async fn info() -> Json<Value> {
    Json(json!({"version": {"Version": VERSION}, "store": {"graphRoot": std::env::temp_dir()}}))
}

async fn has_image(Shared(state): Shared<State>, Path(name): Path<String>) -> StatusCode {
    if state.lock().has_image(&name) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

#[derive(Deserialize)]
struct Reference {
    reference: String,
}

async fn pull(Shared(state): Shared<State>, Query(asked): Query<Reference>) -> Json<Value> {
    state.lock().pull(&asked.reference);
    Json(json!({"images": [asked.reference], "id": asked.reference}))
}

async fn create(
    Shared(state): Shared<State>,
    Json(spec): Json<Spec>,
) -> Result<(StatusCode, Json<Value>), Complaint> {
    let id = state.lock().create(spec)?;
    state.bell.ring("create", &id);
    Ok((StatusCode::CREATED, Json(json!({"Id": id, "Warnings": []}))))
}

async fn start(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<StatusCode, Complaint> {
    state.lock().start(&id, Timestamp::now().as_second())?;
    state.bell.ring("start", &id);
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Complaint> {
    state.lock().remove(&id)?;
    state.bell.ring("remove", &id);
    Ok(Json(json!([{"Id": id}])))
}

#[derive(Deserialize)]
struct Filters {
    /// JSON, in JSON's own words: `{"label": ["key=value"]}`.
    #[serde(default)]
    filters: String,
}

async fn list(Shared(state): Shared<State>, Query(asked): Query<Filters>) -> Json<Vec<Value>> {
    let filters = serde_json::from_str::<BTreeMap<String, Vec<String>>>(&asked.filters);
    let labels = filters.unwrap_or_default().remove("label");
    let labels = labels.unwrap_or_default();
    let containers = state.lock();
    Json(containers.labelled(&labels).map(listed).collect())
}

fn listed((id, container): (&str, &Container)) -> Value {
    let state = container.started.map_or("created", |_| "running");
    json!({
        "Id": id,
        "Names": [container.spec.name],
        "Image": container.spec.image,
        "Labels": container.spec.labels,
        "State": state,
        "StartedAt": container.started.unwrap_or_default(),
        "ExitCode": 0,
        "Ports": [],
    })
}

async fn events(Shared(state): Shared<State>) -> Body {
    Body::from_stream(state.bell.listen())
}
