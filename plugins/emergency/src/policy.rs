//! Who may do what to an alert: [`Sender`], and the answer to "may this one cancel it?" (b.5, 5).
//!
//! A user name (certificate or account) outweighs a client uid, which everybody may claim: where users differ, the same
//! uid proves nothing. What must not happen: somebody outside of an alert's groups ends it, or takes it over by a start
//! with its uid.
use std::fmt;

use fts_plugin_api::sdk::{Identity, Role, Scope, SourceInfo};

use crate::{alert::Alert, config::CancelPolicy};

/// The group of everybody who has no other.
pub const ANON: &str = "__ANON__";

/// Who sent something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The connection; 0 = none, or one of an earlier run of the server.
    pub conn: u64,
    /// Client uid; "" = it has not told.
    pub uid: String,
    /// User; "" = unknown.
    pub user: String,
    /// The plugin and its link it came through, `federation/peer`; "" = none.
    pub via: String,
}

impl From<&SourceInfo> for Sender {
    fn from(source: &SourceInfo) -> Self {
        let via = match source.link.as_str() {
            "" => source.plugin.clone(),
            link => format!("{}/{link}", source.plugin),
        };
        Self { conn: source.conn, uid: source.uid.clone(), user: source.user.clone(), via }
    }
}

impl Sender {
    /// The same device.
    pub fn is_device(&self, other: &Self) -> bool {
        let same = !self.uid.is_empty() && self.uid == other.uid && self.via == other.via;
        (self.conn != 0 && self.conn == other.conn) || (same && self.user == other.user)
    }

    /// The same device, user or federate.
    pub fn is(&self, other: &Self) -> bool {
        let user = !self.user.is_empty() && self.user == other.user;
        let via = !self.via.is_empty() && self.via == other.via;
        user || via || self.is_device(other)
    }

    /// Nothing is known that outlives a connection.
    pub fn is_nobody(&self) -> bool {
        self.uid.is_empty() && self.user.is_empty() && self.via.is_empty()
    }
}

impl fmt::Display for Sender {
    /// As people and the history name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match [&self.user, &self.uid, &self.via].into_iter().find(|name| !name.is_empty()) {
            Some(name) => f.write_str(name),
            None => write!(f, "connection {}", self.conn),
        }
    }
}

/// Who asks for something.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Who it is.
    pub sender: Sender,
    /// Groups it may send into.
    pub groups: Vec<String>,
    /// An administrator, whom no policy binds.
    pub admin: bool,
    /// For the history.
    pub name: String,
}

impl Caller {
    /// The source of an event.
    pub fn of_source(source: &SourceInfo) -> Self {
        let sender = Sender::from(source);
        let name = if source.callsign.is_empty() { sender.to_string() } else { source.callsign.clone() };
        Self { name, sender, groups: source.groups.clone(), admin: source.role == Role::Admin }
    }

    /// Who calls over HTTP.
    pub fn of_identity(identity: &Identity) -> Self {
        let user = if identity.user.is_empty() { &identity.cert_cn } else { &identity.user };
        let admin = is_admin(identity);
        let name = match (user.as_str(), admin) {
            ("", true) => "administrator",
            ("", false) => "REST",
            (user, _) => user,
        };
        let sender = Sender { user: user.clone(), ..Sender::default() };
        Self { name: name.to_owned(), sender, groups: or_anon(&identity.groups_in), admin }
    }

    /// The server itself, or an administrator without a name.
    pub fn server(name: &str) -> Self {
        Self { admin: true, name: name.to_owned(), groups: or_anon(&[]), ..Self::default() }
    }
}

/// Role or token of an administrator.
pub fn is_admin(identity: &Identity) -> bool {
    identity.role == Role::Admin || identity.scopes.contains(&Scope::Admin)
}

/// These groups, or everybody's where there are none (rest-api.md 3).
pub fn or_anon(groups: &[String]) -> Vec<String> {
    if groups.is_empty() { vec![ANON.to_owned()] } else { groups.to_vec() }
}

/// May it cancel this alert? Err says why not.
///
/// # Errors
/// A sentence for log and answer.
pub fn may_cancel(policy: CancelPolicy, alert: &Alert, caller: &Caller) -> Result<(), &'static str> {
    let own = alert.sender.is(&caller.sender);
    if caller.admin {
        return Ok(());
    }
    match policy {
        CancelPolicy::Any if own || alert.shares(&caller.groups) => Ok(()),
        CancelPolicy::Any => Err("only members of the alert's groups may cancel it"),
        CancelPolicy::Originator if own => Ok(()),
        CancelPolicy::Originator => Err("only who raised the alert, or an administrator, may cancel it"),
        CancelPolicy::Admin => Err("only an administrator may cancel alerts"),
    }
}

/// May a start of this sender change an alert that is active under its uid?
pub fn may_change(alert: &Alert, new: &Alert) -> bool {
    let reconnected = alert.sender.is_nobody() && new.sender.is_nobody() && alert.origin == new.origin;
    alert.sender.is(&new.sender) || reconnected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{alert_a, client};

    fn asks(source: &SourceInfo) -> Caller {
        Caller::of_source(source)
    }

    #[test]
    fn any_means_anyone_in_the_groups() {
        let alert = alert_a(&["red"], 1);
        let may = |source: &SourceInfo| may_cancel(CancelPolicy::Any, &alert, &asks(source)).is_ok();
        assert!(may(&client(2, "B", &["red", "blue"])));
        assert!(!may(&client(3, "C", &["blue"])));
        assert!(may(&client(9, "ANDROID-11aa", &["blue"])), "the sender may, wherever it is now");
    }

    #[test]
    fn originator_means_same_device_user_or_federate() {
        let mut alert = alert_a(&["red"], 1);
        let may =
            |alert: &Alert, source: &SourceInfo| may_cancel(CancelPolicy::Originator, alert, &asks(source)).is_ok();
        assert!(may(&alert, &client(9, "ANDROID-11aa", &["red"])));
        assert!(may(&alert, &client(1, "", &["red"])), "the same connection");
        assert!(!may(&alert, &client(2, "B", &["red"])));
        alert.sender.user = "alice".into();
        alert.sender.conn = 0;
        assert!(!may(&alert, &client(9, "ANDROID-11aa", &["red"])), "a borrowed uid is no user");
        let other = SourceInfo { user: "alice".into(), ..client(9, "TABLET", &["red"]) };
        assert!(may(&alert, &other), "another device of the same user");
        alert.sender = Sender { via: "federation/north".into(), ..Sender::default() };
        let link = |link: &str| SourceInfo { plugin: "federation".into(), link: link.into(), ..SourceInfo::default() };
        assert!(may(&alert, &link("north")) && !may(&alert, &link("south")));
    }

    #[test]
    fn admin_means_admin() {
        let alert = alert_a(&["red"], 1);
        let own = asks(&client(1, "ANDROID-11aa", &["red"]));
        assert!(may_cancel(CancelPolicy::Admin, &alert, &own).is_err());
        let identity = Identity { role: Role::Admin, ..Identity::default() };
        for policy in [CancelPolicy::Any, CancelPolicy::Originator, CancelPolicy::Admin] {
            may_cancel(policy, &alert, &Caller::of_identity(&identity)).unwrap();
        }
        let token = Identity { scopes: vec![Scope::Write], user: "bob".into(), ..Identity::default() };
        assert!(may_cancel(CancelPolicy::Admin, &alert, &Caller::of_identity(&token)).is_err());
        assert_eq!(Caller::of_identity(&token).groups, [ANON]);
    }

    #[test]
    fn nobody_takes_over_anothers_alert() {
        let alert = alert_a(&["red"], 1);
        let by = |source: &SourceInfo| Alert { sender: source.into(), ..alert.clone() };
        assert!(may_change(&alert, &by(&client(7, "ANDROID-11aa", &["blue"]))));
        assert!(!may_change(&alert, &by(&client(7, "MALLORY", &["blue"]))));
        let sensor = by(&client(3, "", &["red"]));
        assert!(may_change(&sensor, &by(&client(4, "", &["red"]))), "a sensor that connected again");
    }
}
