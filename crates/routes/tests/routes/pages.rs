//! Pages that routers and web servers send of themselves, as answers of a route.

use http::Response;
use http_body_util::Full;
use pvcheck_routes::{DefaultPage, Method, RouteFact, RouteSpec, Verdict, judge};

use crate::support::{Ca, http, now, spec};

const HAPROXY_503: &str = "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n";
const NGINX_404: &str = "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
const NGINX_WELCOME: &str =
    "<html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1></body></html>";
const TRAEFIK_404: &str = "404 page not found\n";

async fn answered(status: u16, body: &'static str, change: impl FnOnce(&mut RouteSpec)) -> RouteFact {
    let server = http(None, move |_| {
        let kind = if body.starts_with('<') { "text/html" } else { "text/plain; charset=utf-8" };
        Response::builder().status(status).header("content-type", kind).body(Full::from(body)).expect("sound")
    })
    .await;
    let mut spec = spec("http", "/", server);
    spec.expected = vec![status.into()];
    change(&mut spec);
    assert_eq!(spec.check(), Ok(()));
    Ca::new("CA").prober().probe(&spec, now()).await
}

#[tokio::test]
async fn a_page_that_no_service_sends_is_no_pass_unless_it_is_asked_for() {
    for (status, body, page) in [
        (404, TRAEFIK_404, DefaultPage::TraefikNotFound),
        (503, "no available server\n", DefaultPage::TraefikError),
        (200, NGINX_WELCOME, DefaultPage::NginxWelcome),
        (404, NGINX_404, DefaultPage::NginxError),
        (503, HAPROXY_503, DefaultPage::HaproxyError),
    ] {
        let fact = answered(status, body, |_| ()).await;
        let judged = judge(&fact);
        assert_eq!((judged.verdict, judged.reason.kind()), (Verdict::Unknown, "default_page"), "{fact:?}");
        assert!(judged.reason.to_string().contains(&page.to_string()), "{}", judged.reason);
        assert_eq!(fact.body.unwrap().default_page, Some(page));
        let allowed = answered(status, body, |spec| spec.allow_default = true).await;
        assert_eq!(judge(&allowed).verdict, Verdict::Pass, "{allowed:?}");
        assert!(judge(&allowed).reason.to_string().contains(&page.to_string()), "it is said all the same");
        let asked = answered(status, body, |spec| {
            spec.conditions =
                serde_json::from_str(r#"{"body":[{"regex":"(?i)page|server|nginx"}]}"#).unwrap();
        })
        .await;
        assert_eq!(judge(&asked).verdict, Verdict::Pass, "{asked:?}");
        let other = answered(status, body, |spec| spec.expected = vec![302.into()]).await;
        assert_eq!(judge(&other).verdict, Verdict::Fail, "{other:?}");
    }
}

/// A service's own answer of the same status.
#[tokio::test]
async fn what_resembles_such_a_page_passes() {
    for (status, body) in [
        (404, "{\"error\":\"404 page not found\"}"),
        (404, "404 page not found, ask the shop\n"),
        (200, "<h1>We moved from nginx</h1>"),
        (503, "down until nine"),
    ] {
        let fact = answered(status, body, |_| ()).await;
        assert_eq!(judge(&fact).verdict, Verdict::Pass, "{fact:?}");
    }
}

#[tokio::test]
async fn a_page_is_known_by_its_head_where_no_body_is_read() {
    for change in [(|spec| spec.request.method = Method::Head) as fn(&mut RouteSpec), |spec| {
        spec.headers_suffice = true;
    }] {
        let fact = answered(404, TRAEFIK_404, change).await;
        assert_eq!(judge(&fact).verdict, Verdict::Unknown, "{fact:?}");
        let own = answered(404, "404 page not found here\n", change).await;
        assert_eq!(judge(&own).verdict, Verdict::Pass, "{own:?}");
    }
}
