//! What API keys allow, and what calls need of them.

use serde::{Deserialize, Serialize};

use super::id::{AppId, EndpointId};
use super::session::SessionScope;

/// What a key of one app allows within this app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Every call on the app's endpoints, events and history.
    All,
    /// Endpoints, history, resending, recovering and replaying: everything but publishing.
    Manage,
    /// Publishing events and deleting what they say, and nothing else.
    Publish,
    /// Looking at endpoints, events and history.
    Read,
}

/// Whose a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The platform, which acts for all of its apps.
    Platform,
    /// One app.
    App(AppId),
}

/// What a key allows, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Apps, their keys, and publishing, in every app. Not an app's endpoints and
    /// history: who needs those makes a key of the app. Except for the reserved app
    /// of operational webhooks, whose endpoints and history are the platform's.
    Platform,
    /// Calls on one app.
    App {
        /// The only app that the key reaches.
        app_id: AppId,
        /// What it allows there.
        scope: Scope,
    },
    /// A portal session: calls on one app, or on one of its endpoints.
    Session {
        /// The only app that the session reaches.
        app_id: AppId,
        /// What it allows there.
        scope: SessionScope,
        /// The only endpoint that it reaches, if it is not for all of them.
        endpoint: Option<EndpointId>,
    },
}

/// What a call needs of its caller's key. The names are those of the scope that
/// grants the least beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// The platform's key.
    Platform,
    /// To change endpoints, or to have something sent to them.
    Manage,
    /// To publish, or to delete what was published.
    Publish,
    /// To look.
    Read,
    /// Any valid key, whatever it allows.
    Any,
}

impl Scope {
    /// Every scope, with its name.
    pub const NAMES: [(&str, Self); 4] = [
        ("all", Self::All),
        ("manage", Self::Manage),
        ("publish", Self::Publish),
        ("read", Self::Read),
    ];

    /// Reads a scope by its name.
    ///
    /// # Errors
    /// A sentence that lists the names.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let found = Self::NAMES.into_iter().find(|(name, _)| *name == text);
        found
            .map(|(_, scope)| scope)
            .ok_or("must be all, manage, publish or read")
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Manage => "manage",
            Self::Publish => "publish",
            Self::Read => "read",
        }
    }

    const fn allows(self, need: Need) -> bool {
        match self {
            Self::All => !matches!(need, Need::Platform),
            Self::Manage => matches!(need, Need::Manage | Need::Read | Need::Any),
            Self::Publish => matches!(need, Need::Publish | Need::Any),
            Self::Read => matches!(need, Need::Read | Need::Any),
        }
    }
}

impl Need {
    /// The name of the scope that a key lacks if it does not allow the call.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Manage => "manage",
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Any => "any",
        }
    }
}

impl Grant {
    /// Whether a call with this need may be made.
    #[must_use]
    pub const fn allows(self, need: Need) -> bool {
        match self {
            Self::Platform => matches!(need, Need::Platform | Need::Publish | Need::Any),
            Self::App { scope, .. } => scope.allows(need),
            Self::Session { scope, .. } => scope.as_scope().allows(need),
        }
    }

    /// Whether a call with this need may be made on this app, which the key reaches.
    #[must_use]
    pub fn allows_on(self, app: AppId, need: Need) -> bool {
        let of_its_own = matches!(need, Need::Manage | Need::Read);
        match self {
            Self::Platform if app.is_operational() && of_its_own => true,
            _ => self.allows(need),
        }
    }

    /// Whether the key reaches this app at all. Keys and sessions of the reserved app
    /// can't be made, so one that is stored all the same reaches nothing.
    #[must_use]
    pub fn reaches(self, app: AppId) -> bool {
        match self {
            Self::Platform => true,
            Self::App { app_id, .. } | Self::Session { app_id, .. } => {
                app_id == app && !app.is_operational()
            }
        }
    }

    /// The only endpoint that the key reaches. `None` if it is not limited to one.
    #[must_use]
    pub const fn only_endpoint(self) -> Option<EndpointId> {
        match self {
            Self::Platform | Self::App { .. } => None,
            Self::Session { endpoint, .. } => endpoint,
        }
    }

    /// Whose key it is.
    #[must_use]
    pub const fn owner(self) -> Owner {
        match self {
            Self::Platform => Owner::Platform,
            Self::App { app_id, .. } | Self::Session { app_id, .. } => Owner::App(app_id),
        }
    }

    /// The name of what it allows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => Need::Platform.as_str(),
            Self::App { scope, .. } => scope.as_str(),
            Self::Session { scope, .. } => scope.as_scope().as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_allow_what_this_table_says() {
        let app_id = AppId::new();
        let of_app = |scope| Grant::App { app_id, scope };
        let session = |scope| Grant::Session {
            app_id,
            scope,
            endpoint: None,
        };
        let needs = [
            Need::Platform,
            Need::Manage,
            Need::Publish,
            Need::Read,
            Need::Any,
        ];
        for (grant, allowed) in [
            (Grant::Platform, [true, false, true, false, true]),
            (of_app(Scope::All), [false, true, true, true, true]),
            (of_app(Scope::Manage), [false, true, false, true, true]),
            (of_app(Scope::Publish), [false, false, true, false, true]),
            (of_app(Scope::Read), [false, false, false, true, true]),
            (
                session(SessionScope::Manage),
                [false, true, false, true, true],
            ),
            (
                session(SessionScope::Read),
                [false, false, false, true, true],
            ),
        ] {
            assert_eq!(needs.map(|need| grant.allows(need)), allowed, "{grant:?}");
        }
    }

    #[test]
    fn keys_of_an_app_reach_no_other_app() {
        let app_id = AppId::new();
        let key = Grant::App {
            app_id,
            scope: Scope::All,
        };
        let session = Grant::Session {
            app_id,
            scope: SessionScope::Manage,
            endpoint: None,
        };
        for grant in [key, session] {
            assert!(grant.reaches(app_id) && !grant.reaches(AppId::new()));
        }
        assert!(Grant::Platform.reaches(app_id));
    }

    #[test]
    fn only_the_platforms_key_reaches_the_reserved_app() {
        let app_id = AppId::operational();
        let key = Grant::App {
            app_id,
            scope: Scope::All,
        };
        let session = Grant::Session {
            app_id,
            scope: SessionScope::Manage,
            endpoint: None,
        };
        assert!(!key.reaches(app_id) && !session.reaches(app_id));
        assert!(Grant::Platform.reaches(app_id));
        for need in [Need::Platform, Need::Manage, Need::Read, Need::Any] {
            assert!(Grant::Platform.allows_on(app_id, need), "{need:?}");
        }
        for need in [Need::Manage, Need::Read] {
            assert!(!Grant::Platform.allows_on(AppId::new(), need), "{need:?}");
        }
    }

    #[test]
    fn names_are_parsed_as_they_are_shown() {
        for (name, scope) in Scope::NAMES {
            assert_eq!(Scope::parse(name), Ok(scope));
            assert_eq!(scope.as_str(), name);
        }
        // No app's key can be made with this scope.
        for unknown in ["platform", "ALL", "", "all,read"] {
            assert!(Scope::parse(unknown).is_err());
        }
    }
}
