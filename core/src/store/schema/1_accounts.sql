-- Users, tokens, groups, audit (identity.md 9). Times are ms UTC.
CREATE TABLE user (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
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
CREATE INDEX user_fingerprint ON user(fingerprint) WHERE fingerprint IS NOT NULL;
CREATE TABLE api_token (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  label TEXT NOT NULL DEFAULT '',
  hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER
) STRICT;
CREATE INDEX api_token_user ON api_token(user_id);
CREATE TABLE enrollment_token (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  hash TEXT NOT NULL UNIQUE,
  not_before INTEGER,
  expires_at INTEGER,
  max_uses INTEGER NOT NULL DEFAULT 1,
  uses INTEGER NOT NULL DEFAULT 0,
  used_at INTEGER,
  created_by TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX enrollment_token_user ON enrollment_token(user_id);
-- A removed group keeps its row: its bit position is never given to another one.
CREATE TABLE "group" (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
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
  PRIMARY KEY (user_id, group_id, direction)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_group_group ON user_group(group_id);
-- Channels somebody has switched off. By name: users that are only a certificate, and groups one is in by default or as
-- an administrator, have no row in user_group.
CREATE TABLE channel_off (
  user_name TEXT NOT NULL COLLATE NOCASE,
  group_id INTEGER NOT NULL REFERENCES "group"(id) ON DELETE CASCADE,
  direction TEXT NOT NULL CHECK (direction IN ('IN', 'OUT')),
  PRIMARY KEY (user_name, group_id, direction)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  ip TEXT,
  action TEXT NOT NULL,
  subject TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX audit_at ON audit(at);
CREATE TABLE revoked_jti (jti TEXT PRIMARY KEY, exp INTEGER NOT NULL) STRICT, WITHOUT ROWID;
