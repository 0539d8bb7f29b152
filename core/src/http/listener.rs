//! [`Listener`]: which door a request came through, and [`Listeners`]: the set of doors a route is served at. The names
//! are those of the configuration (`listeners.<name>`); they are also label values of metrics, so a listener never takes
//! its name from a request. The local control socket is the admin listener with another identity.
use std::{collections::BTreeSet, ops::BitOr, sync::Arc};

/// One HTTP listener.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Listener {
    /// The TAK API in the clear (8080).
    MartiHttp,
    /// The TAK API over TLS (8443).
    MartiHttps,
    /// Certificate enrolment (8446).
    Enrollment,
    /// The FTS REST API (19023).
    Rest,
    /// Administration: the admin listener (19090) and the local control socket.
    Admin,
    /// A listener a plugin has opened, by the name it gave it.
    Own(Arc<str>),
}

impl Listener {
    const FIXED: [Self; 5] = [Self::MartiHttp, Self::MartiHttps, Self::Enrollment, Self::Rest, Self::Admin];

    /// Its name in configuration, messages and metrics.
    pub fn name(&self) -> &str {
        match self {
            Self::MartiHttp => "marti_http",
            Self::MartiHttps => "marti_https",
            Self::Enrollment => "enrollment",
            Self::Rest => "rest",
            Self::Admin => "admin",
            Self::Own(name) => name,
        }
    }

    /// One of the fixed ones.
    pub fn named(name: &str) -> Option<Self> {
        Self::FIXED.into_iter().find(|l| l.name() == name)
    }

    const fn bit(&self) -> u8 {
        match self {
            Self::MartiHttp => 1,
            Self::MartiHttps => 2,
            Self::Enrollment => 4,
            Self::Rest => 8,
            Self::Admin => 16,
            Self::Own(_) => 0,
        }
    }
}

/// A set of listeners; joined with `|`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    fixed: u8,
    own: BTreeSet<Arc<str>>,
}

impl Listeners {
    /// [`Listener::MartiHttp`].
    pub const MARTI_HTTP: Self = Self::fixed(1);
    /// [`Listener::MartiHttps`].
    pub const MARTI_HTTPS: Self = Self::fixed(2);
    /// Both of the TAK API.
    pub const MARTI: Self = Self::fixed(1 | 2);
    /// Both of the TAK API, and the enrollment listener for who has a Bearer token: where the TAK API is served.
    pub const TAK: Self = Self::fixed(1 | 2 | 4);
    /// [`Listener::Enrollment`].
    pub const ENROLLMENT: Self = Self::fixed(4);
    /// [`Listener::Rest`].
    pub const REST: Self = Self::fixed(8);
    /// [`Listener::Admin`].
    pub const ADMIN: Self = Self::fixed(16);

    const fn fixed(fixed: u8) -> Self {
        Self { fixed, own: BTreeSet::new() }
    }

    /// A plugin's own listener.
    pub fn own(name: &str) -> Self {
        Self { fixed: 0, own: [Arc::from(name)].into() }
    }

    /// Nothing is served anywhere.
    pub fn is_empty(&self) -> bool {
        self.fixed == 0 && self.own.is_empty()
    }

    /// All of them, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = Listener> + '_ {
        let fixed = Listener::FIXED.into_iter().filter(|l| self.fixed & l.bit() != 0);
        fixed.chain(self.own.iter().map(|n| Listener::Own(n.clone())))
    }

    /// The first one both sets have.
    pub fn common(&self, other: &Self) -> Option<Listener> {
        let both = Self { fixed: self.fixed & other.fixed, own: &self.own & &other.own };
        both.iter().next()
    }
}

impl BitOr for Listeners {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { fixed: self.fixed | other.fixed, own: &self.own | &other.own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_join_and_meet() {
        let set = Listeners::MARTI | Listeners::own("fed_http");
        let names: Vec<_> = set.iter().map(|l| l.name().to_owned()).collect();
        assert_eq!(names, ["marti_http", "marti_https", "fed_http"]);
        assert_eq!(set.common(&Listeners::MARTI_HTTPS), Some(Listener::MartiHttps));
        assert_eq!(set.common(&Listeners::own("fed_http")), Some(Listener::Own("fed_http".into())));
        assert_eq!(set.common(&(Listeners::REST | Listeners::ADMIN | Listeners::ENROLLMENT)), None);
        assert!(Listeners::default().is_empty() && !set.is_empty());
    }
}
