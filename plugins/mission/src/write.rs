//! The write path: everything of one request or event in one transaction, and then, in order, what follows from it.
//!
//! The pen is taken ([`Desk`]): one writer at a time. One transaction: rows, change, stored event. After the commit what
//! was noted in [`Write`] is carried out in the order it was noted: audiences, notices. Then other plugins are told of
//! changes and edits, and the pen is given back. So a
//! client that is told of a change can read it, and notices leave in the order of change numbers.
//!
//! Inside the closure only the database works (`InTransaction`): ask the host for files, clients, password hashes before.
//! What must not happen: a notice of something that was rolled back; a failing receiver that fails the request.
use std::{collections::HashMap, sync::MutexGuard};

use fts_plugin_api::{
    message,
    sdk::{
        Error,
        missions::{CHANGED, EDITED, Edited},
        sql::Tx,
    },
    tracing,
};

use crate::{
    desk::Desk,
    downloads, feed,
    model::{Change, ChangeKind, Mission, PasswordHash, Subject, Subscription},
    notice::Notice,
    refusal::Refusal,
    store::{changes, cot, missions},
    strict::Moves,
    turns::Offer,
};

/// What a transaction works with.
pub struct Write<'t, 'h> {
    /// For the functions of [`crate::store`].
    pub tx: &'t Tx<'h>,
    /// ms UTC: the server time of everything in it.
    pub now: i64,
    /// What is written came from another server.
    pub federated: bool,
    /// When it happened; None = now, or as the function is told.
    pub at: Option<i64>,
    /// The user it is written for, for the log; "" = nobody in particular, another plugin.
    pub user: String,
    content_hash: bool,
    /// Members are told of a file a few at a time ([`downloads`]).
    in_turn: bool,
    /// Number of the last change that was written; 0 = none.
    newest: i64,
    /// Missions that have their `last_edited` already.
    touched: Vec<i64>,
    /// Items of missions, as far as they were counted: counting reads them all.
    pub(crate) counted: HashMap<i64, usize>,
    /// Items that came and went: whoever adds or removes rows of `mission_uid` notes it here.
    pub moves: Moves,
    /// The newest number of the journal by mission: what is above it was never stored.
    journal: HashMap<i64, u64>,
    after: Vec<After>,
    /// What is edited without a change record.
    edits: Vec<Edited>,
}

/// What follows a commit.
#[derive(Clone, Debug)]
pub enum After {
    /// A mission is there: row, guid, name.
    Open(i64, String, String),
    /// A member of the mission with this guid is as its row says.
    Admit(String, Subscription),
    /// It is no member any more: guid, client uid, user.
    Expel(String, String, String),
    /// A mission is gone.
    Close(String),
    /// Feeds were attached or detached.
    Feeds,
    /// Tell somebody.
    Notice(Notice),
    /// Tell members of a file, a few at a time.
    Offer(Box<Offer>),
    /// A file is in this mission no more: guid, hash.
    Withdraw(String, String),
    /// The log says that a password was set or taken away.
    Password {
        /// Guid.
        mission: String,
        /// "" = another plugin.
        user: String,
        /// Client uid.
        uid: String,
        /// It has one now.
        protected: bool,
    },
}

impl Write<'_, '_> {
    /// Notes what is to be done behind the commit.
    pub fn then(&mut self, what: After) {
        self.after.push(what);
    }

    /// Notes a notice.
    pub fn notice(&mut self, notice: Notice) {
        self.after.push(After::Notice(notice));
    }

    /// Notes for the log that the mission has another password than before (None = it had none), and who did it: user and
    /// client uid. Nothing, when it has the same.
    pub fn password(&mut self, before: Option<&PasswordHash>, now: &Mission, (user, uid): (&str, &str)) {
        if before != now.password.as_ref() {
            let (mission, protected) = (now.guid.clone(), now.password.is_some());
            self.then(After::Password { mission, user: user.to_owned(), uid: uid.to_owned(), protected });
        }
    }

    /// Notes an edit without a change record ([`crate::edits`]); null = what was edited is gone.
    pub fn edited(&mut self, mission: &Mission, kind: &str, what: &str, json: &serde_json::Value, author: &str) {
        let json = if json.is_null() { String::new() } else { json.to_string() };
        let (mission, kind, what) = (mission.guid.clone(), kind.to_owned(), what.to_owned());
        self.edits.push(Edited { mission, kind, what, json, author: author.to_owned(), federated: self.federated });
    }

    /// Writes a change that happens now, and notes its notice.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn change(
        &mut self,
        mission: &Mission,
        kind: ChangeKind,
        creator: &str,
        subject: Subject,
    ) -> Result<Change, Refusal> {
        let change = self.record(mission, kind, creator, subject, self.now)?;
        let notice = Notice::changed(mission, &change, self.content_hash);
        self.announce(mission, &change, notice);
        Ok(change)
    }

    /// Notes the notice of a change that was written. That of a file goes to a few at a time, where that is configured.
    pub fn announce(&mut self, mission: &Mission, change: &Change, notice: Notice) {
        match (&change.subject, change.kind) {
            (Subject::Content(file), ChangeKind::AddContent) if self.in_turn => {
                let (id, guid, name) = (mission.id, mission.guid.clone(), mission.name.clone());
                let (hash, author) = (file.hash.clone(), change.creator_uid.clone());
                self.then(After::Offer(Box::new(Offer { id, guid, name, hash, author, notice })));
            }
            (Subject::Content(file), ChangeKind::RemoveContent) if self.in_turn => {
                self.then(After::Withdraw(mission.guid.clone(), file.hash.clone()));
                self.notice(notice);
            }
            _ => self.notice(notice),
        }
    }

    /// Writes a change without a notice; `timestamp` = when it happened.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn record(
        &mut self,
        mission: &Mission,
        kind: ChangeKind,
        creator: &str,
        subject: Subject,
        timestamp: i64,
    ) -> Result<Change, Refusal> {
        let mut change = Change {
            id: 0,
            kind,
            mission_name: mission.name.clone(),
            mission_guid: mission.guid.clone(),
            timestamp: self.at.unwrap_or(timestamp),
            server_time: self.now,
            creator_uid: creator.to_owned(),
            subject,
            federated: self.federated,
        };
        change.id = changes::insert(self.tx, mission.id, &change)?;
        self.newest = change.id;
        if !self.touched.contains(&mission.id) {
            missions::touch(self.tx, mission.id, self.now)?;
            self.touched.push(mission.id);
        }
        if matches!(kind, ChangeKind::CreateDataFeed | ChangeKind::DeleteDataFeed | ChangeKind::DeleteMission) {
            self.then(After::Feeds);
        }
        Ok(change)
    }

    /// The mission as this transaction sees it.
    ///
    /// # Errors
    /// 410 when it was deleted since it was looked up.
    pub fn fresh(&self, mission: &Mission) -> Result<Mission, Refusal> {
        let gone = || Refusal::Gone(format!("the mission {:?} was deleted", mission.name));
        missions::by_id(self.tx, mission.id)?.ok_or_else(gone)
    }

    /// Is this number of the journal above all that the mission has? Then it is not there, and is the newest from now on.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn newer(&mut self, mission: i64, journal: u64) -> Result<bool, Refusal> {
        if journal == 0 {
            return Ok(true);
        }
        let newest = match self.journal.get(&mission) {
            Some(newest) => *newest,
            None => cot::newest_journal(self.tx, mission)?,
        };
        self.journal.insert(mission, newest.max(journal));
        Ok(journal > newest)
    }

    /// What was noted so far; it is taken out.
    pub fn take(&mut self) -> Vec<After> {
        std::mem::take(&mut self.after)
    }
}

impl Desk {
    /// See the file's head. What `f` refuses is rolled back, and nothing follows.
    ///
    /// # Errors
    /// What `f` refuses; what SQLite says.
    pub fn write<T>(&self, f: impl FnOnce(&mut Write<'_, '_>) -> Result<T, Refusal>) -> Result<T, Refusal> {
        self.write_with(self.pen(), f)
    }

    /// The same with the pen that was taken before, so that what was read since is still so.
    ///
    /// # Errors
    /// As [`Desk::write`].
    pub fn write_with<T>(
        &self,
        pen: MutexGuard<'_, ()>,
        f: impl FnOnce(&mut Write<'_, '_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.transact(pen, false, f, |value, after| {
            after.into_iter().for_each(|what| self.carry_out(what));
            value
        })
    }

    /// The same, but `then` does what follows, with what was noted. It runs with the pen: it must not write.
    ///
    /// # Errors
    /// As [`Desk::write`].
    pub fn write_then<T, U>(
        &self,
        f: impl FnOnce(&mut Write<'_, '_>) -> Result<T, Refusal>,
        then: impl FnOnce(T, Vec<After>) -> U,
    ) -> Result<U, Refusal> {
        self.transact(self.pen(), false, f, then)
    }

    /// The same of held events: they are in the host's journal and answered to nobody, so they need not wait for the disk.
    ///
    /// # Errors
    /// As [`Desk::write`].
    pub fn write_held<T, U>(
        &self,
        f: impl FnOnce(&mut Write<'_, '_>) -> Result<T, Refusal>,
        then: impl FnOnce(T, Vec<After>) -> U,
    ) -> Result<U, Refusal> {
        self.transact(self.pen(), true, f, then)
    }

    /// The pen is given back at its end, behind what follows.
    fn transact<T, U>(
        &self,
        _pen: MutexGuard<'_, ()>,
        lazy: bool,
        f: impl FnOnce(&mut Write<'_, '_>) -> Result<T, Refusal>,
        then: impl FnOnce(T, Vec<After>) -> U,
    ) -> Result<U, Refusal> {
        let (now, content_hash) = (self.host.now(), self.config.notify_content_hash);
        let in_turn = self.config.concurrent_downloads > 0;
        let mut refused = None;
        let work = |tx: &Tx<'_>| {
            let mut write = Write {
                tx,
                now,
                federated: false,
                at: None,
                user: String::new(),
                content_hash,
                in_turn,
                newest: 0,
                touched: Vec::new(),
                counted: HashMap::new(),
                moves: Moves::of(self.strict.as_deref()),
                journal: HashMap::new(),
                after: Vec::new(),
                edits: Vec::new(),
            };
            match f(&mut write) {
                Ok(value) => Ok((value, write.after, write.newest, write.edits, write.moves)),
                Err(refusal) => {
                    refused = Some(refusal);
                    Err(Error::new("refused"))
                }
            }
        };
        let sql = self.host.sql();
        let done = if lazy { sql.tx_lazy(work) } else { sql.tx(work) };
        match (done, refused) {
            (Ok((value, after, newest, edits, moves)), _) => {
                if let Some(strict) = &self.strict {
                    strict.settle(moves);
                }
                let value = then(value, after);
                if newest > 0 {
                    self.publish(CHANGED, newest.to_string().as_bytes());
                }
                edits.iter().for_each(|edit| self.publish(EDITED, &message::pack(edit)));
                Ok(value)
            }
            (Err(_), Some(refusal)) => Err(refusal),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// Other plugins learn of it.
    fn publish(&self, topic: &str, bytes: &[u8]) {
        if let Err(error) = self.host.publish(topic, bytes) {
            tracing::warn!(event = "mission.unpublished", "other plugins do not know of a change yet: {error}");
        }
    }

    /// One thing that follows a commit. It cannot be refused any more: what fails is logged.
    pub fn carry_out(&self, what: After) {
        let done = match &what {
            After::Open(id, guid, name) => self.roll.open(*id, guid, name),
            After::Admit(guid, row) => self.roll.admit(guid, std::slice::from_ref(row)),
            After::Expel(guid, uid, user) => self.roll.expel(guid, uid, user),
            After::Close(guid) => {
                downloads::close(self, guid);
                self.roll.close(guid)
            }
            After::Feeds => {
                self.feeds.load(&self.host.sql()).and_then(|()| self.host.listen_to(feed::TAP, self.feeds.wanted()))
            }
            After::Notice(notice) => notice.send(self),
            After::Offer(offer) => downloads::offer(self, offer),
            After::Withdraw(guid, hash) => {
                downloads::withdraw(self, guid, hash);
                Ok(())
            }
            After::Password { mission, user, uid, protected } => {
                tracing::info!(event = "mission.password", %mission, %user, %uid, protected, "the password was set or taken away");
                Ok(())
            }
        };
        if let Err(error) = done {
            self.host.count("undone_total", &[], 1);
            tracing::error!(event = "mission.undone", "committed, but not carried out: {}: {error}", what.name());
        }
    }
}

impl After {
    /// For the log.
    fn name(&self) -> String {
        match self {
            Self::Open(_, guid, _) => format!("the destination of the mission {guid}"),
            Self::Admit(guid, row) => format!("the member {} of the mission {guid}", row.client_uid),
            Self::Expel(guid, uid, _) => format!("the removal of {uid} from the mission {guid}"),
            Self::Close(guid) => format!("the end of the mission {guid}"),
            Self::Feeds => "the feeds of all missions".to_owned(),
            Self::Notice(notice) => format!("the notice {}", notice.kind()),
            Self::Offer(offer) => format!("the notice of the file {} in the mission {}", offer.hash, offer.guid),
            Self::Withdraw(guid, hash) => format!("the end of the file {hash} in the mission {guid}"),
            Self::Password { mission, .. } => format!("the log of the password of the mission {mission}"),
        }
    }
}
