//! `fleet kv`: a look into the buckets on the bus. It only reads.

mod filter;
mod show;

use fleet_bus::connect::ConnectError;
use fleet_bus::{Bus, ConnectSettings, Event, StoreError, Stored, Watch};
use fleet_contracts::id::InvalidName;
use fleet_contracts::kv::Bucket;
use futures::StreamExt as _;
use futures::stream::{self, Stream};
use jiff::Timestamp;

use crate::args::{BusFlags, KvCommand, KvGetArgs, KvListArgs};
use crate::output::{OutputError, emit, table};
pub use filter::InvalidPrefix;

/// Why a bucket could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// No such bucket.
    #[error(transparent)]
    Bucket(#[from] InvalidName),
    /// Not the beginning of a key.
    #[error(transparent)]
    Prefix(#[from] InvalidPrefix),
    /// Nothing says who this is.
    #[error(
        "state who you are on the bus: --nats-seed-file FILE or NATS_SEED_FILE, with the nkey seed \
         of a user of the PLATFORM account"
    )]
    NoSeed,
    /// No connection.
    #[error("cannot use the bus (is --nats-url right, and the seed one of the PLATFORM account?)")]
    Connect(#[from] ConnectError),
    /// A bucket cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key does not exist.
    #[error("bucket {bucket} has no key {key:?}; `fleet kv ls {bucket}` lists them")]
    NoKey {
        /// The bucket.
        bucket: &'static str,
        /// What was asked for.
        key: String,
    },
    /// The bucket does not exist.
    #[error("bucket {bucket} cannot be read; the operator creates it when it starts")]
    NoBucket {
        /// The bucket.
        bucket: &'static str,
        /// What the server said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Runs `fleet kv`.
pub async fn run(command: &KvCommand) -> Result<(), KvError> {
    match command {
        KvCommand::Ls(args) => list(args).await,
        KvCommand::Get(args) => get(args).await,
        KvCommand::Watch(args) => watch(args).await,
    }
}

async fn connect(flags: &BusFlags) -> Result<Bus, KvError> {
    let settings = ConnectSettings {
        url: flags.nats_url.clone(),
        seed_file: flags.nats_seed_file.clone().ok_or(KvError::NoSeed)?,
        name: "fleet-cli".to_owned(),
        ca_file: flags.nats_ca_file.clone(),
    };
    Ok(Bus::connect(&settings).await?)
}

async fn list(args: &KvListArgs) -> Result<(), KvError> {
    let Some(bucket) = args.bucket()? else {
        return list_buckets(&connect(&args.bus).await?).await;
    };
    let filter = filter::of(bucket, args.prefix.as_deref())?;
    let bus = connect(&args.bus).await?;
    let held = bus.watch_keys(bucket, &filter).await?.held().await?;
    let found: Vec<_> = held.into_values().collect();
    if found.is_empty() {
        eprintln!("No keys found in {}.", bucket.name());
        return Ok(());
    }
    let now = Timestamp::now();
    let rows: Vec<_> = found.iter().map(|stored| show::row(stored, now)).collect();
    Ok(emit(table(show::HEADER, &rows))?)
}

async fn list_buckets(bus: &Bus) -> Result<(), KvError> {
    let mut rows = vec![];
    for bucket in Bucket::ALL {
        let stream = bus.context().get_stream(bucket.stream()).await;
        let no_bucket = |source: Box<dyn std::error::Error + Send + Sync>| KvError::NoBucket {
            bucket: bucket.name(),
            source,
        };
        let stream = stream.map_err(|e| no_bucket(e.into()))?;
        let state = &stream.cached_info().state;
        let counts = [state.messages, state.bytes, state.last_sequence].map(|n| n.to_string());
        rows.push([vec![bucket.name().to_owned()], counts.to_vec()].concat());
    }
    Ok(emit(table(
        &["BUCKET", "VALUES", "BYTES", "LAST-SEQUENCE"],
        &rows,
    ))?)
}

async fn get(args: &KvGetArgs) -> Result<(), KvError> {
    let bucket: Bucket = args.bucket.parse()?;
    filter::check_key(&args.key)?;
    let bus = connect(&args.bus).await?;
    let stored = bus.get(bucket, &args.key).await?;
    let stored = stored.ok_or_else(|| KvError::NoKey {
        bucket: bucket.name(),
        key: args.key.clone(),
    })?;
    if args.raw {
        return Ok(emit(&stored.value)?);
    }
    // Beside the value, not in it: `fleet kv get ... | jq` works.
    eprint!("{}", show::headers(bucket, &stored, Timestamp::now()));
    Ok(emit(show::value(&stored.value))?)
}

async fn watch(args: &KvListArgs) -> Result<(), KvError> {
    let buckets = args
        .bucket()?
        .map_or_else(|| Bucket::ALL.to_vec(), |bucket| vec![bucket]);
    let mut filters = vec![];
    for bucket in buckets {
        filters.push((bucket, filter::of(bucket, args.prefix.as_deref())?));
    }
    let bus = connect(&args.bus).await?;
    let mut watches = vec![];
    for (bucket, filter) in filters {
        let watch = bus.watch_keys(bucket, &filter).await?;
        watches.push(events(bus.clone(), bucket, filter, watch).boxed());
    }
    let mut events = stream::select_all(watches);
    while let Some(event) = events.next().await {
        match event? {
            (bucket, Event::Put(stored)) => emit(show::change(bucket, &stored))?,
            (bucket, Event::Deleted { key, sequence }) => {
                emit(show::deletion(bucket, &key, sequence))?;
            }
            (_, Event::Synced | Event::Interrupted | Event::Resumed) => {}
        }
    }
    Ok(())
}

/// The events of one bucket. A stream that was made anew is watched again; any other failure is
/// the last event.
fn events(
    bus: Bus,
    bucket: Bucket,
    filter: String,
    watch: Watch,
) -> impl Stream<Item = Result<(Bucket, Event), StoreError>> {
    stream::unfold(Some(watch), move |watch| {
        let (bus, filter) = (bus.clone(), filter.clone());
        async move {
            let mut watch = watch?;
            loop {
                match watch.next().await {
                    Ok(event) => return Some((Ok((bucket, event)), Some(watch))),
                    Err(StoreError::Recreated(_) | StoreError::Deaf(_)) => {
                        match bus.watch_keys(bucket, &filter).await {
                            Ok(new) => watch = new,
                            Err(error) => return Some((Err(error), None)),
                        }
                    }
                    Err(error) => return Some((Err(error), None)),
                }
            }
        }
    })
}

/// A header's value, if the message has it.
fn header<'a>(stored: &'a Stored, name: &str) -> Option<&'a str> {
    stored
        .headers
        .get(name)
        .map(fleet_bus::async_nats::HeaderValue::as_str)
}
