-- External data, feeds, map layers, and the folder tree.
CREATE TABLE mission_external_data (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    uid TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    tool TEXT NOT NULL DEFAULT '',
    url_data TEXT NOT NULL DEFAULT '',
    url_view TEXT NOT NULL DEFAULT '',
    notes TEXT NOT NULL DEFAULT '',
    creator_uid TEXT NOT NULL DEFAULT '',
    UNIQUE (mission_id, uid)
);

CREATE TABLE mission_feed (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    uid TEXT NOT NULL,
    data_feed_uid TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    filter_polygon TEXT NOT NULL DEFAULT '[]',
    filter_cot_types TEXT NOT NULL DEFAULT '',
    filter_callsign TEXT NOT NULL DEFAULT '',
    seen_groups TEXT, -- what its attacher receives: a JSON array; NULL = everything (an administrator)
    creator_uid TEXT NOT NULL DEFAULT '',
    UNIQUE (mission_id, uid)
);
CREATE INDEX mission_feed_feed ON mission_feed (data_feed_uid);

CREATE TABLE map_layer (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    uid TEXT NOT NULL,
    json TEXT NOT NULL,
    UNIQUE (mission_id, uid)
);

CREATE TABLE mission_layer (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    uid TEXT NOT NULL,
    name TEXT,
    type TEXT NOT NULL,
    parent_uid TEXT,
    after_uid TEXT,
    creator_uid TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX mission_layer_folder ON mission_layer (mission_id, uid) WHERE type <> 'ITEM';
CREATE UNIQUE INDEX mission_layer_item ON mission_layer (mission_id, parent_uid, uid) WHERE type = 'ITEM';
CREATE INDEX mission_layer_parent ON mission_layer (mission_id, parent_uid);

-- Named states of a mission to go back to: what the history does not tell (the folders) is kept here.
CREATE TABLE mission_snapshot (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    taken INTEGER NOT NULL,
    change_id INTEGER NOT NULL,
    layers_json TEXT NOT NULL,
    UNIQUE (mission_id, name)
);
