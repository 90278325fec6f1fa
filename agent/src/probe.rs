//! Health checks: one run of one check.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use fleet_agent_core::{ContainerId, DesiredService};
use fleet_contracts::score::{HealthCheck, HttpProbe, NetworkMode, Protocol};
use http_body_util::Empty;
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::podman::Podman;

/// Runs the check; the error is for people.
pub(crate) async fn probe(
    podman: &Podman,
    service: &DesiredService,
    id: &ContainerId,
) -> Result<(), String> {
    let Some(check) = &service.spec.healthcheck else {
        return Ok(());
    };
    let limit = Duration::from_secs(check.timeout().into());
    let late = |_| format!("no answer within {} s", check.timeout());
    timeout(limit, run(podman, service, id, check, limit))
        .await
        .map_err(late)?
}

async fn run(
    podman: &Podman,
    service: &DesiredService,
    id: &ContainerId,
    check: &HealthCheck,
    limit: Duration,
) -> Result<(), String> {
    if let Some(http) = &check.http {
        let address = address(podman, service, id, http.port).await?;
        return get(address, http).await;
    }
    match podman.exec(id, &check.command, limit).await {
        Ok((0, _)) => Ok(()),
        Ok((code, said)) => Err(format!("the command exited with {code}: {said}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Where the container's port can be reached from the device.
async fn address(
    podman: &Podman,
    service: &DesiredService,
    id: &ContainerId,
    port: u16,
) -> Result<SocketAddr, String> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let here = service.default_host_ip.unwrap_or(loopback);
    if service.spec.network_mode == NetworkMode::Host {
        return Ok(SocketAddr::new(here, port));
    }
    let published = service
        .spec
        .ports
        .iter()
        .find(|p| p.container_port == port && p.protocol == Protocol::Tcp);
    if let Some(published) = published {
        let ip = published
            .host_ip
            .filter(|ip| !ip.is_unspecified())
            .unwrap_or(here);
        return Ok(SocketAddr::new(ip, published.host_port));
    }
    let inside = podman.address(id).await.map_err(|e| e.to_string())?;
    let ip =
        inside.ok_or("the container has no address here; publish the port of the healthcheck")?;
    Ok(SocketAddr::new(ip, port))
}

async fn get(address: SocketAddr, probe: &HttpProbe) -> Result<(), String> {
    let failed = |e: &dyn std::fmt::Display| format!("GET http://{address}{}: {e}", probe.path);
    let stream = TcpStream::connect(address).await.map_err(|e| failed(&e))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| failed(&e))?;
    tokio::spawn(connection);
    let request = Request::get(&probe.path)
        .header("host", address.to_string())
        .header("user-agent", "fleet-agent")
        .body(Empty::<Bytes>::new())
        .map_err(|e| failed(&e))?;
    let status = sender
        .send_request(request)
        .await
        .map_err(|e| failed(&e))?
        .status();
    if (200..400).contains(&status.as_u16()) {
        Ok(())
    } else {
        Err(failed(&format!("status {status}")))
    }
}
