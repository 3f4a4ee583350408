-- group_extend: a saved group is needed for longer.
--
-- ?1 id, ?2 expires (Unix ms or null), ?3 now (Unix ms)
UPDATE group_meta SET expires = ?2 WHERE id = ?1 AND (expires IS NULL OR expires > ?3);
