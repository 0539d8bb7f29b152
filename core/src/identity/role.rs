//! [`Role`], [`Scope`]: what a user and a token may do (identity.md 7). TAK Server's and FreeTAKServer's names of roles
//! are understood, ours are written.

/// What a user may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// What users do.
    #[default]
    User,
    /// Looking only.
    ReadOnly,
}

impl Role {
    /// As it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::ReadOnly => "readonly",
        }
    }

    /// Of a name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "admin" | "role_admin" => Some(Self::Admin),
            "readonly" | "role_readonly" => Some(Self::ReadOnly),
            "user" | "role_anonymous" | "anonymous" => Some(Self::User),
            _ => None,
        }
    }

    /// What it is good for where scopes are asked for and no token says less.
    pub fn scopes(self) -> Scopes {
        match self {
            Self::Admin => Scopes::of(&[Scope::Admin]),
            Self::User => Scopes::of(&[Scope::Read, Scope::Write]),
            Self::ReadOnly => Scopes::of(&[Scope::Read]),
        }
    }
}

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Reading.
    Read = 1,
    /// Making events, uploading.
    Write = 2,
    /// Users, services, everything else; includes the other two.
    Admin = 4,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// As it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// The scopes of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// These.
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | *scope as u8))
    }

    /// This one, or admin.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (scope as u8 | Scope::Admin as u8) != 0
    }

    /// Any at all?
    pub const fn any(self) -> bool {
        self.0 != 0
    }

    /// `read write`: as OAuth writes a scope, and as it is stored.
    pub fn text(self) -> String {
        let named: Vec<_> = Scope::ALL.into_iter().filter(|s| self.0 & *s as u8 != 0).map(Scope::name).collect();
        named.join(" ")
    }

    /// Of names with spaces or commas between them; None = one is no scope.
    pub fn named(text: &str) -> Option<Self> {
        let mut bits = 0;
        for name in text.split([' ', ',']).filter(|n| !n.is_empty()) {
            bits |= Scope::ALL.into_iter().find(|s| s.name() == name.to_ascii_lowercase())? as u8;
        }
        Some(Self(bits))
    }

    /// What a token with these scopes makes of its owner: without admin nobody is an administrator, with read only
    /// nobody writes.
    pub const fn role(self, owner: Role) -> Role {
        match owner {
            Role::ReadOnly => Role::ReadOnly,
            _ if !self.has(Scope::Write) => Role::ReadOnly,
            Role::Admin if self.has(Scope::Admin) => Role::Admin,
            _ => Role::User,
        }
    }

    /// What of these the owner's role allows: readonly never writes, whatever its token says.
    pub(crate) fn within(self, owner: Role) -> Self {
        match owner {
            Role::ReadOnly if self.any() => Self::of(&[Scope::Read]),
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_makes_nobody_more_than_it_says() {
        let scopes = |text: &str| Scopes::named(text).unwrap();
        for (token, owner, role, left) in [
            ("admin", Role::Admin, Role::Admin, "admin"),
            ("read write", Role::Admin, Role::User, "read write"),
            ("read", Role::Admin, Role::ReadOnly, "read"),
            ("read", Role::User, Role::ReadOnly, "read"),
            ("admin", Role::User, Role::User, "admin"),
            ("admin", Role::ReadOnly, Role::ReadOnly, "read"),
        ] {
            assert_eq!(
                (scopes(token).role(owner), scopes(token).within(owner).text().as_str()),
                (role, left),
                "{token}"
            );
        }
        assert_eq!(Scopes::named("read,write,READ").unwrap().text(), "read write");
        assert_eq!((Scopes::named("root"), Scopes::named("").unwrap().any()), (None, false));
        for role in [Role::Admin, Role::User, Role::ReadOnly] {
            assert_eq!(Role::named(role.name()), Some(role));
        }
        assert_eq!((Role::named("ROLE_ADMIN"), Role::named("root")), (Some(Role::Admin), None));
    }
}
