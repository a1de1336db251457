//! The events that one person receives: each change that they may see, and live news at most once a second.

use super::{
    Place,
    journal::Recent,
    watched::{Measured, Watched},
};
use crate::{
    Raptor,
    authz::{Actor, SystemPermission},
    containers::service::{ContainerFilter, Sort},
    id::{ContainerId, DaemonId},
    paging::{MAX_LIMIT, PageRequest},
    store::{Change, Subject, Verb},
};
use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior},
};

/// How often live news is told to one follower at most.
const LIVE_EVERY: Duration = Duration::from_secs(1);

/// How often the age of the follower's session is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum News {
    /// A committed change.
    Change(Change),
    /// These containers' states are new, or, for a follower that does not watch, their measurements.
    Live(Vec<ContainerId>),
    /// The measurements of watched containers.
    Measured(Measured),
    /// This daemon's link or load is new.
    Daemon(DaemonId),
    /// Changes were missed: whatever is shown has to be read again.
    Resync,
}

/// Follows the news for one person.
pub struct Follower {
    raptor: Raptor,
    actor: Actor,
    place: Place,
    newest: watch::Receiver<u64>,
    changes: VecDeque<(u64, Change)>,
    /// Live news that is due, and where its end is.
    due: VecDeque<News>,
    due_to: u64,
    told: Option<Instant>,
    /// The containers that a person without rights over all may see; none until needed.
    visible: Option<HashSet<ContainerId>>,
    /// Whether it is not known what they may see, as the database failed.
    blind: bool,
    /// Changes up to this one happened before the follower came.
    before: u64,
    /// None for a follower that is only told whose measurements are new.
    watched: Option<Watched>,
    /// When it is looked at again whether the session lasts.
    looks: Interval,
}

impl Raptor {
    /// Follows what happens for `actor`, after `from` or from now on. Where what followed `from` is no longer known, the first news
    /// is [`News::Resync`].
    #[must_use]
    pub fn follow(&self, actor: Actor, from: Option<Place>) -> Follower {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let journal = &self.inner.fleet.journal;
        let newest = journal.watch();
        let end = journal.end();
        let place = from.filter(|place| journal.changes(*place).is_some());
        let due = if from.is_some() && place.is_none() { vec![News::Resync] } else { vec![] };
        Follower {
            raptor: self.clone(),
            actor,
            place: place.unwrap_or(end),
            newest,
            changes: VecDeque::new(),
            due: due.into(),
            due_to: place.unwrap_or(end).live,
            told: None,
            visible: None,
            blind: false,
            before: end.change,
            watched: None,
            looks,
        }
    }
}

impl Follower {
    /// From now on it is told the measurements of these containers and of no others, first those that there are. `number` is the
    /// caller's name for this choice. Ids beyond the first [`MAX_WATCHED`](super::MAX_WATCHED) are left out.
    pub fn watch(&mut self, number: u64, ids: Vec<ContainerId>) {
        self.watched = Some(Watched::new(number, ids, self.watched.take()));
    }

    /// Up to where everything was told.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The next news; None when the session has ended, by its age too. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<News> {
        self.look().await;
        loop {
            if let Some(news) = self.due.pop_front() {
                if self.due.is_empty() {
                    self.place.live = self.due_to;
                }
                return Some(news);
            }
            let newest = *self.newest.borrow_and_update();
            if self.changes.is_empty() && newest > self.place.change {
                let journal = &self.raptor.inner.fleet.journal;
                let Some(changes) = journal.changes(self.place) else {
                    self.place = journal.end();
                    // Their role, their session and their access may be among what was missed.
                    self.actor = self.raptor.auth().renewed(&self.actor).await.ok().flatten()?;
                    self.see().await;
                    return Some(News::Resync);
                };
                if changes.is_empty() {
                    self.place.change = newest;
                }
                self.changes = changes.into();
            }
            while let Some((number, change)) = self.changes.front().copied() {
                let seen = self.change(number, change).await?;
                self.changes.pop_front();
                self.place.change = number;
                if seen.is_some() {
                    return seen;
                }
            }
            let asked = self.watched.as_ref().is_some_and(Watched::is_new);
            let behind = newest > self.place.live || asked;
            if behind && self.told.is_none_or(|told| told.elapsed() >= LIVE_EVERY) {
                self.collect().await;
                continue;
            }
            let next = self.told.map_or_else(Instant::now, |told| told + LIVE_EVERY);
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                () = tokio::time::sleep_until(next), if behind => {}
                // Nothing tells that a session has become too old. A store that fails says nothing of it.
                _ = self.looks.tick() => {
                    if matches!(self.raptor.auth().renewed(&self.actor).await, Ok(None)) {
                        return None;
                    }
                }
            }
        }
    }

    /// The news that a change is to them, if they may see it; the outer None when their session has ended.
    async fn change(&mut self, number: u64, change: Change) -> Option<Option<News>> {
        if matches!(change.subject, Subject::Session | Subject::User | Subject::Role) {
            self.actor = self.raptor.auth().renewed(&self.actor).await.ok().flatten()?;
        }
        let grants = self.actor.grants();
        let needed = match change.subject {
            Subject::Container | Subject::Declaration | Subject::Access => {
                return Some(self.of_container(number, change).await);
            }
            Subject::User => SystemPermission::UsersRead,
            Subject::Role => SystemPermission::RolesRead,
            Subject::Daemon | Subject::Registry => SystemPermission::DaemonsRead,
            Subject::Allocation => SystemPermission::AllocationsRead,
            Subject::Template => SystemPermission::TemplatesRead,
            Subject::Mail => SystemPermission::SettingsRead,
            Subject::Session | Subject::Job => return Some(None),
        };
        // Their own account is shown to everybody.
        let own = change.subject == Subject::User && self.actor.user_id() == Some(change.id.into());
        Some((own || grants.contains(needed)).then_some(News::Change(change)))
    }

    /// News of a container goes to everyone who could see it before or after the change, so that they also learn of its deletion.
    async fn of_container(&mut self, number: u64, change: Change) -> Option<News> {
        let id = change.id.into();
        let saw = self.sees(id);
        if self.blind || change.subject != Subject::Declaration {
            self.see().await;
        }
        if self.blind {
            // It may be theirs. What they see is asked for again with the next change.
            return Some(News::Resync);
        }
        if saw || self.sees(id) {
            return Some(News::Change(change));
        }
        // What they saw then is not known: it may have been this one.
        let lost = change.subject == Subject::Access
            || (change.subject, change.verb) == (Subject::Container, Verb::Deleted);
        (number <= self.before && lost).then_some(News::Resync)
    }

    /// Makes live news due.
    async fn collect(&mut self) {
        let Recent { states: mut containers, measured, mut daemons, end } =
            self.raptor.inner.fleet.journal.news(self.place);
        match &mut self.watched {
            Some(watched) => {
                watched.forget(&containers);
                let measured = watched.measured(&self.raptor, &self.actor, &measured).await;
                self.due.extend(measured.map(News::Measured));
            }
            None => {
                let known: HashSet<ContainerId> = containers.iter().copied().collect();
                containers.extend(measured.into_iter().filter(|id| !known.contains(id)));
            }
        }
        containers.retain(|id| self.sees(*id));
        if !self.actor.grants().contains(SystemPermission::DaemonsRead) {
            daemons.clear();
        }
        if !containers.is_empty() {
            self.due.push_back(News::Live(containers));
        }
        self.due.extend(daemons.into_iter().map(News::Daemon));
        self.due_to = end;
        if self.due.is_empty() {
            self.place.live = end;
        } else {
            self.told = Some(Instant::now());
        }
    }

    fn sees(&self, id: ContainerId) -> bool {
        self.actor.grants().contains(SystemPermission::ContainersRead)
            || self.visible.as_ref().is_some_and(|visible| visible.contains(&id))
    }

    async fn look(&mut self) {
        if self.visible.is_none() {
            let was_blind = self.blind;
            self.see().await;
            if was_blind && !self.blind {
                // Live news was not told meanwhile.
                self.due.push_back(News::Resync);
            }
        }
    }

    /// Finds out what they may see.
    async fn see(&mut self) {
        let mine = self.mine().await;
        self.blind = mine.is_err();
        self.visible = mine.unwrap_or_default();
    }

    /// The containers that are theirs; none where that does not matter.
    async fn mine(&self) -> crate::Result<Option<HashSet<ContainerId>>> {
        if self.actor.grants().contains(SystemPermission::ContainersRead) {
            return Ok(None);
        }
        let filter = ContainerFilter { mine: true, sort: Sort::Oldest, ..ContainerFilter::default() };
        let mut page = PageRequest { limit: MAX_LIMIT, ..PageRequest::default() };
        let mut ids = HashSet::new();
        loop {
            let found = self.raptor.containers().listed(&self.actor, &filter, &page).await?;
            ids.extend(found.items.iter().map(|listed| listed.container.id));
            match found.next {
                Some(next) => page.cursor = Some(next),
                None => return Ok(Some(ids)),
            }
        }
    }
}
