//! `fleet get`: lists of devices, deployments and enrolments.

mod rows;

use futures::{StreamExt as _, pin_mut};
use jiff::Timestamp;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::{Value, json};

use crate::args::{ClusterFlags, DocumentFormat, GetArgs, ListFormat};
use crate::cluster::{Cluster, ClusterError};
use crate::document::{self, DocumentError};
use crate::output::{self, OutputError, Table, emit};
use crate::resource::KindName;
use rows::Columns;

pub(crate) use rows::images;

/// Why a list could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// The cluster refused, or is away.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It could not be printed.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A name and all namespaces exclude each other.
    #[error("a name belongs to one namespace: leave out --all-namespaces, or the name")]
    NameInAllNamespaces,
    /// A watch is of one object or of all.
    #[error("--watch follows one name or all, not several")]
    SeveralWatched,
}

/// Runs `fleet get`.
pub async fn run(flags: &ClusterFlags, args: &GetArgs) -> Result<(), GetError> {
    let names = args.all_names();
    if args.all_namespaces && !names.is_empty() && args.kind() == KindName::Deployment {
        return Err(GetError::NameInAllNamespaces);
    }
    if args.watch && names.len() > 1 {
        return Err(GetError::SeveralWatched);
    }
    let cluster = Cluster::connect(flags).await?;
    let api = api(&cluster, args);
    if args.watch {
        return watch(&cluster, &api, args).await;
    }
    let objects = fetch(&cluster, &api, args, &names).await?;
    if objects.is_empty() && matches!(args.output, ListFormat::Table | ListFormat::Wide) {
        // On standard error, as kubectl does: it is no row.
        eprintln!("{}", nothing_found(&cluster, args));
        return Ok(());
    }
    Ok(emit(render(&objects, args, Timestamp::now())?)?)
}

fn api(cluster: &Cluster, args: &GetArgs) -> Api<DynamicObject> {
    // Untyped, so that -o json and -o yaml show fields this version does not know.
    let (kind, client) = (args.kind(), cluster.client.clone());
    let resource = match kind {
        KindName::Device => ApiResource::erase::<fleet_api::Device>(&()),
        KindName::Deployment => ApiResource::erase::<fleet_api::Deployment>(&()),
        KindName::Enrolment => ApiResource::erase::<fleet_api::DeviceEnrolment>(&()),
    };
    match kind {
        KindName::Deployment if !args.all_namespaces => {
            Api::namespaced_with(client, &cluster.namespace, &resource)
        }
        _ => Api::all_with(client, &resource),
    }
}

async fn fetch(
    cluster: &Cluster,
    api: &Api<DynamicObject>,
    args: &GetArgs,
    names: &[&str],
) -> Result<Vec<DynamicObject>, ClusterError> {
    if names.is_empty() {
        let params = ListParams {
            label_selector: args.selector.clone(),
            ..Default::default()
        };
        return cluster.list(api, params).await;
    }
    let mut objects = vec![];
    for name in names {
        objects.push(api.get(name).await.map_err(|e| cluster.explain(e))?);
    }
    Ok(objects)
}

fn nothing_found(cluster: &Cluster, args: &GetArgs) -> String {
    match args.kind() {
        KindName::Deployment if !args.all_namespaces => {
            format!("No resources found in {} namespace.", cluster.namespace)
        }
        _ => "No resources found".to_owned(),
    }
}

fn render(
    objects: &[DynamicObject],
    args: &GetArgs,
    now: Timestamp,
) -> Result<String, DocumentError> {
    let format = match args.output {
        ListFormat::Json => DocumentFormat::Json,
        ListFormat::Yaml => DocumentFormat::Yaml,
        ListFormat::Name => return Ok(objects.iter().map(|o| name_line(o, args)).collect()),
        ListFormat::Table | ListFormat::Wide => {
            let columns = Columns::of(args);
            let rows: Vec<_> = objects.iter().map(|o| columns.row(o, now)).collect();
            return Ok(output::table(columns.header(), &rows));
        }
    };
    let mut items = objects
        .iter()
        .map(to_value)
        .collect::<Result<Vec<_>, _>>()?;
    let one = args.all_names().len() == 1 && items.len() == 1;
    let document = if one {
        items.swap_remove(0)
    } else {
        json!({"apiVersion": "v1", "kind": "List", "items": items})
    };
    document::write(&document, format)
}

fn name_line(object: &DynamicObject, args: &GetArgs) -> String {
    args.kind()
        .reference(object.metadata.name.as_deref().unwrap_or_default())
        + "\n"
}

/// The object without what only servers read, as kubectl shows it.
fn to_value(object: &DynamicObject) -> Result<Value, DocumentError> {
    let mut value = serde_json::to_value(object)?;
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    Ok(value)
}

async fn watch(
    cluster: &Cluster,
    api: &Api<DynamicObject>,
    args: &GetArgs,
) -> Result<(), GetError> {
    let mut config = watcher::Config::default();
    if let Some(selector) = &args.selector {
        config = config.labels(selector);
    }
    if let Some(name) = args.all_names().first() {
        config = config.fields(&format!("metadata.name={name}"));
    }
    let events = watcher(api.clone(), config).default_backoff();
    pin_mut!(events);
    let mut printer = Printer::new(args);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => emit(printer.take(event)?)?,
            Err(error) => {
                if let Some(lasting) = cluster.lasting(error) {
                    return Err(lasting.into());
                }
            }
        }
    }
    Ok(())
}

/// Turns what a watch reports into text: the first list at once, then a line for each change.
struct Printer<'a> {
    args: &'a GetArgs,
    first: Vec<DynamicObject>,
    table: Option<Table>,
}

impl<'a> Printer<'a> {
    const fn new(args: &'a GetArgs) -> Self {
        Self {
            args,
            first: vec![],
            table: None,
        }
    }

    fn take(&mut self, event: watcher::Event<DynamicObject>) -> Result<String, DocumentError> {
        match event {
            watcher::Event::Init => self.first.clear(),
            watcher::Event::InitApply(object) => self.first.push(object),
            watcher::Event::InitDone => {
                let objects = std::mem::take(&mut self.first);
                return self.list(&objects);
            }
            watcher::Event::Apply(object) | watcher::Event::Delete(object) => {
                return self.one(&object);
            }
        }
        Ok(String::new())
    }

    fn list(&mut self, objects: &[DynamicObject]) -> Result<String, DocumentError> {
        let columns = Columns::of(self.args);
        let tabular = matches!(self.args.output, ListFormat::Table | ListFormat::Wide);
        let mut text = String::new();
        if tabular && self.table.is_none() {
            let now = Timestamp::now();
            let rows: Vec<_> = objects.iter().map(|o| columns.row(o, now)).collect();
            let table = Table::fitting(columns.header(), &rows);
            text = table.header(columns.header());
            self.table = Some(table);
        }
        for object in objects {
            text += &self.one(object)?;
        }
        Ok(text)
    }

    fn one(&self, object: &DynamicObject) -> Result<String, DocumentError> {
        let format = match (self.args.output, &self.table) {
            (ListFormat::Json, _) => DocumentFormat::Json,
            (ListFormat::Yaml, _) => {
                return Ok("---\n".to_owned()
                    + &document::write(&to_value(object)?, DocumentFormat::Yaml)?);
            }
            (ListFormat::Table | ListFormat::Wide, Some(table)) => {
                return Ok(table.line(&Columns::of(self.args).row(object, Timestamp::now())));
            }
            _ => return Ok(name_line(object, self.args)),
        };
        document::write(&to_value(object)?, format)
    }
}
