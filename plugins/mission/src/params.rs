//! Query parameters as clients send them: names in any case (iTAK writes `CreatorUid`), several values repeated or joined
//! by commas, numbers and flags as text. One place, so that every endpoint reads them the same way.
use fts_plugin_api::sdk::Request;

use crate::{model::Role, refusal::Refusal};

/// The first value of a parameter; None when absent.
pub fn text<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.head().query.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

/// The first value that is not empty.
pub fn filled<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    text(request, name).map(str::trim).filter(|v| !v.is_empty())
}

/// A value that must be there.
///
/// # Errors
/// 400 that names it.
pub fn required<'a>(request: &'a Request, name: &str) -> Result<&'a str, Refusal> {
    filled(request, name).ok_or_else(|| Refusal::Bad(format!("the parameter {name} is missing")))
}

/// Every value, as sent.
pub fn repeated(request: &Request, name: &str) -> Vec<String> {
    let all = request.head().query.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    all.map(|(_, v)| v.clone()).collect()
}

/// Every value; one parameter may hold several, joined by commas.
pub fn list(request: &Request, name: &str) -> Vec<String> {
    let all = repeated(request, name);
    let parts = all.iter().flat_map(|v| v.split(',')).map(str::trim).filter(|v| !v.is_empty());
    parts.map(str::to_owned).collect()
}

/// A flag; `default` when absent or empty.
///
/// # Errors
/// 400 when it is neither `true` nor `false`.
pub fn flag(request: &Request, name: &str, default: bool) -> Result<bool, Refusal> {
    match filled(request, name) {
        None => Ok(default),
        Some(v) if v.eq_ignore_ascii_case("true") => Ok(true),
        Some(v) if v.eq_ignore_ascii_case("false") => Ok(false),
        Some(v) => Err(Refusal::Bad(format!("{name}={v}: true or false is expected"))),
    }
}

/// A whole number; None when absent or empty.
///
/// # Errors
/// 400 when it is none.
pub fn number(request: &Request, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(text) = filled(request, name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Refusal::Bad(format!("{name}={text}: a whole number is expected")))
}

/// A role by name; None when absent or empty.
///
/// # Errors
/// 400 when there is no such role.
pub fn role(request: &Request, name: &str) -> Result<Option<Role>, Refusal> {
    let Some(text) = filled(request, name) else { return Ok(None) };
    let none = || Refusal::Bad(format!("{name}={text}: there is no such role"));
    Role::named(text).map(Some).ok_or_else(none)
}

/// `creatorUid`, the author of what is done; "" when absent.
pub fn creator(request: &Request) -> &str {
    filled(request, "creatorUid").unwrap_or("")
}

/// Has the request a JSON body?
pub fn is_json(request: &Request) -> bool {
    request.header("content-type").is_some_and(|t| t.to_ascii_lowercase().contains("application/json"))
}

/// A form in the body, decoded: empty when the body is something else or is no text.
///
/// # Errors
/// 413: it is longer than 64 KiB.
pub fn form(request: &mut Request) -> Result<Vec<(String, String)>, Refusal> {
    let is_form = request.header("content-type").is_some_and(|t| t.to_ascii_lowercase().contains("form-urlencoded"));
    if !is_form || request.body_len() == 0 {
        return Ok(Vec::new());
    }
    let body = String::from_utf8(request.bytes(64 << 10)?).unwrap_or_default();
    let pairs = body.split('&').filter(|pair| !pair.is_empty());
    Ok(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decoded(n), decoded(v))).collect())
}

/// `+` and `%41` of a form; what is no escape stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let escape =
            text.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(escape.unwrap_or(if *byte == b'+' { b' ' } else { *byte }));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn forms_are_decoded_and_what_is_no_escape_stays() {
        for (text, wanted) in [("a+b", "a b"), ("%41%c3%a9", "Aé"), ("%4", "%4"), ("%zz%", "%zz%"), ("é%20", "é ")] {
            assert_eq!(decoded(text), wanted);
        }
    }
}
