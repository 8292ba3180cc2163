//! Other trunks and rules, while calls go on (SIGHUP).
//!
//! A trunk whose configuration is the same stays as it is, with its registration. Any other ends:
//! its registration is removed, its calls go on until somebody hangs up. Rules that are the same
//! keep their counts; a call keeps the longest time it was begun with.

use super::{Call, Trunks};
use crate::config::{DialRule, Trunk};
use crate::trunk::line::Line;
use plenum_sip::endpoint::Endpoint;
use std::sync::Arc;
use std::time::Instant;

/// A trunk as it is to be.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) config: Arc<Trunk>,
    pub(crate) token: String,
    /// For its waiting times, where it is new; `None`: the one with this token goes on.
    pub(crate) seed: Option<[u8; 32]>,
}

impl Trunks {
    /// Takes these trunks and rules instead of those it has.
    pub(super) fn reload(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        wanted: Vec<Wanted>,
        rules: Vec<DialRule>,
    ) {
        let mut before: Vec<Option<Line>> = self.lines.drain(..).map(Some).collect();
        let mut moved = vec![NOWHERE; before.len()];
        for one in wanted {
            let kept = before
                .iter()
                .position(|line| line.as_ref().is_some_and(|line| line.token == one.token));
            let line = kept.and_then(|at| {
                if let Some(place) = moved.get_mut(at) {
                    *place = self.lines.len();
                }
                before.get_mut(at)?.take()
            });
            let seed = one.seed.unwrap_or_default();
            let new = || Line::new(one.config, one.token, seed, self.metrics.clone());
            self.lines.push(line.unwrap_or_else(new));
        }
        for mut line in before.into_iter().flatten() {
            line.stop(now, endpoint);
            let name = &line.config.name;
            if !self.lines.iter().any(|one| one.config.name == *name) {
                line.unmeasure();
            }
            self.leaving.push(line);
        }
        let rules = self.guard.replace(rules);
        let to = |at: usize| moved.get(at).copied().unwrap_or(NOWHERE);
        for call in self.calls.values_mut() {
            match call {
                Call::In(line) => *line = to(*line),
                Call::Out(call) => {
                    call.line = to(call.line);
                    call.rest = call.rest.iter().map(|at| to(*at)).collect();
                    call.rule = rules.get(call.rule).copied().unwrap_or(NOWHERE);
                }
            }
        }
        self.connect();
    }

    /// Those that have left are forgotten.
    pub(super) fn let_go(&mut self) {
        self.leaving.retain(Line::is_leaving);
    }
}

/// No trunk and no rule has this number.
pub(in crate::trunk) const NOWHERE: usize = usize::MAX;
