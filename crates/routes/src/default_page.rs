//! Answers that routers and web servers give of themselves, without any service of the operator's.
//!
//! They show that something listens, and nothing about the route: an expected 404 with the body that Traefik sends for a
//! name that no router takes may well mean that the service is gone.

use std::fmt;

use http::{HeaderMap, header};
use serde::{Deserialize, Deserializer, Serialize};

/// Whose own page an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DefaultPage {
    /// HAProxy's answer where no backend takes the request, or none is up.
    HaproxyError,
    /// nginx's page for an error of its own.
    NginxError,
    /// nginx's page where nothing is configured.
    NginxWelcome,
    /// Traefik's answer where a service has no server, or none that answers.
    TraefikError,
    /// Traefik's answer where no router takes the request. A service written in Go may send the same.
    TraefikNotFound,
}

impl fmt::Display for DefaultPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HaproxyError => "HAProxy's own page, which it sends without a backend that answers",
            Self::NginxError => "nginx's own error page",
            Self::NginxWelcome => "nginx's welcome page, which it serves where nothing is configured",
            Self::TraefikError => "Traefik's own page, which it sends without a server that answers",
            Self::TraefikNotFound => "the page that Traefik sends where no router takes the request",
        })
    }
}

/// How a page is known.
struct Signature {
    page: DefaultPage,
    statuses: &'static [u16],
    body: Body,
}

/// What of a body makes it that page.
enum Body {
    /// The whole body is this text.
    Is(&'static str),
    /// It has all of these, in whatever order.
    Has(&'static [&'static str]),
}

/// What each of them sends. nginx and HAProxy put their texts into constants; Traefik uses those of Go's net/http.
const SIGNATURES: [Signature; 11] = [
    // Go, net/http/server.go, `NotFound`; Traefik, pkg/server/router, `BuildDefaultHTTPRouter`.
    Signature {
        page: DefaultPage::TraefikNotFound,
        statuses: &[404],
        body: Body::Is("404 page not found\n"),
    },
    // Traefik, pkg/server/service/loadbalancer/wrr, `errNoAvailableServer` by Go's `http.Error`.
    Signature { page: DefaultPage::TraefikError, statuses: &[503], body: Body::Is("no available server\n") },
    // Traefik, pkg/proxy/httputil, `ErrorHandler`: the text of the status and nothing else.
    Signature { page: DefaultPage::TraefikError, statuses: &[502], body: Body::Is("Bad Gateway") },
    Signature { page: DefaultPage::TraefikError, statuses: &[503], body: Body::Is("Service Unavailable") },
    Signature { page: DefaultPage::TraefikError, statuses: &[504], body: Body::Is("Gateway Timeout") },
    // nginx, html/index.html; distributions change what stands below the heading.
    Signature {
        page: DefaultPage::NginxWelcome,
        statuses: &[200],
        body: Body::Has(&["<title>Welcome to nginx!</title>", "<h1>Welcome to nginx!</h1>"]),
    },
    // nginx, src/http/ngx_http_special_response.c: a heading, and a tail with or without the version.
    Signature {
        page: DefaultPage::NginxError,
        statuses: &[403, 404, 500, 502, 503, 504],
        body: Body::Has(&["<center><h1>", "</h1></center>", "<hr><center>nginx"]),
    },
    // HAProxy, src/http.c, `http_err_msgs`.
    Signature {
        page: DefaultPage::HaproxyError,
        statuses: &[404],
        body: Body::Is(
            "<html><body><h1>404 Not Found</h1>\nThe resource could not be found.\n</body></html>\n",
        ),
    },
    Signature {
        page: DefaultPage::HaproxyError,
        statuses: &[502],
        body: Body::Is(
            "<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n</body></html>\n",
        ),
    },
    Signature {
        page: DefaultPage::HaproxyError,
        statuses: &[503],
        body: Body::Is(
            "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n",
        ),
    },
    Signature {
        page: DefaultPage::HaproxyError,
        statuses: &[504],
        body: Body::Is(
            "<html><body><h1>504 Gateway Time-out</h1>\nThe server didn't respond in time.\n</body></html>\n",
        ),
    },
];

/// How much of a body is looked at: nginx's welcome page has its heading within the first 400 bytes.
pub(crate) const LOOKED_AT: usize = 1024;

/// Whose own page this is, by the beginning of its body.
pub(crate) fn of(status: u16, body: &[u8]) -> Option<DefaultPage> {
    let text = str::from_utf8(body).unwrap_or_else(|error| {
        // A character may be cut at the end of what is looked at.
        str::from_utf8(&body[..error.valid_up_to()]).unwrap_or_default()
    });
    find(status, |signature| match signature {
        Body::Is(whole) => text == *whole,
        Body::Has(parts) => parts.iter().all(|part| text.contains(part)),
    })
}

/// Whose own page an answer announces whose body was not read: by its length and type.
pub(crate) fn announced(status: u16, headers: &HeaderMap) -> Option<DefaultPage> {
    let value = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let length: usize = value(header::CONTENT_LENGTH)?.parse().ok()?;
    let kind = value(header::CONTENT_TYPE).unwrap_or_default();
    find(status, |signature| match signature {
        Body::Is(whole) => {
            let is_html = whole.starts_with('<');
            whole.len() == length && kind.starts_with(if is_html { "text/html" } else { "text/plain" })
        }
        Body::Has(_) => false,
    })
}

fn find(status: u16, fits: impl Fn(&Body) -> bool) -> Option<DefaultPage> {
    let found = SIGNATURES.iter().find(|known| known.statuses.contains(&status) && fits(&known.body));
    found.map(|known| known.page)
}

/// Reads a page; facts of earlier versions say in its place whether the body is the one of Go.
pub(crate) fn page_or_flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DefaultPage>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Flag(bool),
        Page(Option<DefaultPage>),
    }
    Ok(match Form::deserialize(from)? {
        Form::Flag(is_go) => is_go.then_some(DefaultPage::TraefikNotFound),
        Form::Page(page) => page,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NGINX_404: &str = "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx/1.27.3</center>\r\n</body>\r\n</html>\r\n";

    fn nginx(status: &str) -> String {
        NGINX_404.replace("404 Not Found", status)
    }

    #[test]
    fn each_page_is_known_and_what_resembles_it_is_not() {
        let welcome = "<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n</head>\n<body>\n<h1>Welcome to nginx!</h1>\n";
        let (traefik, haproxy) = (DefaultPage::TraefikNotFound, DefaultPage::HaproxyError);
        for (status, body, page) in [
            (404, "404 page not found\n".to_owned(), Some(traefik)),
            (404, "404 page not found".to_owned(), None),
            (404, "404 page not found\n\n".to_owned(), None),
            (200, "404 page not found\n".to_owned(), None),
            (503, "no available server\n".to_owned(), Some(DefaultPage::TraefikError)),
            (503, "no available server for your plan\n".to_owned(), None),
            (502, "Bad Gateway".to_owned(), Some(DefaultPage::TraefikError)),
            (504, "Gateway Timeout".to_owned(), Some(DefaultPage::TraefikError)),
            (503, "Service Unavailable".to_owned(), Some(DefaultPage::TraefikError)),
            (503, "Service Unavailable, back at 9".to_owned(), None),
            (200, welcome.to_owned(), Some(DefaultPage::NginxWelcome)),
            (200, welcome.replace("to nginx", "to our shop"), None),
            (200, "<h1>How to replace Welcome to nginx!</h1>".to_owned(), None),
            (404, NGINX_404.to_owned(), Some(DefaultPage::NginxError)),
            (502, nginx("502 Bad Gateway"), Some(DefaultPage::NginxError)),
            (503, nginx("503 Service Temporarily Unavailable"), Some(DefaultPage::NginxError)),
            (404, nginx("404 Not Found").replace("/1.27.3", ""), Some(DefaultPage::NginxError)),
            (404, NGINX_404.replace("nginx/1.27.3", "our shop"), None),
            (200, NGINX_404.to_owned(), None),
            (
                503,
                "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"
                    .to_owned(),
                Some(haproxy),
            ),
            (
                404,
                "<html><body><h1>404 Not Found</h1>\nThe resource could not be found.\n</body></html>\n".to_owned(),
                Some(haproxy),
            ),
            (404, "<h1>404</h1><p>The resource could not be found.</p>".to_owned(), None),
        ] {
            assert_eq!(of(status, body.as_bytes()), page, "{status} {body}");
        }
    }

    #[test]
    fn a_head_announces_a_page_by_length_and_type() {
        let head = |length: &str, kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_LENGTH, length.parse().unwrap());
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            announced(404, &headers)
        };
        assert_eq!(head("19", "text/plain; charset=utf-8"), Some(DefaultPage::TraefikNotFound));
        assert_eq!(head("83", "text/html"), Some(DefaultPage::HaproxyError));
        assert_eq!(head("19", "application/json"), None);
        assert_eq!(head("20", "text/plain"), None);
        assert_eq!(announced(404, &HeaderMap::new()), None);
    }

    #[test]
    fn a_character_that_is_cut_hides_no_page() {
        let mut body = nginx("404 Not Found").into_bytes();
        body.extend([0xc3]);
        assert_eq!(of(404, &body), Some(DefaultPage::NginxError));
        assert_eq!(of(404, &[0xff]), None);
    }
}
