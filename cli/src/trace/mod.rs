//! `fleet trace`: where a change of a Deployment is on its way to a device, and what it waits for.
//!
//! Objects hold counts only, so the operator is asked, through the API server's proxy to its Service.
//! Whoever may read the Deployment and use that proxy gets an answer.

mod render;

use std::time::Duration;

use fleet_api::trace::{Trace, TraceQuery, path, proxied};
use fleet_contracts::DeploymentRef;
use fleet_contracts::id::InvalidName;
use kube::ResourceExt as _;

use crate::args::{ClusterFlags, OperatorPlace, TraceArgs, TraceFormat};
use crate::cluster::{Cluster, ClusterError};
use crate::output::{OutputError, emit};

/// The longest answer that is read; it holds two short texts of a device.
const MAX_BYTES: usize = 64 << 10;
/// An API server that can reach nobody behind a Service tries for a minute.
const LIMIT: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The cluster refused, or is away.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The namespace is none of Kubernetes'.
    #[error(transparent)]
    Namespace(#[from] InvalidName),
    /// Whoever asks may not ask the operator.
    #[error(
        "you may not ask the operator {operator}: get services/proxy on {service}, which the role \
         {role} gives, is missing"
    )]
    Forbidden {
        /// Where it is.
        operator: OperatorPlace,
        /// The name that the right is about.
        service: String,
        /// The chart's role.
        role: String,
    },
    /// There is no such Service, or nothing behind it.
    #[error(
        "the operator {operator} cannot be asked through the API server: {cause}; --operator says where it \
         is, its chart's value metrics.service.enabled makes the Service, and a NetworkPolicy must let \
         the API server in"
    )]
    Unreachable {
        /// Where it should be.
        operator: OperatorPlace,
        /// What the API server said.
        cause: String,
    },
    /// The operator knows no such Deployment.
    #[error("the operator {0} does not know this Deployment yet, or is none that answers")]
    Unknown(OperatorPlace),
    /// The operator has not read everything.
    #[error("the operator cannot say yet: {0}")]
    NotReady(String),
    /// The answer is none of ours.
    #[error("the answer of the operator {operator} cannot be read")]
    Answer {
        /// Where it is.
        operator: OperatorPlace,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The answer could not be printed.
    #[error("cannot write the answer as JSON")]
    Encode(#[source] serde_json::Error),
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Runs `fleet trace`.
pub async fn run(flags: &ClusterFlags, args: &TraceArgs) -> Result<(), TraceError> {
    let cluster = Cluster::connect(flags).await?;
    let found = cluster.deployments().get(args.deployment.as_str()).await;
    let object = found.map_err(|e| cluster.explain(e))?;
    let deployment = DeploymentRef {
        namespace: cluster.namespace.parse()?,
        name: args.deployment.clone(),
    };
    let query = TraceQuery {
        uid: object.uid().unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
    };
    let page = path(&deployment, &args.device, &query);
    let trace = ask(&cluster, &args.operator, &page).await?;
    let text = match args.output {
        TraceFormat::Text => render::text(&trace, &query),
        TraceFormat::Json => {
            serde_json::to_string_pretty(&trace).map_err(TraceError::Encode)? + "\n"
        }
    };
    Ok(emit(text)?)
}

/// The name of the operator's Service with scheme and port, as the right to use its proxy names it.
fn service(operator: &OperatorPlace) -> String {
    proxied(&format!("{}-metrics", operator.name))
}

async fn ask(cluster: &Cluster, operator: &OperatorPlace, page: &str) -> Result<Trace, TraceError> {
    let (namespace, service) = (&operator.namespace, service(operator));
    let uri = format!("/api/v1/namespaces/{namespace}/services/{service}/proxy{page}");
    let request = http::Request::get(uri).body(Vec::new());
    let request = request.map_err(kube::Error::HttpError);
    let request = request.map_err(|e| cluster.explain(e))?;
    let asked = tokio::time::timeout(LIMIT, cluster.client.request_text(request)).await;
    let asked = asked.map_err(|_| TraceError::Unreachable {
        operator: operator.clone(),
        cause: format!("no answer within {} seconds", LIMIT.as_secs()),
    })?;
    let text = match asked {
        Ok(text) => text,
        Err(error) => return Err(refused(cluster, operator, error)),
    };
    let text = text.get(..MAX_BYTES).unwrap_or(&text);
    serde_json::from_str(text).map_err(|source| TraceError::Answer {
        operator: operator.clone(),
        source,
    })
}

/// What kube says of an answer that is no status of the API server's: the operator's own words.
const FOREIGN: &str = "Failed to parse error data";

fn refused(cluster: &Cluster, operator: &OperatorPlace, error: kube::Error) -> TraceError {
    let operator = operator.clone();
    let kube::Error::Api(status) = &error else {
        return cluster.explain(error).into();
    };
    let message = status.message.trim().to_owned();
    match (status.code, status.reason == FOREIGN) {
        (403, _) => TraceError::Forbidden {
            service: service(&operator),
            role: format!("{}-tracer", operator.name),
            operator,
        },
        (404, true) => TraceError::Unknown(operator),
        (503, true) => TraceError::NotReady(message),
        (404 | 500 | 502 | 503 | 504, _) => TraceError::Unreachable {
            operator,
            cause: message,
        },
        _ => cluster.explain(error).into(),
    }
}
