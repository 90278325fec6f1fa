//! `fleet login`, `fleet token` and `fleet logout`: a person's login at the identity provider.
//!
//! The cluster decides who somebody is and what they may do; this only gets the token that it asks
//! for. `fleet token` is kubectl's credential plugin. It never asks anybody anything, so that
//! `kubectl get -w` in a script fails instead of hanging.

pub mod application;
mod browser;
pub mod code;
pub mod credential;
mod device;
pub mod http;
pub mod kubeconfig;
mod loopback;
pub mod provider;
pub mod session;
pub mod store;

use std::path::Path;

use jiff::Timestamp;

use crate::args::{ClusterFlags, LoginArgs, LogoutArgs, ProviderFlags, TokenArgs};
use crate::cluster::{self, ClusterError};
use crate::output::{OutputError, emit};
use application::Application;
use code::{CodeError, Manner};
use http::{Http, HttpError};
use kubeconfig::{Change, KubeconfigError};
use provider::{Provider, ProviderError};
use session::Session;
use store::{Slot, Store, StoreError};

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Nothing says where.
    #[error(
        "nothing says where to log in: state --issuer and --client-id, or use a context whose user \
         was written by `fleet login --write-kubeconfig`"
    )]
    NoApplication,
    /// The kubeconfig cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The kubeconfig cannot be written.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// The provider cannot be asked at all.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The provider gave no token.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Nobody came back from the browser.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The login cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody has logged in.
    #[error("nobody is logged in at {issuer}; run `{command}`")]
    NotLoggedIn {
        /// Where.
        issuer: String,
        /// What to do.
        command: String,
    },
    /// The login is over.
    #[error("the login at {issuer} has ended; run `{command}`")]
    Ended {
        /// Where.
        issuer: String,
        /// What to do.
        command: String,
        /// What the provider said, if it was asked.
        #[source]
        source: Option<Box<ProviderError>>,
    },
    /// kubectl could not be answered.
    #[error("cannot write the credential")]
    Credential(#[from] serde_json::Error),
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Runs `fleet login`.
pub async fn login(flags: &ClusterFlags, args: &LoginArgs) -> Result<(), LoginError> {
    let application = application(flags, &args.provider)?;
    let store = Store::of_user()?;
    let provider = provider(&application).await?;
    let session = if args.device {
        device::log_in(&provider, args.timeout).await?
    } else {
        let manner = Manner {
            browser: !args.no_browser,
            port: args.port,
            timeout: args.timeout,
        };
        code::log_in(&provider, manner).await?
    };
    let slot = store.slot(&application.key());
    slot.write(&session, &slot.lock().await?)?;
    eprintln!("Logged in at {} as {}.", session.issuer, session.person());
    if session.refresh_token.is_none() {
        eprintln!(
            "The provider gave no refresh token, so this login ends with its token: allow the \
             application the grant refresh_token and the scope offline_access."
        );
    }
    if let Some(user) = &args.write_kubeconfig {
        let change = Change {
            user,
            command: &own_command(),
            application: &application,
            context: flags.context.as_deref(),
        };
        for line in kubeconfig::write(&cluster::files(flags), &change).await? {
            eprintln!("{line}");
        }
    }
    if args.exec {
        answer(&session)?;
    }
    Ok(())
}

/// Runs `fleet token`.
pub async fn token(flags: &ClusterFlags, args: &TokenArgs) -> Result<(), LoginError> {
    let application = application(flags, &args.provider)?;
    let slot = Store::of_user()?.slot(&application.key());
    let kept = slot.read()?;
    let fresh = kept.filter(|session| session.is_fresh(Timestamp::now()));
    let session = match fresh {
        Some(session) => session,
        None => renewed(&application, &slot).await?,
    };
    answer(&session)
}

/// Runs `fleet logout`.
pub async fn logout(flags: &ClusterFlags, args: &LogoutArgs) -> Result<(), LoginError> {
    let store = Store::of_user()?;
    if args.all {
        eprintln!("Forgot {} logins.", store.clear()?);
        return Ok(());
    }
    let application = application(flags, &args.provider)?;
    let slot = store.slot(&application.key());
    let held = slot.lock().await?;
    let kept = slot.read()?;
    let was = if slot.remove(&held)? {
        "Logged out of"
    } else {
        "Nobody was logged in at"
    };
    eprintln!("{was} {}.", application.issuer);
    let refresh_token = kept.and_then(|session| session.refresh_token);
    if let Some(token) = refresh_token
        && let Err(error) = revoked(&application, &token).await
    {
        // It is forgotten here, whether the provider hears of it or not.
        eprintln!("A copy of this login would go on until it ends at the provider: {error}.");
    }
    Ok(())
}

async fn revoked(application: &Application, refresh_token: &str) -> Result<(), LoginError> {
    let provider = provider(application).await?;
    Ok(provider.revoke(refresh_token).await?)
}

/// The session as it is now, refreshed if it has to be; one process at a time, because providers
/// take a refresh token once.
async fn renewed(application: &Application, slot: &Slot) -> Result<Session, LoginError> {
    let issuer = application.issuer.clone();
    let command = login_command(application);
    let held = slot.lock().await?;
    let Some(kept) = slot.read()? else {
        return Err(LoginError::NotLoggedIn { issuer, command });
    };
    if kept.is_fresh(Timestamp::now()) {
        // Another process was faster.
        return Ok(kept);
    }
    let Some(refresh_token) = &kept.refresh_token else {
        if kept.is_valid(Timestamp::now()) {
            return Ok(kept);
        }
        let source = None;
        return Err(LoginError::Ended {
            issuer,
            command,
            source,
        });
    };
    match refreshed(application, refresh_token).await {
        Ok(session) if session.subject == kept.subject => {
            slot.write(&session, &held)?;
            Ok(session)
        }
        Ok(_) => {
            slot.remove(&held)?;
            let source = None;
            Err(LoginError::Ended {
                issuer,
                command,
                source,
            })
        }
        Err(LoginError::Provider(source)) if source.ends_login() => {
            slot.remove(&held)?;
            let source = Some(Box::new(source));
            Err(LoginError::Ended {
                issuer,
                command,
                source,
            })
        }
        // While the provider is away, the token is good until it ends.
        Err(_) if kept.is_valid(Timestamp::now()) => Ok(kept),
        Err(error) => Err(error),
    }
}

async fn refreshed(application: &Application, refresh_token: &str) -> Result<Session, LoginError> {
    let provider = provider(application).await?;
    Ok(provider.refresh(refresh_token).await?)
}

/// The provider, asked about itself.
async fn provider(application: &Application) -> Result<Provider, LoginError> {
    let http = Http::new(application.ca_file.as_deref())?;
    Ok(Provider::discover(application, http).await?)
}

fn answer(session: &Session) -> Result<(), LoginError> {
    let info = std::env::var(credential::EXEC_INFO).ok();
    let text = credential::render(session, info.as_deref(), Timestamp::now())?;
    Ok(emit(text)?)
}

/// By flags, else by the user of the kubeconfig's context.
fn application(flags: &ClusterFlags, given: &ProviderFlags) -> Result<Application, LoginError> {
    if let Some(application) = Application::of_flags(given) {
        return Ok(application);
    }
    let config = cluster::kubeconfig(flags)?;
    let context = flags.context.as_deref();
    let found = config.and_then(|config| kubeconfig::application(&config, context));
    found.ok_or(LoginError::NoApplication)
}

/// What starts the same login again.
fn login_command(application: &Application) -> String {
    let arguments = application.arguments();
    let arguments = arguments.iter().skip(1).map(|word| quoted(word));
    format!("fleet login {}", arguments.collect::<Vec<_>>().join(" "))
}

/// For a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// How kubectl finds this program: by its name if that leads here, else by its path.
fn own_command() -> String {
    const NAME: &str = "fleet";
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let own = std::env::current_exe().unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(NAME));
    let first = found.find(|candidate| candidate.is_file());
    if first.is_some_and(|first| real(&first).is_some() && real(&first) == real(&own)) {
        NAME.to_owned()
    } else {
        own.display().to_string()
    }
}
