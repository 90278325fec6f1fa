//! The cluster, and the people of the testbed's identity provider.

use std::ops::Deref;

use fleet_cli::login::http::Http;
use fleet_testbed::{Idp, People, wait};
use http::{Request, header};
use serde_json::Value;

use crate::cluster::{Cluster, SOON};
use crate::user::{User, loopback_page};

pub(crate) struct Scene(Cluster);

impl Deref for Scene {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}

impl Scene {
    /// With these values of the chart's `people`, whose groups are `idp:` and a role.
    pub(crate) async fn with(name: &str, people: &Value) -> Self {
        let scene = Self(Cluster::with(name, people).await);
        scene.wait_for_provider().await;
        scene
    }

    pub(crate) fn idp(&self) -> &Idp {
        self.bed.idp().expect("an IdP")
    }

    pub(crate) fn people(&self) -> &People {
        self.bed.people().expect("people")
    }

    pub(crate) fn group(&self, role: &str) -> String {
        self.people().group(role)
    }

    /// The API server asks the provider about itself in the background, and knows nobody until it
    /// is answered.
    async fn wait_for_provider(&self) {
        let probe = self.person("probe", &[]).await;
        let token = probe.token();
        let known = || async { self.whoami(&token).await.is_ok() };
        assert!(
            wait::until(SOON, known).await,
            "the API server knows nobody"
        );
    }

    /// Somebody with these roles, logged in with a browser.
    pub(crate) async fn person(&self, name: &str, roles: &[&str]) -> User {
        let subject = self.idp().person(name, roles).expect("a person");
        self.log_in(&subject).await
    }

    /// Somebody with these roles, logged in with a code that was entered elsewhere.
    pub(crate) fn person_by_code(&self, name: &str, roles: &[&str]) -> User {
        let subject = self.idp().person(name, roles).expect("a person");
        let mut user = User::new(&self.0);
        let mut login = user.begin(&self.login(&["--device"]));
        let address = login.address("user_code=");
        let (_, code) = address.split_once("user_code=").expect("a code");
        assert!(self.idp().approve_device(code, &subject), "{address}");
        user.end(login);
        assert_eq!(user.subject, subject);
        user
    }

    /// Somebody who is at the browser.
    pub(crate) async fn log_in(&self, subject: &str) -> User {
        let mut user = User::new(&self.0);
        self.idp().at_browser(Some(subject));
        let mut login = user.begin(&self.login(&["--no-browser"]));
        let address = login.address("");
        self.browse(&address).await;
        user.end(login);
        assert_eq!(user.subject, subject);
        user
    }

    fn login(&self, how: &[&str]) -> Vec<String> {
        let (idp, people) = (self.idp(), self.people());
        let issuer = idp.issuer();
        let authority = idp.ca_file().display().to_string();
        let place = [
            ["--issuer", &issuer],
            ["--client-id", people.client_id()],
            ["--zitadel-project", idp.project()],
            ["--ca-file", &authority],
        ];
        let words = how.iter().chain(place.iter().flatten());
        words.map(|word| (*word).to_owned()).collect()
    }

    /// What a browser does: it follows the provider's redirect to the page on loopback.
    pub(crate) async fn browse(&self, address: &str) {
        let http = Http::new(Some(self.idp().ca_file())).expect("a client");
        let request = Request::get(address).body(Vec::new()).expect("an address");
        let answer = http.send(request).await.expect("an answer");
        let back = answer.headers().get(header::LOCATION).expect("a redirect");
        let page = loopback_page(back.to_str().expect("text"));
        assert!(page.contains("You are logged in"), "{page}");
    }
}
