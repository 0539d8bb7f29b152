//! Who starts before whom: what a plugin requires, and what it uses when it is there.
use std::collections::{BTreeMap, BTreeSet};

/// What a plugin says it needs.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Its own version.
    pub version: String,
    /// `mission` or `mission >= 1`.
    pub requires: Vec<String>,
    /// Names.
    pub uses: Vec<String>,
}

/// Name and smallest version of a requirement.
fn parse(requirement: &str) -> (&str, Vec<u64>) {
    match requirement.split_once(">=") {
        Some((name, version)) => (name.trim(), numbers(version)),
        None => (requirement.trim(), Vec::new()),
    }
}

fn numbers(version: &str) -> Vec<u64> {
    let digits = |part: &str| part.trim().chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    version.split('.').map_while(digits).collect()
}

/// The order to start in, and who cannot start and why.
pub fn order(all: &BTreeMap<String, Needs>) -> (Vec<String>, BTreeMap<String, String>) {
    let mut refused = BTreeMap::new();
    loop {
        let before = refused.len();
        for (name, needs) in all.iter().filter(|(n, _)| !refused.contains_key(*n)).collect::<Vec<_>>() {
            let missing = needs.requires.iter().find_map(|r| {
                let (other, least) = parse(r);
                match all.get(other).filter(|_| !refused.contains_key(other)) {
                    None => {
                        Some(format!("needs the plugin {other}, which is not running — enable it, or take {name} out"))
                    }
                    Some(found) if numbers(&found.version) < least => {
                        Some(format!("needs {r}, there is {other} {}", found.version))
                    }
                    Some(_) => None,
                }
            });
            if let Some(why) = missing {
                refused.insert(name.clone(), why);
            }
        }
        if refused.len() == before {
            break;
        }
    }
    let mut sorted: Vec<String> = Vec::new();
    let mut left: BTreeSet<&String> = all.keys().filter(|n| !refused.contains_key(*n)).collect();
    while !left.is_empty() {
        let waits_for = |name: &str, which: &[String], left: &BTreeSet<&String>| {
            which.iter().any(|r| parse(r).0 != name && left.iter().any(|l| *l == parse(r).0))
        };
        let ready = left
            .iter()
            .find(|n| !waits_for(n, &all[**n].requires, &left) && !waits_for(n, &all[**n].uses, &left))
            // Who only uses each other starts in any order.
            .or_else(|| left.iter().find(|n| !waits_for(n, &all[**n].requires, &left)))
            .copied();
        match ready {
            Some(name) => {
                left.remove(name);
                sorted.push(name.clone());
            }
            None => {
                for name in std::mem::take(&mut left) {
                    refused.insert(
                        name.clone(),
                        format!("requires a plugin that requires it: {}", all[name].requires.join(", ")),
                    );
                }
            }
        }
    }
    (sorted, refused)
}

/// Who requires this plugin, directly or not, in the order to stop them in.
pub fn dependents(all: &BTreeMap<String, Needs>, name: &str) -> Vec<String> {
    let (sorted, _) = order(all);
    let mut found: Vec<String> = vec![name.to_owned()];
    for other in sorted {
        if all[&other].requires.iter().any(|r| found.iter().any(|f| f == parse(r).0)) && !found.contains(&other) {
            found.push(other);
        }
    }
    found.reverse();
    found.pop();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(list: &[(&str, &str, &[&str], &[&str])]) -> BTreeMap<String, Needs> {
        let own = |l: &[&str]| l.iter().map(|t| (*t).to_owned()).collect();
        let needs = |(name, version, requires, uses): &(&str, &str, &[&str], &[&str])| {
            ((*name).to_owned(), Needs { version: (*version).to_owned(), requires: own(requires), uses: own(uses) })
        };
        list.iter().map(needs).collect()
    }

    #[test]
    fn requirements_start_first() {
        let all = all(&[
            ("excheck", "1.0.0", &["mission >= 1"], &[]),
            ("kml", "1.0.0", &[], &["mission"]),
            ("mission", "1.2.0", &[], &[]),
        ]);
        assert_eq!(order(&all).0, ["mission", "excheck", "kml"]);
        assert_eq!(dependents(&all, "mission"), ["excheck"]);
    }

    #[test]
    fn what_is_missing_too_old_or_a_circle_is_refused_with_its_name() {
        let all = all(&[
            ("a", "1.0.0", &["gone"], &[]),
            ("b", "1.0.0", &["a"], &[]),
            ("c", "1.0.0", &["d >= 1.10"], &[]),
            ("d", "1.9.0", &[], &["e"]),
            ("e", "1.0.0", &[], &["d"]),
            ("x", "1.0.0", &["y"], &[]),
            ("y", "1.0.0", &["x"], &[]),
        ]);
        let (sorted, refused) = order(&all);
        assert_eq!(sorted, ["d", "e"]);
        assert!(refused["a"].contains("needs the plugin gone") && refused["b"].contains("needs the plugin a"));
        assert_eq!(refused["c"], "needs d >= 1.10, there is d 1.9.0");
        assert!(refused["x"].contains("requires a plugin that requires it") && refused.contains_key("y"));
    }
}
