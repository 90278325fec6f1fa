//! A Linux host: what it must have to be a device, and the commands that give it that.
//!
//! | module | says |
//! |---|---|
//! | `address` | a login on it |
//! | `command` | a program with arguments, never a line for a shell |
//! | `ensured` | how something that has to be there is looked for, and brought about |
//! | `distribution` | which Linux it is |
//! | `device` | all that makes a device, in order |
//! | `enrolment`, `life` | who it is in its fleet, and how its agent is |
//! | `started` | with what its agent was last started |
//! | `removal` | that nothing of it is left |
//! | `package`, `file`, `folder`, `user`, `group`, `subordinate`, `linger`, `unit`, `network` | the things that have to be there |

mod address;
mod command;
mod device;
mod distribution;
mod enrolment;
mod ensured;
mod file;
mod folder;
mod group;
mod life;
mod linger;
mod network;
mod package;
mod removal;
mod started;
mod subordinate;
mod unit;
mod user;

pub use address::{Address, InvalidAddress};
pub use command::{As, Command, CommandError, Effect, Output};
pub use device::{AGENT_PATH, AGENT_USER, DeviceSetup, Step};
pub use distribution::{Distribution, DistributionError, Family};
pub use enrolment::{Enrolment, EnrolmentError};
pub use ensured::{Change, EnsureError, Ensured};
pub use file::{Content, File, Mode};
pub use folder::Folders;
pub use group::Membership;
pub use life::{AgentLife, AgentState};
pub use linger::Linger;
pub use network::LibvirtNetwork;
pub use package::{Need, Packages};
pub use removal::{Removal, RemovalStep};
pub use started::Started;
pub use subordinate::{SubordinateError, Subordinates};
pub use unit::{Manager, Unit};
pub use user::User;
