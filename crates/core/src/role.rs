//! The built-in roles (api.md, Permissions).

use crate::scope::ScopeSet;

/// A role that Keywright brings along. A publisher's own roles have only the permissions in their rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltInRole {
    /// Everything, everywhere; of no publisher.
    PlatformAdmin,
    /// Everything within its publisher.
    PublisherAdmin,
    /// Makes personal tokens and sees what is there, plus what the publisher adds.
    PublisherEditor,
    /// Sees.
    PublisherViewer,
}

impl BuiltInRole {
    /// Those that each publisher has from its beginning on.
    pub const OF_A_PUBLISHER: [Self; 3] =
        [Self::PublisherAdmin, Self::PublisherEditor, Self::PublisherViewer];

    /// The name in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "platform_admin",
            Self::PublisherAdmin => "publisher_admin",
            Self::PublisherEditor => "publisher_editor",
            Self::PublisherViewer => "publisher_viewer",
        }
    }

    /// Reads [`BuiltInRole::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::PlatformAdmin, Self::PublisherAdmin, Self::PublisherEditor, Self::PublisherViewer]
            .into_iter()
            .find(|role| role.as_str() == text)
    }

    /// What it is for, in words.
    pub const fn description(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "Everything, everywhere",
            Self::PublisherAdmin => "Everything within the publisher",
            Self::PublisherEditor => "Makes personal tokens, sees accounts, tokens and events",
            Self::PublisherViewer => "Sees accounts, tokens, members and alerts",
        }
    }

    /// Whether a publisher may add permissions of its own.
    pub const fn may_be_extended(self) -> bool {
        matches!(self, Self::PublisherEditor)
    }

    /// What it grants by itself.
    pub fn permissions(self) -> ScopeSet {
        let texts: &[&str] = match self {
            Self::PlatformAdmin | Self::PublisherAdmin => &["*"],
            Self::PublisherEditor => {
                &["personal_tokens:write", "service_accounts:read", "tokens:read", "audit:read"]
            }
            Self::PublisherViewer => {
                &["service_accounts:read", "tokens:read", "users:read", "monitoring:read"]
            }
        };
        ScopeSet::parse(texts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_name_and_grants_something() {
        for role in BuiltInRole::OF_A_PUBLISHER.into_iter().chain([BuiltInRole::PlatformAdmin]) {
            assert_eq!(BuiltInRole::parse(role.as_str()), Some(role));
            assert!(!role.permissions().is_empty(), "{role:?}");
        }
        assert!(
            BuiltInRole::PublisherAdmin.permissions().covers_all(&BuiltInRole::PublisherEditor.permissions())
        );
        assert!(!BuiltInRole::PublisherEditor.permissions().covers(&"tokens:admin".parse().unwrap()));
    }
}
