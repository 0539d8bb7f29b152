-- Profiles, video, icons, injectors, properties, logs of devices (marti-http.md 7, 8, 10).
SELECT 1;
