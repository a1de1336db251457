//! The events that one user receives: each change that they may see, and live events at most once a second.

use super::{
    Position,
    journal::Recent,
    watched::{Measurements, Watched},
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

/// The shortest pause between two batches of live events for one follower.
const LIVE_EVERY: Duration = Duration::from_secs(1);

/// How often the expiry of the follower's session is checked.
const EXPIRY_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// An event for one user.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FollowerEvent {
    /// A committed change of the store.
    Change(Change),
    /// The states of these containers changed; or, for a follower that does not watch containers, their measurements.
    Live(Vec<ContainerId>),
    /// New measurements of watched containers.
    Measured(Measurements),
    /// This daemon's link or load changed.
    Daemon(DaemonId),
    /// Changes were missed: reload everything that is shown.
    Resync,
}

/// A subscription of one user.
pub struct Follower {
    raptor: Raptor,
    actor: Actor,
    position: Position,
    newest: watch::Receiver<u64>,
    changes: VecDeque<(u64, Change)>,
    /// Live events to be returned next, and the position after them.
    due: VecDeque<FollowerEvent>,
    due_to: u64,
    told: Option<Instant>,
    /// The containers that a user without rights over all of them may see; `None` until needed.
    visible: Option<HashSet<ContainerId>>,
    /// Whether it is unknown what they may see, because the database failed.
    blind: bool,
    /// Changes up to this one happened before the subscription.
    before: u64,
    /// `None` if the follower only gets to know which measurements are new.
    watched: Option<Watched>,
    /// When to check next whether the session has expired.
    looks: Interval,
}

impl Raptor {
    /// Subscribes `actor` to events after `from`, or from now on. If the events after `from` are no longer known, the first
    /// event is [`FollowerEvent::Resync`].
    #[must_use]
    pub fn follow(&self, actor: Actor, from: Option<Position>) -> Follower {
        let mut looks = tokio::time::interval(EXPIRY_CHECK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let journal = &self.inner.fleet.journal;
        let newest = journal.watch();
        let end = journal.end();
        let position = from.filter(|position| journal.changes(*position).is_some());
        let due = if from.is_some() && position.is_none() { vec![FollowerEvent::Resync] } else { vec![] };
        Follower {
            raptor: self.clone(),
            actor,
            position: position.unwrap_or(end),
            newest,
            changes: VecDeque::new(),
            due: due.into(),
            due_to: position.unwrap_or(end).live,
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
    /// Chooses the containers whose measurements are delivered from now on, starting with the current ones. `number` is the
    /// caller's name for this choice. Ids beyond the first [`MAX_WATCHED`](super::MAX_WATCHED) are ignored.
    pub fn watch(&mut self, number: u64, ids: Vec<ContainerId>) {
        self.watched = Some(Watched::new(number, ids, self.watched.take()));
    }

    /// The position up to which everything was delivered.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next event; `None` when the session has ended or expired. Cancel-safe.
    pub async fn next(&mut self) -> Option<FollowerEvent> {
        self.look().await;
        loop {
            if let Some(news) = self.due.pop_front() {
                if self.due.is_empty() {
                    self.position.live = self.due_to;
                }
                return Some(news);
            }
            let newest = *self.newest.borrow_and_update();
            if self.changes.is_empty() && newest > self.position.change {
                let journal = &self.raptor.inner.fleet.journal;
                let Some(changes) = journal.changes(self.position) else {
                    self.position = journal.end();
                    // Changes of the role, session or access may be among those missed.
                    self.actor = self.raptor.auth().renewed(&self.actor).await.ok().flatten()?;
                    self.see().await;
                    return Some(FollowerEvent::Resync);
                };
                if changes.is_empty() {
                    self.position.change = newest;
                }
                self.changes = changes.into();
            }
            while let Some((number, change)) = self.changes.front().copied() {
                let seen = self.change(number, change).await?;
                self.changes.pop_front();
                self.position.change = number;
                if seen.is_some() {
                    return seen;
                }
            }
            let asked = self.watched.as_ref().is_some_and(Watched::is_new);
            let behind = newest > self.position.live || asked;
            if behind && self.told.is_none_or(|told| told.elapsed() >= LIVE_EVERY) {
                self.collect().await;
                continue;
            }
            let next = self.told.map_or_else(Instant::now, |told| told + LIVE_EVERY);
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                () = tokio::time::sleep_until(next), if behind => {}
                // No change announces that a session expires. A failing store doesn't mean that it has ended.
                _ = self.looks.tick() => {
                    if matches!(self.raptor.auth().renewed(&self.actor).await, Ok(None)) {
                        return None;
                    }
                }
            }
        }
    }

    /// The event for a change, if they may see it; the outer `None` if their session has ended.
    async fn change(&mut self, number: u64, change: Change) -> Option<Option<FollowerEvent>> {
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
        // Everybody sees their own account.
        let own = change.subject == Subject::User && self.actor.user_id() == Some(change.id.into());
        Some((own || grants.contains(needed)).then_some(FollowerEvent::Change(change)))
    }

    /// Changes of a container go to everyone who could see it before or after, so that they also learn of its deletion.
    async fn of_container(&mut self, number: u64, change: Change) -> Option<FollowerEvent> {
        let id = change.id.into();
        let saw = self.sees(id);
        if self.blind || change.subject != Subject::Declaration {
            self.see().await;
        }
        if self.blind {
            // It may be theirs. What they may see is read again with the next change.
            return Some(FollowerEvent::Resync);
        }
        if saw || self.sees(id) {
            return Some(FollowerEvent::Change(change));
        }
        // What they could see before is unknown, and may have included this container.
        let lost = change.subject == Subject::Access
            || (change.subject, change.verb) == (Subject::Container, Verb::Deleted);
        (number <= self.before && lost).then_some(FollowerEvent::Resync)
    }

    /// Queues pending live events.
    async fn collect(&mut self) {
        let Recent { states: mut containers, measured, mut daemons, end } =
            self.raptor.inner.fleet.journal.news(self.position);
        match &mut self.watched {
            Some(watched) => {
                watched.forget(&containers);
                let measured = watched.measured(&self.raptor, &self.actor, &measured).await;
                self.due.extend(measured.map(FollowerEvent::Measured));
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
            self.due.push_back(FollowerEvent::Live(containers));
        }
        self.due.extend(daemons.into_iter().map(FollowerEvent::Daemon));
        self.due_to = end;
        if self.due.is_empty() {
            self.position.live = end;
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
                // No live events were delivered in the meantime.
                self.due.push_back(FollowerEvent::Resync);
            }
        }
    }

    /// Reads which containers they may see.
    async fn see(&mut self) {
        let mine = self.mine().await;
        self.blind = mine.is_err();
        self.visible = mine.unwrap_or_default();
    }

    /// The containers that they may see; `None` if they may see all.
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
