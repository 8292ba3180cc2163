//! Which addresses are telephone numbers that a trunk calls, and what is agreed on about media there: the focus asks
//! before it makes an offer, the border when it places the call.

use super::guard::longest;
use super::number::NumberPlan;
use crate::config::{DialRule, Trunk};
use plenum_mcu::control::MediaTerms;
use plenum_sip::msg::{Host, Scheme, Uri};
use std::net::IpAddr;

/// See the module documentation. As the trunks are at one moment.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// How numbers are written.
    pub(crate) plan: NumberPlan,
    /// The hosts this server answers for.
    pub(crate) hosts: Vec<Host>,
    /// The hosts of providers.
    pub(crate) providers: Vec<Host>,
    /// Where their servers are.
    pub(crate) servers: Vec<IpAddr>,
    /// The prefixes of the rules, and the terms of their trunks, which are the same for all of one rule.
    pub(crate) rules: Vec<(String, Option<MediaTerms>)>,
}

impl Exchange {
    /// The number a URI means, if it is to be called by a trunk: any `tel:`, and any `sip:` of a
    /// telephone or at a provider, which must not be reached around the rules.
    pub(crate) fn number_of(&self, uri: &Uri) -> Option<String> {
        let telephone = match uri.scheme {
            Scheme::Tel => true,
            Scheme::Sip | Scheme::Sips => {
                let phone = uri
                    .param("user")
                    .is_some_and(|user| user.eq_ignore_case("phone"));
                phone || self.is_ours(uri) || self.is_provider(uri)
            }
            Scheme::Other(_) => false,
        };
        if !telephone {
            return None;
        }
        let number = self.plan.of_uri(uri);
        // What is no number at a provider is nobody's to call, so it must not pass either.
        number.or_else(|| (!uri.is_sip() || self.is_provider(uri)).then(|| uri.user_decoded()))
    }

    /// What is agreed on about the media of a call to this address; `None` if no trunk calls it.
    pub(crate) fn terms(&self, uri: &Uri) -> Option<MediaTerms> {
        let number = self.number_of(uri)?;
        let prefixes = self.rules.iter().map(|(prefix, _)| prefix.as_str());
        let (_, terms) = self.rules.get(longest(prefixes, &number)?)?;
        terms.clone()
    }

    fn is_ours(&self, uri: &Uri) -> bool {
        let number = uri.user_decoded().starts_with('+');
        number && self.hosts.iter().any(|host| same(host, &uri.host))
    }

    fn is_provider(&self, uri: &Uri) -> bool {
        let ip = uri.host.ip();
        self.providers.iter().any(|host| same(host, &uri.host))
            || ip.is_some_and(|ip| self.servers.contains(&ip))
    }
}

/// The hosts a trunk is known by.
pub(crate) fn hosts_of(trunk: &Trunk) -> impl Iterator<Item = Host> {
    let proxy = trunk.outbound_proxy.as_ref();
    let all = [Some(&trunk.server), Some(&trunk.aor), proxy];
    let hosts: Vec<Host> = all
        .into_iter()
        .flatten()
        .map(|uri| uri.host.clone())
        .collect();
    hosts.into_iter()
}

/// The rules, with the terms of their trunks.
pub(crate) fn rules_of<'a>(
    rules: &'a [DialRule],
    trunks: impl Iterator<Item = &'a Trunk> + Clone,
) -> Vec<(String, Option<MediaTerms>)> {
    let terms = |rule: &DialRule| {
        let mut trunks = trunks.clone();
        let first = trunks.find(|trunk| rule.trunks.contains(&trunk.name));
        first.map(Trunk::terms)
    };
    let each = rules.iter().map(|rule| (rule.prefix.clone(), terms(rule)));
    each.collect()
}

/// Hosts are compared without regard to case (RFC 3261 §19.1.4).
pub(crate) fn same(one: &Host, other: &Host) -> bool {
    one.to_string().eq_ignore_ascii_case(&other.to_string())
}
