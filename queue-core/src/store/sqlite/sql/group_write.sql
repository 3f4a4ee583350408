-- group_write: saves a group.
--
-- ?1 id, ?2 bytes, ?3 expires (Unix ms or null)
INSERT INTO group_meta (id, meta, expires) VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET meta = ?2, expires = ?3;
