//! A Linux host: what it must have to be a device, and the commands that give it that.
//!
//! | module | says |
//! |---|---|
//! | `command` | a program with arguments, never a line for a shell |
//! | `ensured` | how something that has to be there is looked for, and brought about |
//! | `distribution` | which Linux it is |
//! | `device` | all that makes a device, in order |
//! | `package`, `file`, `user`, `group`, `subordinate`, `linger`, `unit`, `network` | the things that have to be there |

mod command;
mod device;
mod distribution;
mod ensured;
mod file;
mod group;
mod linger;
mod network;
mod package;
mod subordinate;
mod unit;
mod user;

pub use command::{As, Command, CommandError, Effect, Output};
pub use device::{AGENT_PATH, AGENT_USER, DeviceSetup, Step};
pub use distribution::{Distribution, DistributionError, Family};
pub use ensured::{Change, EnsureError, Ensured};
pub use file::{Content, File, Mode};
pub use group::Membership;
pub use linger::Linger;
pub use network::LibvirtNetwork;
pub use package::{Need, Packages};
pub use subordinate::{SubordinateError, Subordinates};
pub use unit::{Manager, Unit};
pub use user::User;
