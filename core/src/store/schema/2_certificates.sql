-- Certificates the server has issued or adopted (identity.md 9). Times are ms UTC.
CREATE TABLE certificate (
  serial TEXT PRIMARY KEY,
  sha256 TEXT NOT NULL,
  subject TEXT NOT NULL,
  issuer TEXT NOT NULL,
  kind TEXT NOT NULL,
  user_id INTEGER REFERENCES user(id) ON DELETE SET NULL,
  user_name TEXT NOT NULL DEFAULT '',
  client_uid TEXT NOT NULL DEFAULT '',
  client_version TEXT NOT NULL DEFAULT '',
  pem TEXT NOT NULL,
  issued_at INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  replaced_at INTEGER,
  revoked_at INTEGER,
  revoke_reason TEXT,
  via TEXT NOT NULL
) STRICT;
CREATE INDEX certificate_user ON certificate(user_name, client_uid);
CREATE INDEX certificate_sha256 ON certificate(sha256);
