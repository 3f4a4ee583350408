-- group_read: a saved group.
--
-- ?1 id, ?2 now (Unix ms)
-- Returns the bytes
SELECT meta FROM group_meta WHERE id = ?1 AND (expires IS NULL OR expires > ?2);
