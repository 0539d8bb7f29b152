//! The audit log for the `fts` command and administrators.
use crate::{
    http::{
        answer::{Answer, HandlerError},
        call::Call,
        native::Native,
    },
    identity::{accounts::AccountError, audit::Wanted},
};

/// Rows without `limit`.
const LIMIT: usize = 200;

/// Rows, newest first.
pub fn rows(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let text = |name: &str| call.query.get_any_case(name).filter(|v| !v.is_empty()).map(str::to_owned);
    let number = |name: &str| {
        let bad = |v: String| HandlerError::bad_request(format!("{name} {v:?}: a whole number"));
        text(name).map(|v| v.parse::<i64>().map_err(|_| bad(v))).transpose()
    };
    let limit = number("limit")?.map_or(LIMIT, |n| usize::try_from(n).unwrap_or(1));
    let wanted = Wanted { since: number("since")?, action: text("action"), who: text("who"), limit };
    let rows = native.accounts.audit.rows(&wanted).map_err(AccountError::from)?;
    Ok(Answer::json(&rows.into()))
}
