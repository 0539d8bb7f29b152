-- Log entries; one may belong to several missions.
CREATE TABLE mission_log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL DEFAULT '',
    creator_uid TEXT NOT NULL DEFAULT '',
    entry_uid TEXT,
    servertime INTEGER NOT NULL,
    dtg INTEGER,
    created INTEGER NOT NULL
);

CREATE TABLE mission_log_mission (
    log_seq INTEGER NOT NULL REFERENCES mission_log (seq) ON DELETE CASCADE,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    PRIMARY KEY (log_seq, mission_id)
) WITHOUT ROWID;
CREATE INDEX mission_log_mission_mission ON mission_log_mission (mission_id, log_seq);

CREATE TABLE mission_log_hash (
    id INTEGER PRIMARY KEY,
    log_seq INTEGER NOT NULL REFERENCES mission_log (seq) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    UNIQUE (log_seq, hash)
);

CREATE TABLE mission_log_keyword (
    id INTEGER PRIMARY KEY,
    log_seq INTEGER NOT NULL REFERENCES mission_log (seq) ON DELETE CASCADE,
    keyword TEXT NOT NULL,
    UNIQUE (log_seq, keyword)
);
