-- Members and who may become one. Tokens are made from token_id and create_time; no token is stored.
CREATE TABLE mission_subscription (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    client_uid TEXT NOT NULL,
    username TEXT NOT NULL,
    token_id TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    active INTEGER NOT NULL DEFAULT 1,
    UNIQUE (mission_id, client_uid, username)
);
CREATE INDEX mission_subscription_user ON mission_subscription (username);
CREATE INDEX mission_subscription_client ON mission_subscription (client_uid);

CREATE TABLE mission_invitation (
    id INTEGER PRIMARY KEY,
    mission_id INTEGER NOT NULL REFERENCES mission (id) ON DELETE CASCADE,
    invitee TEXT NOT NULL,
    invitee_key TEXT NOT NULL,
    type TEXT NOT NULL,
    creator_uid TEXT NOT NULL DEFAULT '',
    create_time INTEGER NOT NULL,
    token_id TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    UNIQUE (mission_id, invitee_key, type)
);
CREATE INDEX mission_invitation_invitee ON mission_invitation (type, invitee_key);
