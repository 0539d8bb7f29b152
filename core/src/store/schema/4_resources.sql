-- Enterprise Sync (marti-http.md 6.1, 13). Times are ms UTC; expiration is in seconds as on the wire, -1 = never.
-- Lists nobody searches by (permissions, contacts) are JSON arrays. Content lies in files/ab/cd/<hash>.
CREATE TABLE resource (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL,
  hash TEXT NOT NULL,
  name TEXT NOT NULL,
  download_path TEXT NOT NULL DEFAULT '',
  mime_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  submission_time INTEGER NOT NULL,
  submitter TEXT NOT NULL,
  creator_uid TEXT NOT NULL DEFAULT '',
  tool TEXT NOT NULL DEFAULT 'public',
  expiration INTEGER NOT NULL DEFAULT -1,
  latitude REAL,
  longitude REAL,
  altitude REAL,
  remarks TEXT NOT NULL DEFAULT '',
  permissions TEXT NOT NULL DEFAULT '[]',
  contacts TEXT NOT NULL DEFAULT '[]',
  package_uid TEXT NOT NULL DEFAULT '',
  package_name TEXT NOT NULL DEFAULT '',
  UNIQUE (uid, hash, name, creator_uid)
) STRICT;
CREATE INDEX resource_hash ON resource(hash);
CREATE INDEX resource_tool ON resource(tool, submission_time);
CREATE INDEX resource_expiration ON resource(expiration) WHERE expiration >= 0;
CREATE TABLE resource_keyword (
  resource_id INTEGER NOT NULL REFERENCES resource(id) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  keyword TEXT NOT NULL,
  PRIMARY KEY (resource_id, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX resource_keyword_keyword ON resource_keyword(keyword);
CREATE TABLE resource_group (
  resource_id INTEGER NOT NULL REFERENCES resource(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  PRIMARY KEY (resource_id, name)
) STRICT, WITHOUT ROWID;
-- Hashes other servers gave to content that has another one (imports).
CREATE TABLE resource_alias (old TEXT PRIMARY KEY, hash TEXT NOT NULL) STRICT;
