//! Clients: what bears a credential in ordinary times, with all that is ordinary and looks odd.

use super::chance::Chance;

/// Simulated days.
pub(super) const DAYS: i64 = 84;
/// Days before anything is scored.
pub(super) const LEARNING_DAYS: i64 = 35;
/// The day on which clocks are set, for half of the clients.
const CLOCKS_SET: i64 = 49;
/// Countries of clients and attackers, with how many clients come from each.
pub(super) const COUNTRIES: [(&str, f64); 16] = [
    ("US", 30.0),
    ("DE", 12.0),
    ("GB", 10.0),
    ("FR", 8.0),
    ("NL", 6.0),
    ("JP", 5.0),
    ("CA", 5.0),
    ("BR", 5.0),
    ("AU", 4.0),
    ("SG", 4.0),
    ("IN", 4.0),
    ("SE", 2.0),
    ("ZA", 2.0),
    ("RU", 1.0),
    ("VN", 1.0),
    ("NG", 1.0),
];

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A service that is never idle.
    Steady,
    /// A partner's system, in office hours.
    Office,
    /// A job at one hour of the day.
    Nightly,
    /// A job every hour.
    Hourly,
    /// Batches at any hour.
    Batch,
    /// A person with a script.
    Person,
    /// A job once a month.
    Monthly,
    /// Used for some weeks, then no more.
    Dormant,
    /// A service in several countries.
    Regions,
}

impl Kind {
    pub(super) const ALL: [(Self, f64); 9] = [
        (Self::Steady, 18.0),
        (Self::Office, 18.0),
        (Self::Nightly, 12.0),
        (Self::Hourly, 8.0),
        (Self::Batch, 10.0),
        (Self::Person, 20.0),
        (Self::Monthly, 4.0),
        (Self::Dormant, 6.0),
        (Self::Regions, 4.0),
    ];

    pub(super) fn is_person(self) -> bool {
        self == Self::Person
    }
}

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) country: String,
    pub(super) network: String,
    pub(super) agent: String,
}

/// Requests of one origin within an hour.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) origin: Origin,
    pub(super) accepted: u64,
    pub(super) denied: u64,
    /// Minutes of the hour between which they lie.
    pub(super) minutes: (f64, f64),
}

/// Some hours in which a client does otherwise.
#[derive(Clone, Debug)]
struct Spell {
    hours: (i64, i64),
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// So much more or less.
    Level(f64),
    /// In another country, on the way there or back during the first and the last hours.
    Trip(String, Vec<String>),
    /// Through a VPN's exit.
    Vpn(Origin),
    /// Use although it is none of its hours.
    Extra(f64),
    /// A share of denials.
    Denials(f64),
}

/// From an hour on some of its origin is another.
#[derive(Default)]
struct Move {
    since: i64,
    agent: Option<String>,
    network: Option<String>,
    country: Option<String>,
}

/// A client.
pub(super) struct Client {
    pub(super) kind: Kind,
    chance: Chance,
    /// Hours that its clocks are ahead of UTC.
    zone: i64,
    sets_clocks: bool,
    base: f64,
    noise: f64,
    growth_per_week: f64,
    /// Hour of the day (local), for jobs.
    job_hour: i64,
    homes: Vec<(Origin, f64)>,
    moves: Vec<Move>,
    steps: Vec<(i64, f64)>,
    spells: Vec<Spell>,
    denials: f64,
    /// For batches: hours in which one runs, with its volume.
    batches: Vec<(i64, i64, f64)>,
    /// For people: days of the week on which they work.
    workdays: [bool; 7],
    /// When the credential ends, and clients go on for so many hours.
    pub(super) ends_at: Option<(i64, i64)>,
}

pub(super) fn network(chance: &mut Chance) -> String {
    let number = chance.whole(1_000, 60_000);
    format!("AS{number} Network {number}")
}

pub(super) fn country(chance: &mut Chance) -> String {
    COUNTRIES[chance.weighted(&COUNTRIES.map(|(_, weight)| weight))].0.to_owned()
}

pub(super) fn agent(chance: &mut Chance) -> String {
    let names = ["python-requests", "curl", "Go-http-client", "okhttp", "axios", "partner-sync", "reqwest"];
    format!("{}/{}.{}", chance.one_of(&names), chance.whole(1, 9), chance.whole(0, 40))
}

impl Client {
    pub(super) fn new(kind: Kind, mut chance: Chance) -> Self {
        let home = Origin {
            country: country(&mut chance),
            network: network(&mut chance),
            agent: agent(&mut chance),
        };
        let (base, noise) = match kind {
            Kind::Steady | Kind::Regions => (chance.scale(40.0, 5_000.0), chance.between(0.08, 0.25)),
            Kind::Office => (chance.scale(20.0, 800.0), chance.between(0.15, 0.4)),
            Kind::Nightly | Kind::Monthly => (chance.scale(40.0, 3_000.0), chance.between(0.05, 0.3)),
            Kind::Hourly => (chance.scale(4.0, 80.0), chance.between(0.02, 0.15)),
            Kind::Batch => (chance.scale(300.0, 10_000.0), chance.between(0.3, 0.9)),
            Kind::Person | Kind::Dormant => (chance.scale(4.0, 60.0), chance.between(0.5, 1.0)),
        };
        let mut client = Self {
            kind,
            zone: chance.whole(-8, 10),
            sets_clocks: chance.happens(0.5),
            base,
            noise,
            growth_per_week: chance.between(-0.02, 0.08),
            job_hour: chance.whole(0, 24),
            homes: vec![(home.clone(), 1.0)],
            moves: Vec::new(),
            steps: Vec::new(),
            spells: Vec::new(),
            denials: if chance.happens(0.5) { chance.between(0.0, 0.015) } else { 0.0 },
            batches: Vec::new(),
            workdays: [true, true, true, true, true, false, false],
            ends_at: None,
            chance,
        };
        client.settle(&home);
        client.plan_ordinary_life();
        client
    }

    /// The other places that it is at home.
    fn settle(&mut self, home: &Origin) {
        let chance = &mut self.chance;
        match self.kind {
            Kind::Person => {
                let agents = [home.agent.clone(), agent(chance)];
                for weight in [0.6, 0.25] {
                    let own = Origin {
                        network: network(chance),
                        agent: chance.one_of(&agents).clone(),
                        ..home.clone()
                    };
                    self.homes.push((own, weight));
                }
                for day in 0..7 {
                    self.workdays[day] = chance.happens(if day < 5 { 0.8 } else { 0.2 });
                }
                self.workdays[1] = true;
            }
            Kind::Regions => {
                for _ in 0..chance.whole(1, 3) {
                    let own = Origin { country: country(chance), network: network(chance), ..home.clone() };
                    self.homes.push((own, chance.between(0.1, 1.0)));
                }
            }
            Kind::Steady | Kind::Office if chance.happens(0.3) => {
                self.homes.push((Origin { network: network(chance), ..home.clone() }, 0.4));
            }
            _ => {}
        }
    }

    /// Growth is in the base; here are holidays, deployments, moves, trips, and people's odd hours.
    fn plan_ordinary_life(&mut self) {
        let hours = DAYS * 24;
        let service = !self.kind.is_person() && self.kind != Kind::Dormant;
        // Holidays for all whose work follows people's.
        if matches!(self.kind, Kind::Office | Kind::Person | Kind::Steady) {
            for _ in 0..2 {
                let begin = self.chance.whole(10, DAYS - 4) * 24;
                let (days, level) = (self.chance.whole(1, 4), self.chance.between(0.0, 0.4));
                self.spell(begin, days * 24, What::Level(level));
                let catching_up = self.chance.between(1.0, 1.6);
                self.spell(begin + days * 24, 24, What::Level(catching_up));
            }
        }
        if service {
            let mut hour = self.chance.whole(24, 24 * 20);
            while hour < hours {
                let (step, restart) = (self.chance.between(0.65, 1.6), self.chance.between(0.8, 1.9));
                self.steps.push((hour, step));
                self.spell(hour, 1, What::Level(restart));
                if self.chance.happens(0.3) {
                    let share = self.chance.between(0.01, 0.08);
                    self.spell(hour, 1, What::Denials(share));
                }
                hour += self.chance.whole(24 * 5, 24 * 40);
            }
            if self.chance.happens(0.1) {
                let (begin, long) = (self.chance.whole(0, hours), self.chance.whole(1, 4));
                let storm = self.chance.between(1.5, 2.6);
                self.spell(begin, long, What::Level(storm));
            }
            if self.chance.happens(0.3) {
                let (hour, next) = (self.chance.whole(0, hours), agent(&mut self.chance));
                self.moves.push(Move { since: hour, agent: Some(next), ..Move::default() });
            }
            if self.chance.happens(0.06) {
                let hour = self.chance.whole(0, hours);
                let to = network(&mut self.chance);
                let abroad = self.chance.happens(0.25).then(|| country(&mut self.chance));
                self.moves.push(Move { since: hour, agent: None, network: Some(to), country: abroad });
            }
        }
        self.plan_by_kind(hours);
    }

    fn plan_by_kind(&mut self, hours: i64) {
        match self.kind {
            Kind::Person => self.plan_person(hours),
            Kind::Office => {
                for week in 0..DAYS / 7 {
                    if self.chance.happens(0.1) {
                        let begin = (week * 7 + 5) * 24 + 10 - self.zone;
                        self.spell(begin, 5, What::Extra(0.3));
                    }
                }
            }
            Kind::Nightly | Kind::Monthly if self.chance.happens(0.12) => {
                let begin = self.chance.whole(1, DAYS) * 24 + self.chance.whole(9, 17) - self.zone;
                self.spell(begin, 1, What::Extra(1.0));
            }
            Kind::Batch => {
                let mut hour = self.chance.whole(0, 48);
                let week = self.chance.between(2.0, 9.0);
                while hour < hours {
                    let long = self.chance.whole(1, 7);
                    let volume = self.base * self.chance.factor(self.noise);
                    self.batches.push((hour, hour + long, volume));
                    hour += long + self.chance.scale(1.0, 336.0 / week * 2.0).round() as i64;
                }
                if self.chance.happens(0.4) {
                    self.denials = self.chance.between(0.02, 0.2);
                }
            }
            _ => {}
        }
        if matches!(self.kind, Kind::Steady | Kind::Office | Kind::Nightly | Kind::Hourly)
            && self.chance.happens(0.1)
        {
            let end = self.chance.whole(LEARNING_DAYS * 24, hours);
            self.ends_at = Some((end, self.chance.whole(1, 24 * 14)));
        }
    }

    fn plan_person(&mut self, hours: i64) {
        if self.chance.happens(0.25) {
            let begin = self.chance.whole(1, DAYS - 10) * 24;
            let days = self.chance.whole(2, 9);
            let networks = vec![network(&mut self.chance), network(&mut self.chance)];
            let to = country(&mut self.chance);
            self.spell(begin, days * 24, What::Trip(to, networks));
        }
        if self.chance.happens(0.06) {
            let exit = Origin {
                country: country(&mut self.chance),
                network: network(&mut self.chance),
                ..self.homes[0].0.clone()
            };
            let (begin, days) = (self.chance.whole(0, hours), self.chance.whole(1, 6));
            self.spell(begin, 24 * days, What::Vpn(exit));
        }
        if self.chance.happens(0.15) {
            let (hour, next) = (self.chance.whole(0, hours), agent(&mut self.chance));
            self.moves.push(Move { since: hour, agent: Some(next), ..Move::default() });
        }
        // Weeks of leave, seldom more than a month.
        if self.chance.happens(0.15) {
            let begin = self.chance.whole(7, DAYS - 7) * 24;
            let days = if self.chance.happens(0.15) { 40 } else { self.chance.whole(7, 24) };
            self.spell(begin, days * 24, What::Level(0.0));
        }
    }

    fn spell(&mut self, begin: i64, hours: i64, what: What) {
        self.spells.push(Spell { hours: (begin, begin + hours), what });
    }

    fn local(&self, hour: i64) -> i64 {
        hour + self.zone + i64::from(self.sets_clocks && hour >= CLOCKS_SET * 24)
    }

    /// What it does within an hour (counted from the begin).
    pub(super) fn streams(&mut self, hour: i64) -> Vec<Stream> {
        let level = self.level(hour);
        let mut mean = self.mean(hour) * level;
        let mut share = self.denials;
        let mut away: Option<Origin> = None;
        let mut travelling = false;
        for spell in &self.spells {
            if !(spell.hours.0..spell.hours.1).contains(&hour) {
                continue;
            }
            match &spell.what {
                What::Level(_) => {}
                What::Extra(part) => mean = mean.max(self.base * part),
                What::Denials(own) => share = share.max(*own),
                What::Vpn(exit) => {
                    if self.chance.happens(0.5) {
                        away = Some(exit.clone());
                    }
                }
                What::Trip(country, networks) => {
                    travelling |= hour < spell.hours.0 + 16 || hour >= spell.hours.1 - 16;
                    let own = self.homes[0].0.clone();
                    let network = self.chance.one_of(networks).clone();
                    away = Some(Origin { country: country.clone(), network, agent: own.agent });
                }
            }
        }
        if mean <= 0.0 || travelling {
            return Vec::new();
        }
        self.split(hour, mean, share, away)
    }

    fn split(&mut self, hour: i64, mean: f64, share: f64, away: Option<Origin>) -> Vec<Stream> {
        let origins: Vec<(Origin, f64)> = match (away, self.kind) {
            (Some(origin), _) => vec![(origin, 1.0)],
            (None, Kind::Person) => {
                let weights: Vec<f64> = self.homes.iter().map(|(_, weight)| *weight).collect();
                let mut own = self.homes[self.chance.weighted(&weights)].0.clone();
                if self.chance.happens(0.02) {
                    own.network = network(&mut self.chance);
                }
                vec![(own, 1.0)]
            }
            (None, _) => self.homes.clone(),
        };
        let total: f64 = origins.iter().map(|(_, weight)| weight).sum();
        let mut streams = Vec::new();
        for (origin, weight) in origins {
            let all = self.chance.count(mean * weight / total);
            let denied = self.chance.count(all as f64 * share).min(all);
            if all > 0 {
                let origin = self.moved(hour, origin);
                let minutes = if self.kind.is_person() { self.sitting() } else { (0.0, 60.0) };
                streams.push(Stream { origin, accepted: all - denied, denied, minutes });
            }
        }
        streams
    }

    fn sitting(&mut self) -> (f64, f64) {
        let begin = self.chance.between(0.0, 40.0);
        (begin, self.chance.between(begin + 1.0, 60.0))
    }

    fn moved(&self, hour: i64, mut origin: Origin) -> Origin {
        for one in self.moves.iter().filter(|one| hour >= one.since) {
            let Origin { country, network, agent } = &mut origin;
            for (part, other) in [(agent, &one.agent), (network, &one.network), (country, &one.country)] {
                if let Some(other) = other {
                    part.clone_from(other);
                }
            }
        }
        origin
    }

    /// A client's usual origin at an hour.
    pub(super) fn home(&self, hour: i64) -> Origin {
        self.moved(hour, self.homes[0].0.clone())
    }

    fn level(&mut self, hour: i64) -> f64 {
        let weeks = hour as f64 / 168.0;
        let mut level = (1.0 + self.growth_per_week).powf(weeks);
        for (since, step) in &self.steps {
            if hour >= *since {
                level *= step;
            }
        }
        for spell in &self.spells {
            if let (What::Level(factor), true) = (&spell.what, (spell.hours.0..spell.hours.1).contains(&hour))
            {
                level *= factor;
            }
        }
        level.clamp(0.0, 30.0)
    }

    /// Expected of an hour, before levels.
    fn mean(&mut self, hour: i64) -> f64 {
        let local = self.local(hour);
        let (of_day, day) = (local.rem_euclid(24), local.div_euclid(24));
        let weekday = usize::try_from(day.rem_euclid(7)).unwrap_or(0);
        let noise = self.chance.factor(self.noise);
        let wave = (std::f64::consts::TAU * (of_day as f64 - 14.0) / 24.0).cos();
        match self.kind {
            Kind::Steady | Kind::Regions => {
                self.base * (1.0 + 0.5 * wave) * if weekday < 5 { 1.0 } else { 0.8 } * noise
            }
            Kind::Office if weekday < 5 && (8..18).contains(&of_day) => self.base * noise,
            Kind::Monthly if day.rem_euclid(30) == 3 && of_day == self.job_hour => self.base * noise,
            Kind::Office | Kind::Monthly => 0.0,
            Kind::Nightly => f64::from(u8::from(of_day == self.job_hour)) * self.base * noise,
            Kind::Hourly => self.base * noise,
            Kind::Batch => {
                let now = |batch: &&(i64, i64, f64)| (batch.0..batch.1).contains(&hour);
                self.batches.iter().find(now).map_or(0.0, |batch| batch.2 * noise.sqrt())
            }
            Kind::Dormant if day > 24 => 0.0,
            Kind::Person | Kind::Dormant => {
                let awake = self.workdays[weekday] && (9..22).contains(&of_day);
                let sits = if awake {
                    0.25
                } else if (0..3).contains(&of_day) {
                    0.004
                } else {
                    0.0
                };
                if self.chance.happens(sits) { (self.base * noise).max(1.0) } else { 0.0 }
            }
        }
    }

    /// What it does at most within an hour in ordinary times.
    pub(super) fn peak(&mut self, hour: i64) -> f64 {
        let level = self.level(hour);
        let batch = self.batches.iter().map(|batch| batch.2).fold(0.0, f64::max);
        level * batch.max(self.base * if self.kind == Kind::Batch { 0.0 } else { 1.5 })
    }

    pub(super) fn lives_in(&self, country: &str) -> bool {
        self.homes.iter().any(|(home, _)| home.country == country)
    }

    /// An hour of a later day in which it is likely to be used.
    pub(super) fn busy_hour(&self, from: i64, chance: &mut Chance) -> Option<i64> {
        let local = match self.kind {
            Kind::Steady | Kind::Hourly | Kind::Regions => return Some(from),
            Kind::Nightly => self.job_hour,
            Kind::Office | Kind::Person => chance.whole(10, 16),
            _ => return None,
        };
        let mut day = from.div_euclid(24);
        while !self.workdays[usize::try_from(day.rem_euclid(7)).unwrap_or(0)] {
            day += 1;
        }
        Some(day * 24 + local - self.zone - i64::from(self.sets_clocks && day >= CLOCKS_SET))
    }

    /// An hour of a day that is far from all hours of use.
    pub(super) fn quiet_hour(&self, day: i64) -> Option<i64> {
        let local = match self.kind {
            Kind::Office => 2,
            Kind::Nightly => self.job_hour + 9,
            _ => return None,
        };
        Some(day * 24 + local - self.zone)
    }
}
