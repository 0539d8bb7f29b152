-- Users, tokens, groups, audit (identity.md 9). Times are ms UTC.
CREATE TABLE user (
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  password_hash TEXT,
  role TEXT NOT NULL DEFAULT 'user',
  fingerprint TEXT,
  device_type TEXT,
  team_label TEXT,
  disabled INTEGER NOT NULL DEFAULT 0,
  token_epoch INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  last_login_at INTEGER,
  last_ip TEXT
) STRICT;
CREATE TABLE api_token (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  label TEXT NOT NULL DEFAULT '',
  hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER
) STRICT;
CREATE TABLE enrollment_token (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  hash TEXT NOT NULL UNIQUE,
  not_before INTEGER,
  expires_at INTEGER,
  max_uses INTEGER NOT NULL DEFAULT 1,
  uses INTEGER NOT NULL DEFAULT 0,
  created_by TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE "group" (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  bitpos INTEGER NOT NULL UNIQUE,
  type TEXT NOT NULL DEFAULT 'SYSTEM',
  description TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  removed_at INTEGER
) STRICT;
CREATE TABLE user_group (
  user_id INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  group_id INTEGER NOT NULL REFERENCES "group"(id) ON DELETE CASCADE,
  direction TEXT NOT NULL CHECK (direction IN ('IN', 'OUT')),
  active INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (user_id, group_id, direction)
) STRICT;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  ip TEXT,
  action TEXT NOT NULL,
  subject TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX audit_at ON audit(at);
CREATE TABLE revoked_jti (jti TEXT PRIMARY KEY, exp INTEGER NOT NULL) STRICT;
