-- Events, tracks, chat, sessions (cot.md 12.3, 13.2).
SELECT 1;
