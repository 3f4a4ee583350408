-- group_delete: forgets a saved group.
--
-- ?1 id
-- Returns expires (Unix ms or null)
DELETE FROM group_meta WHERE id = ?1 RETURNING expires;
