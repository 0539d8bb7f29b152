-- Enterprise Sync (marti-http.md 6.1, 13).
SELECT 1;
