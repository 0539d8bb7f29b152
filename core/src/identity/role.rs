//! [`Role`], [`Scope`]: what a user and a token may do (identity.md 7).

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
    pub(crate) const fn name(self) -> &'static str {
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

    pub(crate) const fn any(self) -> bool {
        self.0 != 0
    }
}
