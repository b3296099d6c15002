//! The addresses and ports that deliveries may be sent to.

use super::ConfigError;
use super::variables::{Lookup, parsed};
use crate::domain::address::AddressPolicy;
use crate::domain::egress_rules::EgressRules;

pub(super) fn address_policy(lookup: Lookup<'_>) -> Result<AddressPolicy, ConfigError> {
    let rules = EgressRules::new(
        parsed(lookup, "ALLOWED_PORTS")?.unwrap_or_default(),
        parsed(lookup, "BLOCKED_CIDRS")?.unwrap_or_default(),
        parsed(lookup, "ALLOWED_PRIVATE_CIDRS")?.unwrap_or_default(),
    );
    match lookup("ALLOW_LOOPBACK_TARGETS").as_deref() {
        None | Some("false") if rules.are_default() => Ok(AddressPolicy::PublicOnly),
        // Leaked, so that a policy is `Copy`. It is read once, at the start of the process, and
        // needed until its end.
        None | Some("false") => Ok(AddressPolicy::Operated(Box::leak(Box::new(rules)))),
        Some("true") => Ok(AddressPolicy::PublicAndLoopback),
        Some(value) => Err(ConfigError::Invalid {
            name: "ALLOW_LOOPBACK_TARGETS",
            value: value.to_owned(),
            takes: "true or false".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(variables: &[(&str, &str)]) -> AddressPolicy {
        let lookup = |name: &str| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            Some((*value).to_owned())
        };
        address_policy(&lookup).unwrap()
    }

    #[test]
    fn template_and_code_defaults_agree() {
        let defaults = [
            ("ALLOWED_PORTS", "443,1024-65535"),
            ("BLOCKED_CIDRS", ""),
            ("ALLOWED_PRIVATE_CIDRS", ""),
        ];
        assert_eq!(policy(&defaults), AddressPolicy::PublicOnly);
        assert_eq!(policy(&[]), AddressPolicy::PublicOnly);
    }

    #[test]
    fn each_variable_changes_its_own_part() {
        let permits = |policy: AddressPolicy, text: &str| policy.permits(text.parse().unwrap());
        let ports = policy(&[("ALLOWED_PORTS", "443")]);
        assert!(ports.check_port(8443).is_err() && permits(ports, "1.1.1.1"));
        let blocked = policy(&[("BLOCKED_CIDRS", "1.1.1.0/24")]);
        assert!(!permits(blocked, "1.1.1.1") && blocked.check_port(8443).is_ok());
        let opened = policy(&[("ALLOWED_PRIVATE_CIDRS", "10.0.0.0/16")]);
        assert!(permits(opened, "10.0.0.1") && !permits(opened, "10.1.0.0"));
    }

    #[test]
    fn loopback_setting_overrides_the_others() {
        let both = [("ALLOW_LOOPBACK_TARGETS", "true"), ("ALLOWED_PORTS", "443")];
        assert_eq!(policy(&both), AddressPolicy::PublicAndLoopback);
    }
}
