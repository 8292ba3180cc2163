//! Which trunk a call belongs to by certificate; other trunks and rules while calls go on.

use super::*;
use crate::trunk::border::reload::Wanted;

/// The token of a trunk of the tests: its number, again and again.
pub(super) fn token(number: u8) -> String {
    format!("{number:02x}").repeat(8)
}

/// As they are configured, the first with the number 1.
pub(super) fn configured(trunks: &[crate::config::Trunk]) -> Vec<Wanted> {
    let each = trunks.iter().zip(1_u8..).map(|(trunk, number)| Wanted {
        config: Arc::new(trunk.clone()),
        token: token(number),
        seed: Some([number; 32]),
    });
    each.collect()
}

#[test]
fn trunks_that_are_the_same_keep_their_calls_and_other_rules_hold_from_then_on() {
    let mut bed = Bed::new(RULE);
    bed.placed("tel:+49301");
    assert_eq!(bed.calls_out(), [1, 0]);

    // The second trunk goes, a third comes before the first, and nobody may call Berlin any more.
    let third = TRUNK
        .replace("\"tel\"", "\"three\"")
        .replace("192.0.2.1", "192.0.2.3");
    let barred = "[[dial_rule]]\nprefix = \"+4930\"\nallow = false\n";
    let rule = RULE.replace("\"two\"", "\"three\"");
    let text = format!("{third}{TRUNK}redirects = 1\n{rule}{barred}");
    let config = Config::parse(&text).unwrap();
    let mut all = configured(&config.trunk);
    all[0].token = token(3);
    all[1].token = token(1);
    all[1].seed = None;
    bed.inbox.leave(Note::Reload(all, config.dial_rule));
    bed.trunks.handle_timeout(bed.now, &mut bed.endpoint);
    let shown = bed.shown.list(bed.now);
    let names: Vec<_> = shown.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["three", "tel"]);
    assert_eq!(bed.calls_out(), [0, 1], "the call has moved with its trunk");
    let why = bed.refused("tel:+49301", &Dialler::Operator);
    assert!(why.contains("not allowed"), "{why}");
    bed.placed("tel:+49891");
    assert_eq!(bed.calls_out(), [0, 2], "the new one is not found yet");
}

#[test]
fn a_call_is_a_trunks_by_the_certificate_of_its_peer() {
    let by = |more: &str, name: &'static str| {
        let line = line(&format!("recognise = [\"certificate\"]\n{more}"));
        let names = [Text::from_static(name)];
        let from = (&flow("203.0.113.1:5061"), &names[..]);
        inbound::recognises(&line, &request("sip:1@x", ""), from)
    };
    assert!(by("", "192.0.2.1") && !by("", "192.0.2.2"));
    let other = "certificate_names = [\"sip.tel.example\"]\n";
    assert!(by(other, "SIP.tel.example") && !by(other, "192.0.2.1"));
}

/// A trunk that registers, with a server that is asked by OPTIONS.
fn registering(more: &str) -> Bed {
    let mut bed = Bed::new("");
    let text = TRUNK.replace("options_s = 0", "options_s = 30\nregister = true");
    let config = Config::parse(&format!("{text}{more}")).unwrap();
    let mut all = configured(&config.trunk);
    all[0].token = token(3);
    bed.inbox.leave(Note::Reload(all, Vec::new()));
    bed.run();
    bed.sent.clear();
    let targets = vec![bed.target("192.0.2.1:5060")];
    bed.inbox.leave(Note::Found {
        line: token(3),
        targets,
        local: None,
    });
    bed.run();
    bed
}

impl Bed {
    fn run(&mut self) {
        self.trunks.handle_timeout(self.now, &mut self.endpoint);
        self.drain();
    }

    /// The provider answers the last request of this method.
    fn say(&mut self, method: &str, status: u16) {
        let mut sent = self.sent.iter().rev();
        let begins = format!(" {method} ");
        let request = sent.find(|text| text.contains(&begins)).unwrap();
        let copied = |name: &str| {
            let line = request.lines().find(|line| line.starts_with(name));
            line.unwrap().to_owned()
        };
        let contact = request.lines().find(|line| line.starts_with("Contact: "));
        let text = format!(
            "SIP/2.0 {status} X\r\n{}\r\n{}\r\n{};tag=far\r\n{}\r\n{}\r\n{}\r\n\
             Expires: 600\r\nContent-Length: 0\r\n\r\n",
            copied("Via: "),
            copied("From: "),
            copied("To: "),
            copied("Call-ID: "),
            copied("CSeq: "),
            contact.unwrap_or("X: y"),
        );
        let bytes = Bytes::from(text);
        self.endpoint
            .handle_message(self.now, flow("192.0.2.1:5060"), bytes);
        self.drain();
        self.run();
    }

    fn take_away_all(&mut self) {
        self.inbox.leave(Note::Reload(Vec::new(), Vec::new()));
        self.run();
    }

    fn count(&self, method: &str) -> usize {
        let begins = format!(" {method} ");
        self.sent.iter().filter(|it| it.contains(&begins)).count()
    }
}

#[test]
fn rfc3261_10_2_2_a_trunk_taken_away_in_its_first_register_leaves_no_binding() {
    let mut bed = registering("");
    assert_eq!(bed.count("REGISTER"), 1);
    bed.take_away_all();
    assert!(bed.shown.is_leaving(), "the binding may come about");
    assert!(bed.shown.list(bed.now).is_empty(), "but nobody is shown it");
    bed.say("REGISTER", 200);
    assert_eq!(bed.count("REGISTER"), 2);
    let last = bed.sent.last().unwrap();
    assert!(
        last.contains("Expires: 0") || last.contains("expires=0"),
        "{last}"
    );
    assert!(bed.shown.is_leaving());
    bed.say("REGISTER", 200);
    assert!(!bed.shown.is_leaving());
    assert_eq!(bed.count("REGISTER"), 2);
}

#[test]
fn a_trunk_that_leaves_asks_nothing_more_and_does_not_come_back() {
    let mut bed = registering("");
    bed.say("OPTIONS", 200);
    bed.say("REGISTER", 200);
    bed.now += Duration::from_secs(30);
    bed.run();
    assert_eq!((bed.count("OPTIONS"), bed.count("REGISTER")), (2, 1));
    bed.take_away_all();
    assert_eq!(bed.count("REGISTER"), 2);
    // The server is gone, which makes a trunk that stays register again.
    bed.say("OPTIONS", 503);
    bed.say("REGISTER", 200);
    bed.now += Duration::from_secs(300);
    bed.run();
    assert_eq!((bed.count("OPTIONS"), bed.count("REGISTER")), (2, 2));
    assert!(!bed.shown.is_leaving());
}

#[test]
fn the_gauges_of_a_trunk_go_with_it() {
    let mut bed = registering("");
    bed.say("REGISTER", 200);
    let shown = |bed: &Bed| {
        let mut registry = prometheus_client::registry::Registry::default();
        bed.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    };
    assert!(shown(&bed).contains("trunk_registered{trunk=\"tel\"} 1"));
    bed.take_away_all();
    bed.say("REGISTER", 200);
    assert!(!shown(&bed).contains("{trunk=\"tel\"}"), "{}", shown(&bed));
}
