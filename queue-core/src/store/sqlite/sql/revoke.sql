-- revoke: marks a task; the longer of two marks counts.
--
-- ?1 task id, ?2 until (Unix ms), ?3 version
INSERT INTO revoked (id, until, version) VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET until = max(until, excluded.until), version = excluded.version;
