-- What is in a mission. details_json and resource_json are kept current at write time, so that reading a mission reads
-- neither events nor files. mission_cot outlives its mission until the sweep has taken it (no cascade: it may be large).
CREATE TABLE mission_uid (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    uid TEXT NOT NULL,
    added INTEGER NOT NULL,
    creator_uid TEXT NOT NULL,
    last_change_id INTEGER NOT NULL DEFAULT 0,
    details_json TEXT,
    UNIQUE (mission_id, uid)
);
CREATE INDEX mission_uid_uid ON mission_uid (uid);
-- With the row number behind it, as every index: items of a mission in the order they were added.
CREATE INDEX mission_uid_order ON mission_uid (mission_id);

CREATE TABLE mission_uid_keyword (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    uid TEXT NOT NULL,
    keyword TEXT NOT NULL,
    UNIQUE (mission_id, uid, keyword)
);

CREATE TABLE mission_content (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    added INTEGER NOT NULL,
    creator_uid TEXT NOT NULL,
    resource_json TEXT,
    UNIQUE (mission_id, hash)
);
CREATE INDEX mission_content_hash ON mission_content (hash);

CREATE TABLE mission_content_keyword (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    keyword TEXT NOT NULL,
    UNIQUE (mission_id, hash, keyword)
);

CREATE TABLE mission_cot (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mission_id INTEGER NOT NULL,
    uid TEXT NOT NULL,
    version INTEGER NOT NULL,
    received INTEGER NOT NULL,
    creator_uid TEXT NOT NULL DEFAULT '',
    path TEXT,
    change_id INTEGER NOT NULL DEFAULT 0,
    journal INTEGER,
    xml TEXT NOT NULL,
    UNIQUE (mission_id, uid, version)
);
CREATE UNIQUE INDEX mission_cot_journal ON mission_cot (mission_id, journal) WHERE journal IS NOT NULL;
