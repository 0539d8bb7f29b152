//! Video connections and their feeds (marti-http.md 8): one store under both versions of the API and the REST API. A
//! connection belongs to who made it and is seen by groups; its feeds are kept in their order. What a client may not see
//! does not exist for it: every question takes the groups it receives from.
use std::collections::HashMap;

use super::list;
use crate::store::{
    database::{Database, Rows, Value},
    error::StoreError,
    rows::Row,
    transaction::Transaction,
};

/// Feeds that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Connection {
    pub uid: String,
    pub alias: String,
    pub active: bool,
    pub thumbnail: Option<String>,
    pub classification: Option<String>,
    /// Name of the user who made it; `anonymous` on the plain listener.
    pub owner: String,
    pub groups: Vec<String>,
    /// ms UTC.
    pub updated_at: i64,
    pub feeds: Vec<Feed>,
}

/// One feed. Texts are as the client wrote them, numbers too: clients have their own idea of a bad one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Feed {
    pub uid: String,
    pub alias: String,
    pub active: bool,
    pub protocol: String,
    pub address: String,
    /// "-1" = none.
    pub port: String,
    pub path: String,
    /// As the second version said it; "" = it is made of the parts.
    pub url: String,
    pub rover_port: String,
    pub ignore_embedded_klv: String,
    pub mac_address: String,
    pub interface_address: String,
    /// ms.
    pub buffer: String,
    /// ms.
    pub timeout: String,
    pub rtsp_reliable: String,
    pub source: Option<String>,
    pub thumbnail: Option<String>,
    pub classification: Option<String>,
    pub latitude: Option<String>,
    pub longitude: Option<String>,
    pub fov: Option<String>,
    pub heading: Option<String>,
    pub range: Option<String>,
    pub sequence: Option<i64>,
    pub width: Option<i64>,
    pub height: Option<i64>,
    pub bitrate: Option<i64>,
    /// The element as it came with the first version, "" = it never did.
    pub xml: String,
}

const VISIBLE: &str = "EXISTS (SELECT 1 FROM video_group g WHERE g.connection = c.uid \
                       AND g.name IN (SELECT value FROM json_each(?1)))";

/// All connections these groups may see, by uid.
///
/// # Errors
/// The database's.
pub fn visible(db: &Database, groups: &[String]) -> Result<Vec<Connection>, StoreError> {
    let connections =
        db.query(&format!("SELECT c.* FROM video_connection c WHERE {VISIBLE} ORDER BY c.uid"), &[list(groups)])?;
    let feeds = db.query(
        &format!("SELECT f.* FROM video_feed f JOIN video_connection c ON c.uid = f.connection WHERE {VISIBLE} ORDER BY f.connection, f.place"),
        &[list(groups)],
    )?;
    let names = db.query(
        &format!("SELECT g2.* FROM video_group g2 JOIN video_connection c ON c.uid = g2.connection WHERE {VISIBLE} ORDER BY g2.name"),
        &[list(groups)],
    )?;
    Ok(together(&connections, &feeds, &names))
}

/// One connection, whoever may see it.
///
/// # Errors
/// The database's.
pub fn get(db: &Database, uid: &str) -> Result<Option<Connection>, StoreError> {
    one(uid, |sql, values| db.query(sql, values))
}

/// Changes in one transaction.
pub struct Changing(Transaction);

impl Changing {
    /// Nobody else changes anything until it ends.
    ///
    /// # Errors
    /// The database's.
    pub fn begin(db: &Database) -> Result<Self, StoreError> {
        db.begin().map(Self)
    }

    /// As [`get`].
    ///
    /// # Errors
    /// The database's.
    pub fn get(&self, uid: &str) -> Result<Option<Connection>, StoreError> {
        one(uid, |sql, values| self.0.query(sql, values))
    }

    /// The connections that have a feed of this uid; those of `owner` first.
    ///
    /// # Errors
    /// The database's.
    pub fn with_feed(&self, uid: &str, owner: &str) -> Result<Vec<Connection>, StoreError> {
        let found = self.0.query(
            "SELECT c.uid FROM video_feed f JOIN video_connection c ON c.uid = f.connection WHERE f.uid = ?1 \
             ORDER BY c.owner <> ?2, c.uid",
            &[uid.to_owned().into(), owner.to_owned().into()],
        )?;
        found.iter().filter_map(|row| self.get(row.text("uid")).transpose()).collect()
    }

    /// Stores a connection in place of the one with its uid.
    ///
    /// # Errors
    /// The database's.
    pub fn put(&self, connection: &Connection) -> Result<(), StoreError> {
        self.remove(&connection.uid)?;
        let text = |text: &str| Value::Text(text.to_owned());
        let values = [
            text(&connection.uid),
            text(&connection.alias),
            i64::from(connection.active).into(),
            optional(&connection.thumbnail),
            optional(&connection.classification),
            text(&connection.owner),
            connection.updated_at.into(),
        ];
        self.0.exec("INSERT INTO video_connection VALUES (?, ?, ?, ?, ?, ?, ?)", &values)?;
        for name in &connection.groups {
            let sql = "INSERT OR IGNORE INTO video_group VALUES (?, ?)";
            self.0.exec(sql, &[text(&connection.uid), text(name)])?;
        }
        for (place, feed) in connection.feeds.iter().enumerate() {
            self.0.exec(INSERT_FEED, &feed.values(&connection.uid, place as i64))?;
        }
        Ok(())
    }

    /// Removes a connection with its feeds; no connection: nothing.
    ///
    /// # Errors
    /// The database's.
    pub fn remove(&self, uid: &str) -> Result<(), StoreError> {
        self.0.exec("DELETE FROM video_connection WHERE uid = ?", &[uid.to_owned().into()]).map(|_| ())
    }

    /// # Errors
    /// Nothing was changed.
    pub fn commit(self) -> Result<(), StoreError> {
        self.0.commit()
    }
}

fn optional(text: &Option<String>) -> Value {
    text.clone().map_or(Value::Null, Value::Text)
}

fn one(
    uid: &str,
    query: impl Fn(&str, &[Value]) -> Result<Rows, StoreError>,
) -> Result<Option<Connection>, StoreError> {
    let uid = [Value::Text(uid.to_owned())];
    let connection = query("SELECT * FROM video_connection WHERE uid = ?", &uid)?;
    let feeds = query("SELECT * FROM video_feed WHERE connection = ? ORDER BY place", &uid)?;
    let names = query("SELECT * FROM video_group WHERE connection = ? ORDER BY name", &uid)?;
    Ok(together(&connection, &feeds, &names).pop())
}

fn together(connections: &Rows, feeds: &Rows, names: &Rows) -> Vec<Connection> {
    let mut all: Vec<_> = connections.iter().map(Connection::of).collect();
    let places: HashMap<_, _> = all.iter().enumerate().map(|(at, c)| (c.uid.clone(), at)).collect();
    for row in feeds.iter() {
        if let Some(at) = places.get(row.text("connection")) {
            all[*at].feeds.push(Feed::of(row));
        }
    }
    for row in names.iter() {
        if let Some(at) = places.get(row.text("connection")) {
            all[*at].groups.push(row.text("name").to_owned());
        }
    }
    all
}

impl Connection {
    fn of(row: Row<'_>) -> Self {
        Self {
            uid: row.text("uid").to_owned(),
            alias: row.text("alias").to_owned(),
            active: row.flag("active"),
            thumbnail: row.opt_text("thumbnail").map(str::to_owned),
            classification: row.opt_text("classification").map(str::to_owned),
            owner: row.text("owner").to_owned(),
            updated_at: row.int("updated_at"),
            ..Self::default()
        }
    }

    /// Do these groups see it?
    pub fn seen_by(&self, groups: &[String]) -> bool {
        self.groups.iter().any(|g| groups.contains(g))
    }
}

const INSERT_FEED: &str = "INSERT OR REPLACE INTO video_feed VALUES \
    (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Feed {
    fn of(row: Row<'_>) -> Self {
        let text = |column| row.text(column).to_owned();
        let optional = |column| row.opt_text(column).map(str::to_owned);
        Self {
            uid: text("uid"),
            alias: text("alias"),
            active: row.flag("active"),
            protocol: text("protocol"),
            address: text("address"),
            port: text("port"),
            path: text("path"),
            url: text("url"),
            rover_port: text("rover_port"),
            ignore_embedded_klv: text("ignore_embedded_klv"),
            mac_address: text("mac_address"),
            interface_address: text("interface_address"),
            buffer: text("buffer"),
            timeout: text("timeout"),
            rtsp_reliable: text("rtsp_reliable"),
            source: optional("source"),
            thumbnail: optional("thumbnail"),
            classification: optional("classification"),
            latitude: optional("latitude"),
            longitude: optional("longitude"),
            fov: optional("fov"),
            heading: optional("heading"),
            range: optional("range"),
            sequence: row.opt_int("sequence"),
            width: row.opt_int("width"),
            height: row.opt_int("height"),
            bitrate: row.opt_int("bitrate"),
            xml: text("xml"),
        }
    }

    /// In the order of the columns.
    fn values(&self, connection: &str, place: i64) -> [Value; 30] {
        let text = |text: &str| Value::Text(text.to_owned());
        let number = |n: Option<i64>| n.map_or(Value::Null, Value::Integer);
        [
            text(connection),
            text(&self.uid),
            place.into(),
            text(&self.alias),
            i64::from(self.active).into(),
            text(&self.protocol),
            text(&self.address),
            text(&self.port),
            text(&self.path),
            text(&self.url),
            text(&self.rover_port),
            text(&self.ignore_embedded_klv),
            text(&self.mac_address),
            text(&self.interface_address),
            text(&self.buffer),
            text(&self.timeout),
            text(&self.rtsp_reliable),
            optional(&self.source),
            optional(&self.thumbnail),
            optional(&self.classification),
            optional(&self.latitude),
            optional(&self.longitude),
            optional(&self.fov),
            optional(&self.heading),
            optional(&self.range),
            number(self.sequence),
            number(self.width),
            number(self.height),
            number(self.bitrate),
            text(&self.xml),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(uid: &str) -> Feed {
        Feed {
            uid: uid.into(),
            alias: format!("alias {uid}"),
            active: true,
            width: Some(640),
            fov: Some("1.5".into()),
            ..Feed::default()
        }
    }

    fn connection(uid: &str, owner: &str, group: &str, feeds: &[&str]) -> Connection {
        Connection {
            uid: uid.into(),
            alias: uid.into(),
            owner: owner.into(),
            groups: vec![group.into()],
            updated_at: 7,
            thumbnail: Some("t".into()),
            feeds: feeds.iter().map(|f| feed(f)).collect(),
            ..Connection::default()
        }
    }

    fn put(db: &Database, connections: &[&Connection]) {
        let changing = Changing::begin(db).unwrap();
        connections.iter().for_each(|c| changing.put(c).unwrap());
        changing.commit().unwrap();
    }

    #[test]
    fn what_is_stored_comes_back_to_those_who_may_see_it() {
        let db = crate::store::core::temporary().unwrap();
        let (blue, red) = (connection("c1", "alpha", "Blue", &["f2", "f1"]), connection("c2", "bravo", "Red", &["f1"]));
        put(&db, &[&blue, &red]);
        let sees = |groups: &[&str]| visible(&db, &groups.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        assert_eq!(sees(&["Blue"]), std::slice::from_ref(&blue));
        assert_eq!(sees(&["Blue", "Red"]), [blue.clone(), red.clone()]);
        assert!(sees(&["Green"]).is_empty() && sees(&[]).is_empty());
        assert_eq!(get(&db, "c2").unwrap(), Some(red.clone()));
        assert!(blue.seen_by(&["Blue".into()]) && !blue.seen_by(&["Red".into()]));
        let changing = Changing::begin(&db).unwrap();
        assert_eq!(changing.with_feed("f1", "bravo").unwrap(), [red, blue]);
    }

    #[test]
    fn a_connection_takes_the_place_of_its_predecessor() {
        let db = crate::store::core::temporary().unwrap();
        put(&db, &[&connection("c1", "alpha", "Blue", &["f1", "f2"])]);
        let other = connection("c1", "alpha", "Red", &["f3"]);
        put(&db, &[&other]);
        assert_eq!(get(&db, "c1").unwrap(), Some(other));
        let changing = Changing::begin(&db).unwrap();
        changing.remove("c1").unwrap();
        changing.commit().unwrap();
        assert_eq!(get(&db, "c1").unwrap(), None);
        for table in ["video_feed", "video_group"] {
            assert!(db.query(&format!("SELECT * FROM {table}"), &[]).unwrap().rows.is_empty(), "{table}");
        }
    }

    #[test]
    fn nothing_of_a_change_that_is_given_up_stays() {
        let db = crate::store::core::temporary().unwrap();
        let changing = Changing::begin(&db).unwrap();
        changing.put(&connection("c1", "alpha", "Blue", &["f1"])).unwrap();
        drop(changing);
        assert_eq!(get(&db, "c1").unwrap(), None);
    }
}
