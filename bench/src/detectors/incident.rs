//! Incidents: what somebody does who should not have the credential.

use keywright_core::anomalies::AnomalyKind;

use super::chance::Chance;
use super::client::{Client, DAYS, Kind, LEARNING_DAYS, Origin, Stream, agent, country, network};

/// Something that has to be told.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    pub(super) kind: AnomalyKind,
    /// The hours that it lasts.
    pub(super) hours: (i64, i64),
    rate: f64,
    /// Part of the hours in which something is done.
    share: f64,
    denied: bool,
    origin: Origin,
    /// The hour at which the credential ends before it.
    pub(super) after_end_at: Option<i64>,
}

/// Incidents of credentials, with how many are of each kind.
const KINDS: [(AnomalyKind, f64); 8] = [
    (AnomalyKind::Volume, 1.0),
    (AnomalyKind::DenialBurst, 1.0),
    (AnomalyKind::NewCountry, 1.0),
    (AnomalyKind::NewNetwork, 1.0),
    (AnomalyKind::ImpossibleTravel, 1.0),
    (AnomalyKind::UnusualHour, 1.0),
    (AnomalyKind::DormantAwake, 1.0),
    (AnomalyKind::TokenExpiredInUse, 1.0),
];

impl Incident {
    /// One for a client, if there is a kind that befalls it.
    pub(super) fn plan(client: &mut Client, chance: &mut Chance) -> Option<Self> {
        let drawn = KINDS[chance.weighted(&KINDS.map(|(_, weight)| weight))].0;
        let kind = if client.kind == Kind::Dormant { AnomalyKind::DormantAwake } else { drawn };
        let day = chance.whole(LEARNING_DAYS, DAYS - 5);
        let begin = day * 24 + chance.whole(0, 24);
        // An incident of a credential that has ended is one of use after its end.
        if (client.kind != Kind::Dormant && kind == AnomalyKind::DormantAwake) || client.ends_at.is_some() {
            return None;
        }
        let mut incident = Self {
            kind,
            hours: (begin, begin + chance.whole(1, 7)),
            rate: chance.scale(5.0, 300.0),
            share: 1.0,
            denied: false,
            origin: client.home(begin),
            after_end_at: None,
        };
        match kind {
            AnomalyKind::NewCountry | AnomalyKind::ImpossibleTravel | AnomalyKind::NewNetwork => {
                incident.happens_elsewhere(client, chance)?;
            }
            _ => incident.happens(client, chance, day)?,
        }
        Some(incident)
    }

    /// Somewhere else than its client, with the same program by this probability.
    fn move_elsewhere(&mut self, chance: &mut Chance, same_agent: f64) {
        self.origin.network = network(chance);
        if !chance.happens(same_agent) {
            self.origin.agent = agent(chance);
        }
    }

    fn happens_elsewhere(&mut self, client: &mut Client, chance: &mut Chance) -> Option<()> {
        self.move_elsewhere(chance, if self.kind == AnomalyKind::NewNetwork { 0.25 } else { 0.2 });
        if self.kind != AnomalyKind::NewNetwork {
            self.origin.country = loop {
                let other = country(chance);
                if !client.lives_in(&other) {
                    break other;
                }
            };
        }
        if self.kind == AnomalyKind::ImpossibleTravel {
            let begin = client.busy_hour(self.hours.0, chance)?;
            self.hours = (begin, begin + chance.whole(1, 4));
        } else {
            self.hours.1 = self.hours.0 + chance.whole(2, 24);
            self.share = chance.between(0.4, 1.0);
        }
        Some(())
    }

    fn happens(&mut self, client: &mut Client, chance: &mut Chance, day: i64) -> Option<()> {
        let begin = self.hours.0;
        match self.kind {
            AnomalyKind::Volume => self.rate = chance.between(5.0, 30.0) * client.peak(begin).max(80.0),
            AnomalyKind::DenialBurst => {
                self.denied = true;
                self.rate = chance.scale(60.0, 3_000.0).max(client.peak(begin) * chance.between(0.1, 1.0));
                if chance.happens(0.5) {
                    self.move_elsewhere(chance, 0.3);
                }
            }
            AnomalyKind::UnusualHour => {
                let begin = client.quiet_hour(day)?;
                self.hours = (begin, begin + chance.whole(1, 3));
                self.rate = chance.scale(5.0, 60.0);
            }
            AnomalyKind::DormantAwake => {
                let begin = chance.whole(62, DAYS - 2) * 24 + chance.whole(0, 24);
                self.hours = (begin, begin + chance.whole(1, 6));
            }
            _ => {
                self.after_end_at = Some(begin - chance.whole(1, 24 * 10));
                self.move_elsewhere(chance, 0.5);
                if chance.happens(0.6) {
                    self.origin.country = country(chance);
                }
            }
        }
        Some(())
    }

    /// What it adds to an hour.
    pub(super) fn stream(&self, hour: i64, chance: &mut Chance) -> Option<Stream> {
        let first = hour == self.hours.0;
        if !(self.hours.0..self.hours.1).contains(&hour) || !(first || chance.happens(self.share)) {
            return None;
        }
        let count = chance.noisy_count(self.rate, 0.3).max(1);
        let (accepted, denied) = if self.denied { (0, count) } else { (count, 0) };
        let begin = chance.between(0.0, 50.0);
        let minutes = (begin, chance.between(begin + 1.0, 60.0));
        Some(Stream { origin: self.origin.clone(), accepted, denied, minutes })
    }

    /// Whether an alert of the second kind says what an incident of the first one is.
    pub(super) fn is_told_by(own: AnomalyKind, kind: AnomalyKind) -> bool {
        use AnomalyKind::{ImpossibleTravel, NewCountry, NewNetwork};
        match own {
            NewCountry | ImpossibleTravel => matches!(kind, NewCountry | ImpossibleTravel | NewNetwork),
            own => own == kind,
        }
    }
}
