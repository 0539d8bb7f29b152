-- Profiles, video, icons, injectors, properties, logs of devices (marti-http.md 7, 8, 10). Times are ms UTC.
CREATE TABLE video_connection (
  uid TEXT PRIMARY KEY,
  alias TEXT NOT NULL,
  active INTEGER NOT NULL,
  thumbnail TEXT,
  classification TEXT,
  owner TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE video_group (
  connection TEXT NOT NULL REFERENCES video_connection(uid) ON DELETE CASCADE,
  name TEXT NOT NULL,
  PRIMARY KEY (connection, name)
) STRICT, WITHOUT ROWID;
-- What both versions of the API show is in columns, as written; xml is the feed as it came with the first version.
CREATE TABLE video_feed (
  connection TEXT NOT NULL REFERENCES video_connection(uid) ON DELETE CASCADE,
  uid TEXT NOT NULL,
  place INTEGER NOT NULL,
  alias TEXT NOT NULL,
  active INTEGER NOT NULL,
  protocol TEXT NOT NULL,
  address TEXT NOT NULL,
  port TEXT NOT NULL,
  path TEXT NOT NULL,
  url TEXT NOT NULL,
  rover_port TEXT NOT NULL,
  ignore_embedded_klv TEXT NOT NULL,
  mac_address TEXT NOT NULL,
  interface_address TEXT NOT NULL,
  buffer TEXT NOT NULL,
  timeout TEXT NOT NULL,
  rtsp_reliable TEXT NOT NULL,
  source TEXT,
  thumbnail TEXT,
  classification TEXT,
  latitude TEXT,
  longitude TEXT,
  fov TEXT,
  heading TEXT,
  range TEXT,
  sequence INTEGER,
  width INTEGER,
  height INTEGER,
  bitrate INTEGER,
  xml TEXT NOT NULL,
  PRIMARY KEY (connection, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX video_feed_uid ON video_feed(uid);
CREATE TABLE error_log (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  uid TEXT NOT NULL,
  callsign TEXT NOT NULL,
  platform TEXT NOT NULL,
  major_version TEXT NOT NULL,
  minor_version TEXT NOT NULL,
  user TEXT NOT NULL,
  file_name TEXT NOT NULL,
  contents BLOB NOT NULL
) STRICT;
CREATE INDEX error_log_at ON error_log(at);
CREATE TABLE iconset (
  uid TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  default_friendly TEXT,
  default_hostile TEXT,
  default_neutral TEXT,
  default_unknown TEXT,
  owner TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE icon (
  iconset TEXT NOT NULL REFERENCES iconset(uid) ON DELETE CASCADE,
  folder TEXT NOT NULL,
  name TEXT NOT NULL,
  type_2525b TEXT NOT NULL,
  png BLOB NOT NULL,
  PRIMARY KEY (iconset, folder, name)
) STRICT;
CREATE TABLE injector (
  uid TEXT NOT NULL,
  element TEXT NOT NULL,
  PRIMARY KEY (uid, element)
) STRICT, WITHOUT ROWID;
CREATE TABLE property (
  uid TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (uid, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE sequence (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
-- What devices are told (marti-http.md 7). Files are small; large ones are data packages.
CREATE TABLE device_profile (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  active INTEGER NOT NULL,
  on_enrollment INTEGER NOT NULL,
  on_connect INTEGER NOT NULL,
  tool TEXT NOT NULL,
  device TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE device_profile_group (
  profile_id INTEGER NOT NULL REFERENCES device_profile(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  PRIMARY KEY (profile_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE device_profile_file (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  profile_id INTEGER NOT NULL REFERENCES device_profile(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  bytes BLOB NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (profile_id, name)
) STRICT;
