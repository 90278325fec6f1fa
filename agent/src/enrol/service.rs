//! Calls to the enrolment service, each with its proof.

use std::sync::Arc;

use bytes::Bytes;
use fleet_agent_core::identity::ServerClock;
use fleet_agent_core::identity::enrolment::{Heard, hear};
use fleet_contracts::enrolment::proof::{Call, PROOF_HEADER, signing_input};
use fleet_contracts::enrolment::{
    COLLECTION, DevicePublicKey, EnrolmentId, EnrolmentRequest, path,
};
use fleet_contracts::{jws, payload};
use hyper::Method;

use super::EnrolError;
use crate::https::{Answer, Ask, Https, HttpsError, Trust};
use crate::identity::key::DeviceKey;
use crate::identity::{boottime, full, sign, wall_seconds};

/// The service, as this device's key meets it.
#[derive(Debug)]
pub(super) struct Service {
    url: String,
    https: Https,
    key: Arc<dyn DeviceKey>,
    id: EnrolmentId,
    clock: ServerClock,
}

impl Service {
    pub(super) fn new(
        url: &str,
        trust: Trust,
        key: Arc<dyn DeviceKey>,
        public: &DevicePublicKey,
    ) -> Self {
        Self {
            url: url.to_owned(),
            https: Https::new(trust),
            key,
            id: public.enrolment_id(),
            clock: ServerClock::default(),
        }
    }

    /// The enrolment this is about.
    pub(super) fn id(&self) -> &EnrolmentId {
        &self.id
    }

    /// Asks for enrolment.
    pub(super) async fn post(&mut self, request: &EnrolmentRequest) -> Result<Heard, EnrolError> {
        self.call(Method::POST, COLLECTION, payload::encode(request))
            .await
    }

    /// Looks how the enrolment stands.
    pub(super) async fn get(&mut self) -> Result<Heard, EnrolError> {
        let path = path(&self.id);
        self.call(Method::GET, &path, vec![]).await
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Heard, EnrolError> {
        let seconds = self.clock.seconds(boottime(), wall_seconds());
        let call = Call {
            method: method.as_str(),
            path,
            body: &body,
        };
        let input = signing_input(&self.url, &self.id, &call, seconds);
        let signature = sign(&self.key, Bytes::from(input.clone())).await?;
        let url = format!("{}{path}", self.url);
        let headers = [(PROOF_HEADER, jws::compact(&input, &signature))];
        let answer = self.https.ask(Ask {
            method,
            headers: &headers,
            body: body.into(),
            ..Ask::get(&url)
        });
        let answer = match answer.await {
            Ok(answer) => answer,
            // Nothing but another address or file helps.
            Err(error @ (HttpsError::Url(_) | HttpsError::Tls(_))) => {
                return Err(EnrolError::Trust(full(&error)));
            }
            Err(error) => {
                let message = full(&error);
                return Ok(Heard::Trouble { message, wait: 0 });
            }
        };
        if let Some(date) = &answer.date {
            self.clock.hear(date, boottime());
        }
        let Answer {
            status,
            retry_after,
            body,
            ..
        } = answer;
        Ok(hear(&self.id, status, retry_after, &body))
    }
}
