//! Attacks on the bus and on logins to it, each a test named after it, on a real nats-server that asks
//! the real auth callout; what attacks the bus runs on one server and on a cluster of three.
//!
//! `make attacks` runs these and those of other crates, and counts them: `src/attacks/list.rs`.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

/// One test for each attack, on each kind of bus.
macro_rules! on_both {
    ($scene:ty; $($attack:ident,)*) => {
        mod single {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $attack() {
                    let name = stringify!($attack);
                    super::$attack(&<$scene>::on(crate::bed::Servers::One, name).await).await;
                }
            )*
        }
        mod cluster {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $attack() {
                    let name = stringify!($attack);
                    super::$attack(&<$scene>::on(crate::bed::Servers::Three, name).await).await;
                }
            )*
        }
    };
}

mod assertions;
mod bed;
mod callout;
mod claims;
mod listening;
mod logins;
mod replies;
mod scene;
mod streams;
mod wire;
mod writing;
