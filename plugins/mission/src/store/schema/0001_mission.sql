-- Missions, their groups and keywords. Ids are never used twice: what a deleted mission leaves behind stays its own.
CREATE TABLE mission (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    dup INTEGER NOT NULL DEFAULT 0,
    all_groups INTEGER NOT NULL DEFAULT 0,
    description TEXT NOT NULL DEFAULT '',
    chat_room TEXT NOT NULL DEFAULT '',
    base_layer TEXT NOT NULL DEFAULT '',
    bbox TEXT NOT NULL DEFAULT '',
    bounding_polygon TEXT,
    path TEXT NOT NULL DEFAULT '',
    classification TEXT NOT NULL DEFAULT '',
    tool TEXT NOT NULL DEFAULT 'public',
    creator_uid TEXT NOT NULL DEFAULT '',
    create_time INTEGER NOT NULL,
    last_edited INTEGER NOT NULL,
    default_role TEXT,
    password_hash TEXT,
    invite_only INTEGER NOT NULL DEFAULT 0,
    expiration INTEGER NOT NULL DEFAULT -1,
    parent_id INTEGER REFERENCES mission (id) ON DELETE SET NULL,
    service_uri TEXT,
    extra_json TEXT
);
CREATE UNIQUE INDEX mission_name ON mission (name_key) WHERE dup = 0;
CREATE INDEX mission_name_all ON mission (name_key, id);
CREATE INDEX mission_parent ON mission (parent_id);
CREATE INDEX mission_expiration ON mission (expiration) WHERE expiration >= 0;
CREATE INDEX mission_age ON mission (create_time);

CREATE TABLE mission_group (
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    group_name TEXT NOT NULL,
    PRIMARY KEY (mission_id, group_name)
) WITHOUT ROWID;

CREATE TABLE mission_keyword (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    keyword TEXT NOT NULL,
    UNIQUE (mission_id, keyword)
);
