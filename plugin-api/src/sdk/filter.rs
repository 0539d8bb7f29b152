//! [`Filter`]: which events a handler is asked about. Others never cross into the plugin.

/// Types and detail elements; one match is enough.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub(super) types: Vec<String>,
    pub(super) details: Vec<String>,
    pub(super) own: bool,
}

/// No events at all: what an intercept listens to until [`super::Host::listen_to`] says more.
pub fn nothing() -> Filter {
    Filter::default()
}

/// Events of these types: `b-t-f` exactly that, `b-t-f*` everything that begins so, `*` everything.
pub fn types<S: Into<String>>(patterns: impl IntoIterator<Item = S>) -> Filter {
    Filter { types: patterns.into_iter().map(Into::into).collect(), ..Filter::default() }
}

/// Events with one of these elements directly in their `<detail>`.
pub fn details<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Filter {
    Filter { details: names.into_iter().map(Into::into).collect(), ..Filter::default() }
}

impl Filter {
    /// Both.
    #[must_use]
    pub fn or(mut self, other: Filter) -> Self {
        self.types.extend(other.types);
        self.details.extend(other.details);
        self.own |= other.own;
        self
    }

    /// Also events this plugin sends itself.
    #[must_use]
    pub fn own(mut self) -> Self {
        self.own = true;
        self
    }

    pub(super) fn name(&self) -> String {
        let all: Vec<_> = self.types.iter().cloned().chain(self.details.iter().map(|d| format!("<{d}>"))).collect();
        all.join(" ")
    }
}

impl From<&str> for Filter {
    fn from(pattern: &str) -> Self {
        types([pattern])
    }
}

impl<const N: usize> From<[&str; N]> for Filter {
    fn from(patterns: [&str; N]) -> Self {
        types(patterns)
    }
}
