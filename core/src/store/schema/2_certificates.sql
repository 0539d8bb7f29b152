-- Certificates the server has issued, adopted or been told of (identity.md 9). Times are ms UTC. What is known only by its
-- serial (it stood in an adopted CRL) has no sha256 and no pem.
CREATE TABLE certificate (
  id INTEGER PRIMARY KEY,
  serial TEXT NOT NULL,
  issuer TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  subject TEXT NOT NULL,
  common_name TEXT NOT NULL COLLATE NOCASE,
  kind TEXT NOT NULL,
  user_id INTEGER REFERENCES user(id) ON DELETE SET NULL,
  user_name TEXT NOT NULL DEFAULT '' COLLATE NOCASE,
  client_uid TEXT NOT NULL DEFAULT '',
  client_version TEXT NOT NULL DEFAULT '',
  pem TEXT NOT NULL,
  issued_at INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  replaced_at INTEGER,
  revoked_at INTEGER,
  revoke_reason TEXT,
  via TEXT NOT NULL,
  UNIQUE (issuer, serial)
) STRICT;
CREATE INDEX certificate_user ON certificate(user_name, client_uid);
CREATE INDEX certificate_name ON certificate(common_name);
CREATE INDEX certificate_serial ON certificate(serial);
CREATE INDEX certificate_sha256 ON certificate(sha256);
CREATE INDEX certificate_revoked ON certificate(revoked_at) WHERE revoked_at IS NOT NULL;
