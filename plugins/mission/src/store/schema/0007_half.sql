-- Missions that are being imported: what is here when the plugin starts was cut off, and goes.
CREATE TABLE mission_half (
    mission_id INTEGER PRIMARY KEY REFERENCES mission (id) ON DELETE CASCADE
);
