//! Which calls API keys and sessions allow.

use serde::{Deserialize, Serialize};

use super::id::{AppId, EndpointId};
use super::session::SessionScope;

/// What a key of one app allows within that app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Every call on the app's endpoints, events and history.
    All,
    /// Endpoints, history, resending, recovering and replaying: everything but publishing.
    Manage,
    /// Publishing events and deleting their payloads, and nothing else.
    Publish,
    /// Reading endpoints, events and history.
    Read,
}

/// The owner of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The platform, which acts for all of its apps.
    Platform,
    /// One app.
    App(AppId),
}

/// What a key allows, and for which app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Managing apps and their keys, and publishing in every app. Not endpoints and history,
    /// for which the platform can make a key of the app; except in the reserved app of
    /// operational webhooks, which belongs to the platform.
    Platform,
    /// Calls on one app.
    App {
        /// The only app that the key reaches.
        app_id: AppId,
        /// What the key allows within the app.
        scope: Scope,
    },
    /// A portal session: calls on one app, or on one of its endpoints.
    Session {
        /// The only app that the session reaches.
        app_id: AppId,
        /// What the session allows within the app.
        scope: SessionScope,
        /// The only endpoint that the session reaches. `None`: all of the app.
        endpoint: Option<EndpointId>,
    },
}

/// What a call requires of the caller's key. Each variant is named after the narrowest scope
/// that meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// A platform key.
    Platform,
    /// Changing endpoints, or causing deliveries to them.
    Manage,
    /// Publishing events, or deleting their payloads.
    Publish,
    /// Reading.
    Read,
    /// Any valid key, whatever it allows.
    Any,
}

impl Scope {
    /// All scopes with their names.
    pub const NAMES: [(&str, Self); 4] = [
        ("all", Self::All),
        ("manage", Self::Manage),
        ("publish", Self::Publish),
        ("read", Self::Read),
    ];

    /// Parses a scope's name.
    ///
    /// # Errors
    /// A message for the caller, with the valid names.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let found = Self::NAMES.into_iter().find(|(name, _)| *name == text);
        found
            .map(|(_, scope)| scope)
            .ok_or("must be all, manage, publish or read")
    }

    /// The name used in the API and the table.
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
    /// The name of the missing scope, for the error if a key does not allow the call.
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
    /// Whether the key allows calls with this need, in any app but the reserved one.
    #[must_use]
    pub const fn allows(self, need: Need) -> bool {
        match self {
            Self::Platform => matches!(need, Need::Platform | Need::Publish | Need::Any),
            Self::App { scope, .. } => scope.allows(need),
            Self::Session { scope, .. } => scope.as_scope().allows(need),
        }
    }

    /// Whether the key allows calls with this need on this app, which it has to reach.
    #[must_use]
    pub fn allows_on(self, app: AppId, need: Need) -> bool {
        let concerns_endpoints = matches!(need, Need::Manage | Need::Read);
        match self {
            Self::Platform if app.is_operational() && concerns_endpoints => true,
            _ => self.allows(need),
        }
    }

    /// Whether the key reaches this app at all. Keys and sessions of the reserved app can't be
    /// made; if one is stored anyway, it reaches nothing.
    #[must_use]
    pub fn reaches(self, app: AppId) -> bool {
        match self {
            Self::Platform => true,
            Self::App { app_id, .. } | Self::Session { app_id, .. } => {
                app_id == app && !app.is_operational()
            }
        }
    }

    /// The only endpoint that the key reaches. `None`: all of the app.
    #[must_use]
    pub const fn only_endpoint(self) -> Option<EndpointId> {
        match self {
            Self::Platform | Self::App { .. } => None,
            Self::Session { endpoint, .. } => endpoint,
        }
    }

    /// Whom the key belongs to.
    #[must_use]
    pub const fn owner(self) -> Owner {
        match self {
            Self::Platform => Owner::Platform,
            Self::App { app_id, .. } | Self::Session { app_id, .. } => Owner::App(app_id),
        }
    }

    /// The name of the scope, as the API shows it.
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
        // `platform` is not a scope that a key of an app can have.
        for unknown in ["platform", "ALL", "", "all,read"] {
            assert!(Scope::parse(unknown).is_err());
        }
    }
}
