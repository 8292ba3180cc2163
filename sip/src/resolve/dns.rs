//! Answers from `/etc/hosts` and DNS. The only importer of `hickory_resolver`.

use super::lookup::{Answer, Question};
use super::srv::{Naptr, Srv};
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{IntoName, Name, RData, RecordType};
use hickory_resolver::{Hosts, Resolver, ResolverBuilder, TokioResolver};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The host's table and its name servers.
pub(super) struct Dns {
    hosts: Hosts,
    /// None if the host has no usable resolver configuration; then only the table answers.
    servers: Option<TokioResolver>,
}

impl Dns {
    /// As the host is configured.
    pub(super) fn system(timeout: Duration) -> Self {
        let servers = Resolver::builder_tokio()
            .map_err(|error| error.to_string())
            .and_then(|builder| build(builder, timeout));
        Self::new(servers)
    }

    /// With these name servers.
    pub(super) fn with_servers(servers: &[SocketAddr], timeout: Duration) -> Self {
        let servers = servers.iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let connections = connections.map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.into())
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let provider = TokioRuntimeProvider::default();
        Self::new(build(
            Resolver::builder_with_config(config, provider),
            timeout,
        ))
    }

    fn new(servers: Result<TokioResolver, String>) -> Self {
        if let Err(error) = &servers {
            tracing::warn!(%error, "no DNS: only numeric hosts and /etc/hosts are resolved");
        }
        let hosts = Hosts::from_system().unwrap_or_else(|error| {
            tracing::warn!(%error, "/etc/hosts cannot be read");
            Hosts::default()
        });
        Self {
            hosts,
            servers: servers.ok(),
        }
    }

    /// Asks. Whatever goes wrong is an empty answer: the procedure of RFC 3263 goes on without it.
    pub(super) async fn ask(&self, question: &Question) -> Answer {
        match question {
            Question::Naptr(domain) => Answer::Naptr(self.naptr(domain).await),
            Question::Srv(service) => Answer::Srv(self.srv(service).await),
            Question::Addresses(host) => Answer::Addresses(self.addresses(host).await),
        }
    }

    async fn naptr(&self, domain: &str) -> Vec<Naptr> {
        // Who writes a name into the table of the host means that host, and no service.
        if !self.fixed(domain).is_empty() {
            return Vec::new();
        }
        self.records(domain, RecordType::NAPTR, |data| {
            let RData::NAPTR(naptr) = data else {
                return None;
            };
            Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
                service: String::from_utf8_lossy(&naptr.services).into_owned(),
                replacement: plain(&naptr.replacement),
            })
        })
        .await
    }

    async fn srv(&self, service: &str) -> Vec<Srv> {
        let domain = service.splitn(3, '.').nth(2).unwrap_or_default();
        if !self.fixed(domain).is_empty() {
            return Vec::new();
        }
        self.records(service, RecordType::SRV, |data| {
            let RData::SRV(srv) = data else { return None };
            Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: plain(&srv.target),
            })
        })
        .await
    }

    async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let fixed = self.fixed(host);
        if !fixed.is_empty() {
            return fixed;
        }
        let Some(servers) = &self.servers else {
            return Vec::new();
        };
        // A name of one label goes through the search list of the host; others are complete.
        let complete = if host.contains('.') {
            format!("{host}.")
        } else {
            host.to_owned()
        };
        match servers.lookup_ip(complete).await {
            Ok(found) => found.iter().collect(),
            Err(error) => {
                tracing::debug!(host, %error, "no address");
                Vec::new()
            }
        }
    }

    async fn records<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Vec<T> {
        let Some(servers) = &self.servers else {
            return Vec::new();
        };
        match servers.lookup(format!("{name}."), kind).await {
            Ok(found) => found
                .answers()
                .iter()
                .filter_map(|record| read(&record.data))
                .collect(),
            Err(error) => {
                tracing::debug!(name, %kind, %error, "no records");
                Vec::new()
            }
        }
    }

    /// What needs no server: `localhost` (RFC 6761 §6.3) and the table of the host.
    fn fixed(&self, host: &str) -> Vec<IpAddr> {
        if host == "localhost" || host.ends_with(".localhost") {
            return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        let Ok(name) = host.into_name() else {
            return Vec::new();
        };
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|kind| {
                self.hosts
                    .lookup_static_host(&Query::query(name.clone(), kind))
            })
            .flat_map(|found| {
                found
                    .answers()
                    .iter()
                    .filter_map(|record| record.data.ip_addr())
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

fn build(
    mut builder: ResolverBuilder<TokioRuntimeProvider>,
    timeout: Duration,
) -> Result<TokioResolver, String> {
    let options = builder.options_mut();
    options.timeout = timeout;
    options.attempts = 1;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // The table was asked before.
    options.use_hosts_file = ResolveHosts::Never;
    builder.build().map_err(|error| error.to_string())
}

/// A name without its last dot; the root is empty.
fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}
