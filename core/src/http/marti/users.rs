//! User management as TAK Server's web pages do it (identity.md 8.4): the shapes are its own, the work is that of the
//! accounts. Groups that are named and not there are made, as TAK Server does. Passwords made here are in the answer that
//! made them and nowhere else.
use std::collections::BTreeMap;

use axum::http::{HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    http::{
        answer::{Answer, HandlerError},
        auth::Auth,
        call::Call,
        listener::Listeners,
        native::{Book, Native},
    },
    identity::{
        accounts::{AccountError, Direction, NewUser, Secret, User},
        audit::Actor,
    },
    session::channels::Cause,
};

const JSON: &str = "application/json";
const BODY: u64 = 256 << 10;
/// Users one request makes: each password costs a hashing.
const MOST: i64 = 100;

/// Its routes: administrators only, never in the clear.
pub fn routes(book: &mut Book) {
    let mut on = |method: Method, path, endpoint, about, statuses: &[(u16, &'static str)]| {
        let at = Listeners::MARTI_HTTPS | Listeners::ENROLLMENT;
        let takes = method == Method::POST || method == Method::PUT;
        let page = book.on(method, path, at, Auth::RoleAdmin, endpoint).about(about);
        let page = if takes { page.takes(JSON, BODY) } else { page };
        statuses.iter().fold(page, |page, (status, kind)| page.answers(*status, kind));
    };
    let (read, changed) = ([(200, JSON), (404, JSON)], [(200, ""), (400, JSON), (404, JSON)]);
    on(Method::GET, "/user-management/api/list-users", list, "Names of users", &read[..1]);
    on(Method::GET, "/user-management/api/get-groups-for-user/{user}", groups_of, "Groups of a user", &read);
    on(Method::POST, "/user-management/api/new-user", new_user, "Makes a user", &[(200, ""), (400, JSON), (409, JSON)]);
    on(
        Method::POST,
        "/user-management/api/new-users",
        new_users,
        "Makes many users",
        &[(200, JSON), (400, JSON), (409, JSON)],
    );
    on(Method::PUT, "/user-management/api/change-user-password", password, "Another password", &changed);
    on(Method::PUT, "/user-management/api/update-groups", update_groups, "Other groups of a user", &changed);
    on(
        Method::DELETE,
        "/user-management/api/delete-user/{name}",
        crate::http::admin::remove_user,
        "Removes a user",
        &read,
    );
    on(Method::GET, "/user-management/api/list-groupnames", group_names, "Names of groups", &read[..1]);
    on(Method::GET, "/user-management/api/users-in-group/{group}", users_in, "Users of a group", &read);
    on(Method::PUT, "/user-management/api/update-group-users", update_users, "Other users of a group", &changed);
}

fn body<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, HandlerError> {
    let body = call.body.bytes(BODY).map_err(|e| HandlerError::bad_request(e.to_string()))?;
    serde_json::from_slice(&body).map_err(|e| HandlerError::bad_request(format!("the body must be JSON: {e}")))
}

/// Three lists: both ways, only sending, only receiving.
#[derive(Clone, Debug, Default, Deserialize)]
struct Lists {
    #[serde(default, rename = "groupList", alias = "usersInGroupList")]
    both: Vec<String>,
    #[serde(default, rename = "groupListIN", alias = "usersInGroupListIN")]
    sends: Vec<String>,
    #[serde(default, rename = "groupListOUT", alias = "usersInGroupListOUT")]
    receives: Vec<String>,
}

impl Lists {
    fn pairs(&self) -> Vec<(String, Direction)> {
        let of = |names: &[String], d| names.iter().map(|n| (n.clone(), d)).collect::<Vec<_>>();
        let both = Direction::BOTH.into_iter().flat_map(|d| of(&self.both, d));
        both.chain(of(&self.sends, Direction::In)).chain(of(&self.receives, Direction::Out)).collect()
    }

    fn of(pairs: impl IntoIterator<Item = (String, Direction)>) -> Self {
        let mut by_name: BTreeMap<String, Vec<Direction>> = BTreeMap::new();
        pairs.into_iter().for_each(|(name, d)| by_name.entry(name).or_default().push(d));
        let mut lists = Self::default();
        for (name, directions) in by_name {
            match directions[..] {
                [Direction::In] => lists.sends.push(name),
                [Direction::Out] => lists.receives.push(name),
                _ => lists.both.push(name),
            }
        }
        lists
    }
}

/// Groups that are named and not there are made.
fn make_groups(native: &Native, lists: &Lists, actor: &Actor) -> Result<(), HandlerError> {
    let mut made = false;
    for (name, _) in lists.pairs() {
        if native.accounts.group(&name).is_none() {
            native.accounts.add_group(&name, "", actor)?;
            made = true;
        }
    }
    if made {
        native.sessions.groups_changed();
    }
    Ok(())
}

fn named(native: &Native, name: &str) -> Result<User, AccountError> {
    native.accounts.user(name)?.ok_or_else(|| AccountError::NoUser(name.to_owned()))
}

fn list(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let users = native.accounts.users().map_err(AccountError::from)?;
    Ok(Answer::json(&users.iter().map(|u| json!({"username": &*u.name})).collect()))
}

fn groups_of(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let user = named(native, call.params.get("user").unwrap_or_default())?;
    let groups = native.accounts.own_groups(user.id).map_err(AccountError::from)?;
    let lists = Lists::of(groups.into_iter().map(|(name, d)| (name.to_string(), d)));
    Ok(Answer::json(&json!({
        "username": &*user.name, "groupList": lists.both, "groupListIN": lists.sends, "groupListOUT": lists.receives,
    })))
}

#[derive(Deserialize)]
struct One {
    username: String,
    #[serde(default)]
    password: String,
    #[serde(flatten)]
    groups: Lists,
}

fn add(native: &Native, name: &str, password: Secret, groups: &Lists, actor: &Actor) -> Result<(), HandlerError> {
    let new = NewUser { name: name.to_owned(), password: Some(password), ..NewUser::default() };
    native.accounts.add_user(new, actor)?;
    native.accounts.set_groups(name, &groups.pairs(), actor)?;
    native.sessions.users_changed(&[name], Cause::default());
    Ok(())
}

fn new_user(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (wanted, actor) = (body::<One>(&call)?, call.actor());
    make_groups(native, &wanted.groups, &actor)?;
    add(native, &wanted.username, Secret::new(wanted.password), &wanted.groups, &actor)?;
    Ok(Answer::empty(StatusCode::OK))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Many {
    username_expression: String,
    #[serde(rename = "startN")]
    start: i64,
    #[serde(rename = "endN")]
    end: i64,
    #[serde(flatten)]
    groups: Lists,
}

fn new_users(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (wanted, actor) = (body::<Many>(&call)?, call.actor());
    let count = wanted.end.checked_sub(wanted.start).and_then(|n| n.checked_add(1)).unwrap_or(0);
    if !(1..=MOST).contains(&count) || !wanted.username_expression.contains("[N]") {
        let what = format!("usernameExpression with [N] in it, and startN to endN are 1 to {MOST} users");
        return Err(HandlerError::bad_request(what));
    }
    let names: Vec<_> =
        (wanted.start..=wanted.end).map(|n| wanted.username_expression.replace("[N]", &n.to_string())).collect();
    for name in &names {
        if native.accounts.user(name).map_err(AccountError::from)?.is_some() {
            return Err(AccountError::UserExists(name.clone()).into());
        }
    }
    make_groups(native, &wanted.groups, &actor)?;
    let mut made: Vec<Value> = Vec::new();
    for name in &names {
        let password = native.accounts.new_password();
        add(native, name, password.clone(), &wanted.groups, &actor)?;
        made.push(json!({"username": name, "password": password.reveal()}));
    }
    Ok(Answer::json(&made.into()).with(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
}

fn password(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let wanted = body::<One>(&call)?;
    crate::http::admin::other_password(native, &wanted.username, &Secret::new(wanted.password), &call.actor())?;
    Ok(Answer::empty(StatusCode::OK))
}

fn update_groups(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (wanted, actor) = (body::<One>(&call)?, call.actor());
    named(native, &wanted.username)?;
    make_groups(native, &wanted.groups, &actor)?;
    native.accounts.set_groups(&wanted.username, &wanted.groups.pairs(), &actor)?;
    native.sessions.users_changed(&[&wanted.username], Cause::default());
    Ok(Answer::empty(StatusCode::OK))
}

fn group_names(native: &Native, _: Call) -> Result<Answer, HandlerError> {
    let groups = native.accounts.groups();
    Ok(Answer::json(&groups.iter().map(|g| json!({"groupname": &*g.name})).collect()))
}

fn users_in(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let group = call.params.get("group").unwrap_or_default();
    let lists = Lists::of(native.accounts.members(group)?);
    Ok(Answer::json(&json!({
        "groupname": group, "usersInGroupList": lists.both, "usersInGroupListIN": lists.sends,
        "usersInGroupListOUT": lists.receives,
    })))
}

#[derive(Deserialize)]
struct Members {
    groupname: String,
    #[serde(flatten)]
    users: Lists,
}

/// The lists are the group's users from now on; everybody else leaves it.
fn update_users(native: &Native, call: Call) -> Result<Answer, HandlerError> {
    let (wanted, actor, accounts) = (body::<Members>(&call)?, call.actor(), &native.accounts);
    let before = accounts.members(&wanted.groupname)?;
    let after = wanted.users.pairs();
    for (name, _) in &after {
        named(native, name)?;
    }
    let same = |a: &(String, Direction), b: &(String, Direction)| a.1 == b.1 && a.0.eq_ignore_ascii_case(&b.0);
    let mut moved = Vec::new();
    for member in before.iter().filter(|b| !after.iter().any(|a| same(a, b))) {
        accounts.revoke(&member.0, &wanted.groupname, &[member.1], &actor)?;
        moved.push(member.0.as_str());
    }
    for member in after.iter().filter(|a| !before.iter().any(|b| same(a, b))) {
        accounts.grant(&member.0, &wanted.groupname, &[member.1], &actor)?;
        moved.push(member.0.as_str());
    }
    native.sessions.users_changed(&moved, Cause::default());
    Ok(Answer::empty(StatusCode::OK))
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
