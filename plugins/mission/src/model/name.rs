//! Names of missions (mission.md 1.9): what is allowed, and the key they are found by.
use crate::refusal::Refusal;

/// Characters beside letters, digits and white space. `/` is not among them: a path segment cannot hold it.
const SIGNS: &str = ".()!=@#$&^*_-+[]{}:,|\\";
/// Words that stand where a name could (3).
const RESERVED: [&str; 5] = ["all", "logs", "invitations", "hierarchy", "guid"];
/// Characters.
const LONGEST: usize = 1024;

/// The trimmed name, when a mission may be called so.
///
/// # Errors
/// 400 that says what is wrong with it.
pub fn check_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Refusal::Unsafe("the name of a mission is empty".into()));
    }
    let length = name.chars().count();
    if length > LONGEST {
        return Err(Refusal::Unsafe(format!("the name of the mission has {length} characters, {LONGEST} are allowed")));
    }
    if let Some(bad) = name.chars().find(|c| !(c.is_alphanumeric() || *c == ' ' || SIGNS.contains(*c))) {
        return Err(Refusal::Unsafe(format!(
            "a mission's name may not hold {bad:?}: letters, digits, blanks and {SIGNS}"
        )));
    }
    if RESERVED.contains(&name_key(name).as_str()) {
        return Err(Refusal::Bad(format!("{name:?} is a word of the API's paths: choose another name")));
    }
    Ok(name.to_owned())
}

/// What a name is compared by: case does not matter.
pub fn name_key(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ac_08_reserved_words_slashes_and_long_names_are_refused() {
        for name in ["logs", " GUID ", "all", "a/b", "", "  ", "x\ny", "a\"b", &"x".repeat(1025)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["Flood North", "Überflutung", "a.b(c)!=@#$&^*_-+[]{}:,|\\", &"x".repeat(1024), "logs 2"] {
            assert_eq!(check_name(name).unwrap(), name);
        }
        assert_eq!((check_name(" x ").unwrap().as_str(), name_key(" FLOOD ").as_str()), ("x", "flood"));
    }
}
