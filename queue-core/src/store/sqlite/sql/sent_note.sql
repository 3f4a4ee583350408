-- sent_note: puts an idempotency key up; changes no row when it stands.
--
-- ?1 key, ?2 value, ?3 until when it stands (Unix ms), ?4 now (Unix ms)
INSERT INTO sent (key, value, expires) VALUES (?1, ?2, ?3)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires WHERE expires <= ?4;
