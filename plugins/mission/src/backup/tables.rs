//! The tables of a mission, in the order they are written and read: what a row refers to comes before it.
//!
//! Rows are made to JSON and back by SQLite itself. The statements are made from the names in this file, never from values.
use std::sync::LazyLock;

/// One table.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Columns that are copied.
    columns: &'static [&'static str],
    /// A column with the number of a change.
    change: Option<&'static str>,
    /// How its rows belong to the mission.
    link: Link,
}

enum Link {
    /// `mission_id`.
    Mission,
    /// `log_seq`: the row below it in `mission_log`, named by the entry's id.
    Log,
}

/// Those that belong to a mission directly or through its log.
pub static ALL: [Table; 17] = [
    table(
        "mission_change",
        &[
            "mission_guid",
            "mission_name",
            "mission_name_key",
            "type",
            "ts",
            "server_ts",
            "creator_uid",
            "uid",
            "hash",
            "external_uid",
            "external_json",
            "external_notes",
            "external_token",
            "feed_uid",
            "feed_json",
            "map_layer_uid",
            "map_layer_json",
            "federated",
            "details_json",
            "notify_xml",
        ],
        Some("id"),
    ),
    table("mission_keyword", &["keyword"], None),
    table("mission_uid", &["uid", "added", "creator_uid", "details_json"], Some("last_change_id")),
    table("mission_uid_keyword", &["uid", "keyword"], None),
    table("mission_content", &["hash", "added", "creator_uid", "resource_json"], None),
    table("mission_content_keyword", &["hash", "keyword"], None),
    table("mission_cot", &["uid", "version", "received", "creator_uid", "path", "xml"], Some("change_id")),
    table("mission_subscription", &["client_uid", "username", "token_id", "role", "create_time", "active"], None),
    table("mission_external_data", &["uid", "name", "tool", "url_data", "url_view", "notes", "creator_uid"], None),
    table(
        "mission_feed",
        &[
            "uid",
            "data_feed_uid",
            "name",
            "filter_polygon",
            "filter_cot_types",
            "filter_callsign",
            "creator_uid",
            "seen_groups",
        ],
        None,
    ),
    table("map_layer", &["uid", "json"], None),
    table("mission_layer", &["uid", "name", "type", "parent_uid", "after_uid", "creator_uid"], None),
    table("mission_snapshot", &["name", "taken", "layers_json"], Some("change_id")),
    Table {
        name: "mission_log",
        columns: &["id", "content", "creator_uid", "entry_uid", "servertime", "dtg", "created"],
        change: None,
        link: Link::Log,
    },
    Table { name: "mission_log_hash", columns: &["hash"], change: None, link: Link::Log },
    Table { name: "mission_log_keyword", columns: &["keyword"], change: None, link: Link::Log },
    table("mission_group", &["group_name"], None),
];

const fn table(name: &'static str, columns: &'static [&'static str], change: Option<&'static str>) -> Table {
    Table { name, columns, change, link: Link::Mission }
}

/// Columns of the mission's own row.
const MISSION: &[&str] = &[
    "guid",
    "name",
    "name_key",
    "all_groups",
    "description",
    "chat_room",
    "base_layer",
    "bbox",
    "bounding_polygon",
    "path",
    "classification",
    "tool",
    "creator_uid",
    "create_time",
    "last_edited",
    "default_role",
    "password_hash",
    "invite_only",
    "expiration",
    "service_uri",
    "extra_json",
];

fn object(columns: impl Iterator<Item = &'static str>, of: &str) -> String {
    let pairs: Vec<_> = columns.map(|c| format!("'{c}', {of}.{c}")).collect();
    format!("json_object({})", pairs.join(", "))
}

fn extracts(columns: &[&str]) -> String {
    columns.iter().map(|c| format!("json_extract(?2, '$.{c}')")).collect::<Vec<_>>().join(", ")
}

/// Reads the mission's row as JSON `j`: ?1 = its number.
pub static READ_MISSION: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} AS j FROM mission m WHERE m.id = ?1", object(MISSION.iter().copied(), "m")));

/// Writes the mission's row: ?1 = `dup`, ?2 = JSON. In no group yet.
pub static WRITE_MISSION: LazyLock<String> =
    LazyLock::new(|| format!("INSERT INTO mission (dup, {}) SELECT ?1, {}", MISSION.join(", "), extracts(MISSION)));

impl Table {
    /// By name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|t| t.name == name)
    }

    /// Does a row name a change? Which of its members.
    pub fn change(&self) -> Option<&'static str> {
        self.change
    }

    /// Reads rows as `n` (where they are) and JSON `j`: ?1 = mission, ?2 = behind this one, ?3 = at most so many.
    pub fn read(&self) -> String {
        let Self { name, columns, change, link } = self;
        let all = || columns.iter().copied().chain(*change);
        match link {
            // Its key is no number.
            Link::Mission if *name == "mission_group" => format!(
                "SELECT row_number() OVER (ORDER BY t.group_name) AS n, {} AS j FROM mission_group t
                 WHERE t.mission_id = ?1 AND ?2 = 0 LIMIT ?3",
                object(all(), "t")
            ),
            Link::Mission => format!(
                "SELECT t.id AS n, {} AS j FROM {name} t WHERE t.mission_id = ?1 AND t.id > ?2 ORDER BY t.id LIMIT ?3",
                object(all(), "t")
            ),
            Link::Log if *name == "mission_log" => format!(
                "SELECT t.seq AS n, {} AS j FROM mission_log t JOIN mission_log_mission x ON x.log_seq = t.seq
                 WHERE x.mission_id = ?1 AND t.seq > ?2 ORDER BY t.seq LIMIT ?3",
                object(all(), "t")
            ),
            Link::Log => format!(
                "SELECT t.id AS n, json_set({}, '$.entry', l.id) AS j FROM {name} t
                 JOIN mission_log l ON l.seq = t.log_seq JOIN mission_log_mission x ON x.log_seq = t.log_seq
                 WHERE x.mission_id = ?1 AND t.id > ?2 ORDER BY t.id LIMIT ?3",
                object(all(), "t")
            ),
        }
    }

    /// Writes a row: ?1 = mission, ?2 = JSON, ?3 = the change's new number (when it names one).
    pub fn write(&self) -> String {
        let Self { name, columns, change, link } = self;
        let (list, values) = (columns.join(", "), extracts(columns));
        match (link, change) {
            (Link::Mission, Some(column)) if *column != "id" => {
                format!("INSERT INTO {name} (mission_id, {list}, {column}) SELECT ?1, {values}, ?3")
            }
            (Link::Mission, _) => format!("INSERT INTO {name} (mission_id, {list}) SELECT ?1, {values}"),
            // An entry of two missions may be there already.
            (Link::Log, _) if *name == "mission_log" => {
                format!("INSERT OR IGNORE INTO mission_log ({list}) SELECT {values} WHERE ?1 > 0")
            }
            (Link::Log, _) => format!(
                "INSERT OR IGNORE INTO {name} (log_seq, {list}) SELECT l.seq, {values} FROM mission_log l
                 WHERE ?1 > 0 AND l.id = json_extract(?2, '$.entry')"
            ),
        }
    }
}

/// Behind a row of `mission_log`: the entry is in the mission. ?1 = mission, ?2 = its JSON.
pub const LOG_LINK: &str = "INSERT OR IGNORE INTO mission_log_mission (log_seq, mission_id)
    SELECT seq, ?1 FROM mission_log WHERE id = json_extract(?2, '$.id')";
