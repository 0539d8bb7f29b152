-- Events, tracks, chat, sessions (cot.md 12.3, 13.2). Times are ms UTC, `server_ms` is when the server received it.

-- Sets of group names that rows were sent into: a JSON array, sorted. Few, so that a query compares numbers.
CREATE TABLE group_set (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE) STRICT;

-- `xml` is the event as it was relayed; everything else serves queries. `readers` NULL = everybody in the groups;
-- else the users an addressed event went to, and its sender's ("" = whoever came without a name).
CREATE TABLE cot_event (
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL,
  type TEXT NOT NULL,
  how TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  start_ms INTEGER NOT NULL,
  stale_ms INTEGER NOT NULL,
  server_ms INTEGER NOT NULL,
  lat REAL NOT NULL,
  lon REAL NOT NULL,
  hae REAL,
  ce REAL,
  le REAL,
  callsign TEXT NOT NULL,
  sender_uid TEXT NOT NULL,
  sender_user TEXT NOT NULL,
  groups INTEGER NOT NULL REFERENCES group_set(id),
  readers TEXT,
  dest TEXT,
  xml TEXT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX cot_event_uid ON cot_event(uid, server_ms);
-- Positions are asked for by uid, time and place, never by type alone; they are nearly all rows, so they pay for two.
CREATE INDEX cot_event_type ON cot_event(type, server_ms) WHERE type >= 'b';
CREATE INDEX cot_event_time ON cot_event(server_ms, lat, lon);

-- The newest row of each uid. `gone` = its connection said goodbye: it is not shown again after a restart.
CREATE TABLE cot_latest (
  uid TEXT PRIMARY KEY,
  event_id INTEGER NOT NULL,
  stale_ms INTEGER NOT NULL,
  is_sa INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0,
  deleted INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
-- Instead of a foreign key, whose index every position would have to change.
CREATE TRIGGER cot_latest_gone AFTER DELETE ON cot_event BEGIN
  DELETE FROM cot_latest WHERE uid = OLD.uid AND event_id = OLD.id;
END;

-- `time_ms` is the device's, or the server's where the device's clock is wrong. `source`: live, or who uploaded it.
CREATE TABLE track_point (
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL,
  callsign TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  server_ms INTEGER NOT NULL,
  lat REAL NOT NULL,
  lon REAL NOT NULL,
  hae REAL,
  ce REAL,
  speed REAL,
  course REAL,
  battery REAL,
  type TEXT NOT NULL,
  team TEXT NOT NULL,
  role TEXT NOT NULL,
  source TEXT NOT NULL,
  groups INTEGER NOT NULL REFERENCES group_set(id)
) STRICT;
CREATE UNIQUE INDEX track_point_uid ON track_point(uid, time_ms);
CREATE INDEX track_point_time ON track_point(time_ms);
CREATE INDEX track_point_added ON track_point(server_ms) WHERE source <> '';

-- `dest_uid` NULL = a room. `everyone` = a room everybody is in.
CREATE TABLE chat (
  id INTEGER PRIMARY KEY,
  event_id INTEGER REFERENCES cot_event(id) ON DELETE SET NULL,
  uid TEXT NOT NULL,
  type TEXT NOT NULL,
  sender_uid TEXT NOT NULL,
  sender_callsign TEXT NOT NULL,
  sender_user TEXT NOT NULL,
  room TEXT NOT NULL,
  room_id TEXT NOT NULL,
  everyone INTEGER NOT NULL,
  dest_uid TEXT,
  dest_callsign TEXT,
  text TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  server_ms INTEGER NOT NULL,
  groups INTEGER NOT NULL REFERENCES group_set(id)
) STRICT;
CREATE INDEX chat_time ON chat(server_ms);
CREATE INDEX chat_dest ON chat(dest_uid, server_ms);
CREATE INDEX chat_event ON chat(event_id);

-- One row per connection and name it went by; NULL in `disconnected_ms` = it is there.
CREATE TABLE client_session (
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL,
  callsign TEXT NOT NULL,
  user TEXT NOT NULL,
  team TEXT NOT NULL,
  role TEXT NOT NULL,
  takv TEXT NOT NULL,
  address TEXT NOT NULL,
  listener TEXT NOT NULL,
  connected_ms INTEGER NOT NULL,
  disconnected_ms INTEGER,
  reason TEXT NOT NULL DEFAULT '',
  groups INTEGER NOT NULL REFERENCES group_set(id)
) STRICT;
CREATE INDEX client_session_uid ON client_session(uid, connected_ms);
CREATE INDEX client_session_end ON client_session(disconnected_ms);

-- Records of the journal that are stored already although the journal may give them again (fanout.md 2.7).
CREATE TABLE history_done (id INTEGER PRIMARY KEY) STRICT;

-- Objects of the REST API that newcomers are shown (rest-api.md 7.5).
CREATE TABLE repeated_object (
  uid TEXT PRIMARY KEY,
  xml TEXT NOT NULL,
  timeout_s INTEGER NOT NULL,
  groups INTEGER NOT NULL REFERENCES group_set(id),
  created_ms INTEGER NOT NULL
) STRICT;
