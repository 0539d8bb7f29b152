-- The history. Rows outlive their mission (the last one of a name or guid says whether it is gone).
CREATE TABLE mission_change (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mission_id INTEGER,
    mission_guid TEXT NOT NULL,
    mission_name TEXT NOT NULL,
    mission_name_key TEXT NOT NULL,
    type INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    server_ts INTEGER NOT NULL,
    creator_uid TEXT NOT NULL DEFAULT '',
    uid TEXT,
    hash TEXT,
    external_uid TEXT,
    external_json TEXT,
    external_notes TEXT,
    external_token TEXT,
    feed_uid TEXT,
    feed_json TEXT,
    map_layer_uid TEXT,
    map_layer_json TEXT,
    federated INTEGER NOT NULL DEFAULT 0,
    details_json TEXT,
    notify_xml TEXT
);
CREATE INDEX mission_change_mission ON mission_change (mission_id, id);
-- What a history comes to (squashed) is read from this alone: a hundred thousand lines of an item cost no page of the table.
CREATE INDEX mission_change_item ON mission_change (mission_id, type, uid, creator_uid, id, server_ts) WHERE uid IS NOT NULL;
CREATE INDEX mission_change_hash ON mission_change (mission_id, hash, id) WHERE hash IS NOT NULL;
CREATE INDEX mission_change_guid ON mission_change (mission_guid, id) WHERE type < 2;
CREATE INDEX mission_change_name ON mission_change (mission_name_key, id) WHERE type < 2;
-- Few lines of a mission: they are found without reading the others.
CREATE INDEX mission_change_life ON mission_change (mission_id, id) WHERE type < 2;
CREATE INDEX mission_change_external ON mission_change (mission_id, id) WHERE external_uid IS NOT NULL;
CREATE INDEX mission_change_layer ON mission_change (mission_id, id) WHERE map_layer_uid IS NOT NULL;
CREATE INDEX mission_change_feed ON mission_change (mission_id, id) WHERE feed_uid IS NOT NULL;
