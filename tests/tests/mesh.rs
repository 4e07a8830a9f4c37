//! The routing mesh of a real engine has a plan of its own: it is renewed once nobody publishes through it.

use std::path::Path;
use std::process::Output;

use pvcheck_lab::{Lab, Suite, World};
use pvcheck_tests::stacks::STOPS_AT_ONCE;
use pvcheck_tests::{Outcome, docker, docker_json, lab, pvcheck};
use serde_json::Value;

fn resize(lab: &Lab, state: &Path, words: &[&str]) -> Result<(Output, Value), Box<dyn std::error::Error>> {
    let mut command = lab.command(pvcheck()?);
    let mesh = ["resize", "ingress", "--to", "10.77.0.0/16", "-o", "json", "--quiet", "--state"];
    let output = command.args(mesh).arg(state).args(words).output()?;
    let told = serde_json::from_slice(&output.stdout);
    let told = told.map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((output, told))
}

fn mesh(lab: &Lab) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(docker_json(lab, &["network", "inspect", "ingress"])?.remove(0)[0].take())
}

#[test]
fn it_is_renewed_once_nobody_publishes_through_it() -> Outcome {
    let test = "mesh::it_is_renewed_once_nobody_publishes_through_it";
    let Some(lab) = lab(test, Some(Suite::Bookworm), World::Empty) else { return Ok(()) };
    let create = ["service", "create", "-q", "--no-resolve-image", "--update-monitor", "100ms"];
    for (name, published) in [("web", "8080:80"), ("api", "8081:80")] {
        let rest =
            ["--name", name, "--publish", published, "pvcheck-lab/busybox:1", "sh", "-c", STOPS_AT_ONCE];
        docker(&lab, &[&create[..], &rest].concat())?;
    }
    let (state, before) = (tempfile::tempdir()?, mesh(&lab)?);

    // Each service that publishes through it is named, and nothing is touched.
    let (output, plan) = resize(&lab, state.path(), &["--apply"])?;
    assert_eq!(output.status.code(), Some(4), "{plan:#}");
    let blockers = plan["blockers"].as_array().ok_or("no blockers")?;
    let mut publishing: Vec<&str> = blockers
        .iter()
        .filter(|b| b["kind"] == "publishes")
        .filter_map(|b| b["service"].as_str().or(b["data"]["service"].as_str()))
        .collect();
    publishing.sort_unstable();
    assert_eq!((publishing, blockers.len()), (vec!["api", "web"], 2), "{blockers:#?}");
    assert_eq!(mesh(&lab)?, before);

    for (name, published) in [("web", "80"), ("api", "80")] {
        docker(&lab, &["service", "update", "-q", "--publish-rm", published, name])?;
    }
    // It cannot be bridged: a Swarm has one.
    let (output, plan) = resize(&lab, state.path(), &["--strategy", "bridge"])?;
    assert_eq!(output.status.code(), Some(4), "{plan:#}");
    let (output, done) = resize(&lab, state.path(), &["--apply"])?;
    assert_eq!((output.status.code(), &done["strategy"]), (Some(0), &"recreate".into()), "{done:#}");
    let now = mesh(&lab)?;
    assert_eq!(now["IPAM"]["Config"][0]["Subnet"], "10.77.0.0/16");
    for key in ["Driver", "Scope", "Ingress", "Internal", "Attachable", "EnableIPv6"] {
        assert_eq!(now[key], before[key], "{key}");
    }

    // Published again, a service has its VIP there.
    for (name, published) in [("web", "8080:80"), ("api", "8081:80")] {
        docker(&lab, &["service", "update", "-q", "--publish-add", published, name])?;
    }
    let id = now["Id"].as_str().ok_or("no id")?;
    for name in ["web", "api"] {
        let service = docker_json(&lab, &["service", "inspect", name])?.remove(0)[0].take();
        let vips = service["Endpoint"]["VirtualIPs"].as_array().ok_or("no VIP")?;
        let vip = vips.iter().find(|vip| vip["NetworkID"] == id).and_then(|vip| vip["Addr"].as_str());
        assert!(vip.is_some_and(|addr| addr.starts_with("10.77.")), "{name}: {vips:?}");
    }
    lab.down()?;
    Ok(())
}
