//! Accounts that change while their users are connected: every connection of theirs is asked for anew who it is
//! (`login`), gets its groups (`route/regroup`), or ends. A connection that comes in at the same moment is looked at
//! again when it has its seat: `changes` counts what it may have missed.
use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{Sessions, login::Entered};
use crate::{
    directory::{Client, Groups, Leave},
    identity::accounts::AuthError,
    route::Regrouped,
};

/// Who caused a change of groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cause<'a> {
    /// The client uid of the device that chose; it knows already. "" = no device did: everybody is told.
    pub device: &'a str,
    /// The choice as shown to devices has changed, whatever that means for what is sent: the others are told.
    pub shown: bool,
}

impl Sessions {
    /// Looks again at every connection of these users. Blocks: database.
    pub fn users_changed(&self, users: &[&str], cause: Cause<'_>) {
        self.changes.fetch_add(1, Relaxed);
        let of = |c: &Client| users.iter().any(|user| c.user().eq_ignore_ascii_case(user));
        self.look_again(of, cause);
    }

    /// Ends every connection of a user that is no more.
    pub fn end_user(&self, user: &str) {
        self.changes.fetch_add(1, Relaxed);
        let roster = self.router.directory.roster();
        roster.clients().filter(|c| c.user().eq_ignore_ascii_case(user)).for_each(|c| c.end(Leave::Disabled));
    }

    /// Ends every connection of a user that came in by its password, which is another one now; how many. Who showed a
    /// certificate stays: it did not need the password.
    pub fn password_changed(&self, user: &str) -> usize {
        let change = self.changes.fetch_add(1, Relaxed) + 1;
        self.passwords.lock().insert(user.to_ascii_lowercase(), change);
        let roster = self.router.directory.roster();
        let theirs = roster.clients().filter(|c| c.account().by_password && c.user().eq_ignore_ascii_case(user));
        theirs.filter(|c| c.ending().is_none()).map(|c| c.end(Leave::Password)).count()
    }

    /// Ends a connection whose password was changed while it was looked at: it was not in the list above.
    pub(super) fn password_of_before(&self, before: u64, client: &Client) {
        let account = client.account();
        let changed = || self.passwords.lock().get(&account.user.to_ascii_lowercase()).copied();
        if account.by_password && changed().is_some_and(|change| change > before) {
            client.end(Leave::Password);
        }
    }

    /// The same for everybody who has a name: a group came or went, administrators are in all of them.
    pub fn groups_changed(&self) {
        self.changes.fetch_add(1, Relaxed);
        self.look_again(|_| true, Cause::default());
    }

    /// What was changed since: a connection that was decided about before and seated after it may have missed it.
    pub(super) fn missed(&self, before: u64, client: &Arc<Client>) {
        if self.changes.load(Relaxed) != before {
            self.password_of_before(before, client);
            let conn = client.conn;
            self.look_again(|c| c.conn == conn, Cause::default());
        }
    }

    fn look_again(&self, of: impl Fn(&Client) -> bool, cause: Cause<'_>) {
        let Some(accounts) = self.accounts.get() else { return };
        let roster = self.router.directory.roster();
        let named = roster.clients().filter(|c| !c.internal() && c.remote_of().is_empty() && !c.user().is_empty());
        let mut changes = Vec::new();
        for client in named.filter(|c| of(c)) {
            match self.standing(accounts, client) {
                Ok((login, groups)) if login.name.eq_ignore_ascii_case(client.user()) => {
                    client.set_role(login.role);
                    let own = !cause.device.is_empty() && *client.who().uid == *cause.device;
                    let moved = **client.groups() != groups;
                    if moved || cause.shown {
                        changes.push((client.clone(), groups, !own));
                    }
                }
                // Its certificate is another user now: it comes back as that one.
                Ok(_) => client.end(Leave::Kicked),
                Err(error) => self.not_any_more(client, &error),
            }
        }
        self.give_groups(changes, cause.device);
    }

    fn not_any_more(&self, client: &Client, error: &AuthError) {
        if matches!(error, AuthError::Store(_)) {
            return tracing::error!(event = "db.error", conn = client.conn, %error, "its groups stay as they are");
        }
        tracing::info!(event = "client.refused", conn = client.conn, user = client.user(), %error, "may not stay");
        client.end(match error {
            AuthError::Revoked => Leave::Revoked,
            AuthError::Disabled => Leave::Disabled,
            _ => Leave::Kicked,
        });
    }

    /// Connections with their new groups, and whether their devices are told.
    pub(super) fn give_groups(&self, changes: Vec<(Arc<Client>, Groups, bool)>, device: &str) {
        if changes.is_empty() {
            return;
        }
        let changes: Vec<_> =
            changes.into_iter().map(|(client, groups, tell)| Regrouped { client, groups, tell }).collect();
        let clients: Vec<_> = changes.iter().map(|c| c.client.clone()).collect();
        self.router.regroup(changes, device);
        if let Some(watch) = self.router.watch.get() {
            clients.iter().filter(|c| c.identified()).for_each(|client| watch.identified(client));
        }
    }

    /// Sends every connection of a user the last position of everybody it may see.
    pub fn show_everybody(&self, user: &str) {
        let roster = self.router.directory.roster();
        for client in roster.clients().filter(|c| !c.internal() && c.user().eq_ignore_ascii_case(user)) {
            self.router.show_everybody(client);
        }
    }

    /// For the log line of a connection that is let in.
    pub(super) fn name_of(entered: &Entered) -> &str {
        if entered.account.user.is_empty() { "anonymous" } else { &entered.account.user }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::{Account, Arrival, Directory},
        identity::Role,
        route::Router,
        store::history::tests::config,
    };

    #[test]
    fn a_password_changed_while_somebody_comes_in_by_it_ends_that_connection() {
        let config = Arc::new(config(&[]));
        let router = Arc::new(Router::new(Arc::new(Directory::default()), config.clone()));
        let sessions = Sessions::new(router.clone());
        let seat = |user: &str, by_password| {
            let arrival = Arrival {
                listener: Arc::new(config.listeners.cot_tcp.clone()),
                peer: ([127, 0, 0, 1], 40_000).into(),
                cert: None,
                tls: false,
                groups: Groups::default(),
                connected: 0,
            };
            router.directory.join_as(arrival, Account { user: user.into(), by_password, role: Role::User }, false)
        };
        let before = sessions.changes.load(Relaxed);
        // Decided about before the change, seated behind it.
        assert_eq!(sessions.password_changed("ALICE"), 0);
        let all = [seat("alice", true), seat("alice", false), seat("bob", true)];
        all.iter().for_each(|client| sessions.password_of_before(before, client));
        assert_eq!(all.each_ref().map(|c| c.ending()), [Some(Leave::Password), None, None]);
        // In by the new one: it stays until the next change.
        let now = sessions.changes.load(Relaxed);
        let new = seat("Alice", true);
        sessions.password_of_before(now, &new);
        assert_eq!(new.ending(), None);
        assert_eq!((sessions.password_changed("alice"), new.ending()), (1, Some(Leave::Password)));
        assert!(all[1].ending().is_none() && all[2].ending().is_none());
    }
}
