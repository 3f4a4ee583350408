-- orphans_group: saved groups, and whether each expires.
--
-- ?1 the first id, ?2 how many
-- Returns id, kind (null for none), why
SELECT id, CASE WHEN expires IS NULL THEN 'endless-result' END, 'the saved group does not expire'
FROM group_meta WHERE id >= ?1 ORDER BY id LIMIT ?2;
