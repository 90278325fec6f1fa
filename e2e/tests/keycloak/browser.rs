//! Somebody at a browser: follows redirects, keeps cookies, fills forms.

use std::collections::BTreeMap;

use fleet_testbed::Keycloak;
use http::{Request, Response, header};

use crate::user::loopback_page;

/// More redirects than this are a circle.
const MOST_REDIRECTS: usize = 10;

/// A page, and where it came from.
pub(crate) struct Page {
    path: String,
    pub(crate) text: String,
}

pub(crate) struct Browser<'a> {
    keycloak: &'a Keycloak,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(keycloak: &'a Keycloak) -> Self {
        Self {
            keycloak,
            cookies: BTreeMap::new(),
        }
    }

    /// Opens an address, and whatever it leads to.
    pub(crate) async fn open(&mut self, address: &str) -> Page {
        self.follow(Request::get(address), address, String::new())
            .await
    }

    /// Fills the form of a page with these, keeps what is hidden in it, and sends it.
    pub(crate) async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let form = page.text.split("<form").nth(1).expect("a form");
        let form = form.split("</form>").next().expect("its end");
        let action = attribute(form, "action").expect("where to send it");
        let hidden = form.split("<input").skip(1).filter(|input| {
            let kind = attribute(input, "type");
            kind.as_deref() == Some("hidden")
        });
        let hidden = hidden
            .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)));
        let given = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let fields: Vec<String> = hidden
            .chain(given)
            .map(|(name, value)| format!("{}={}", encoded(&name), encoded(&value)))
            .collect();
        // A form may be sent to where the page is.
        let action = if action.is_empty() {
            page.path.clone()
        } else {
            action
        };
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(&action).header(header::CONTENT_TYPE, kind);
        self.follow(request, &action, fields.join("&")).await
    }

    async fn follow(
        &mut self,
        request: http::request::Builder,
        address: &str,
        body: String,
    ) -> Page {
        let request = request.header(header::COOKIE, self.cookie());
        let request = request.body(body).expect("a request");
        let mut answer = self.keycloak.ask(request).await.expect("an answer");
        let mut path = address.to_owned();
        for _ in 0..MOST_REDIRECTS {
            self.keep_cookies(&answer);
            let Some(next) = answer.headers().get(header::LOCATION) else {
                let text = String::from_utf8(answer.into_body()).expect("text");
                return Page { path, text };
            };
            path = next.to_str().expect("an address").to_owned();
            if path.starts_with("http://127.0.0.1:") {
                let text = loopback_page(&path);
                return Page { path, text };
            }
            let request = Request::get(&path).header(header::COOKIE, self.cookie());
            let request = request.body(String::new()).expect("a request");
            answer = self.keycloak.ask(request).await.expect("an answer");
        }
        panic!("{address} leads in a circle");
    }

    fn cookie(&self) -> String {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        cookies.collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&mut self, answer: &Response<Vec<u8>>) {
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// An attribute of the first element of this text.
fn attribute(element: &str, name: &str) -> Option<String> {
    let element = element.split('>').next()?;
    let value = element.split(&format!(" {name}=\"")).nth(1)?;
    let value = value.split('"').next()?;
    Some(value.replace("&amp;", "&"))
}

pub(crate) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
