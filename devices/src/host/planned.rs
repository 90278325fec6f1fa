use fleet_devices_core::host::{Command, Effect, Output};

use super::transport::{Told, Transport, TransportError};

/// A way to a host on which nothing is changed: commands that look are run, and others are not.
#[derive(Debug)]
pub struct Planned<T>(pub T);

impl<T: Transport> Transport for Planned<T> {
    async fn run_telling(
        &self,
        command: &Command,
        told: Told<'_>,
    ) -> Result<Output, TransportError> {
        match command.effect {
            Effect::Looks => self.0.run_telling(command, told).await,
            // What follows is told that it went well; nobody who plans asks for it.
            Effect::Changes => Ok(Output::default()),
        }
    }

    fn changes(&self) -> bool {
        false
    }

    fn name(&self) -> String {
        self.0.name()
    }
}
