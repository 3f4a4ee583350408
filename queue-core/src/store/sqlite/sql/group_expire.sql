-- group_expire: deletes a slice of the saved groups whose time is over.
--
-- ?1 now (Unix ms), ?2 how many at most
DELETE FROM group_meta WHERE rowid IN (
  SELECT rowid FROM group_meta INDEXED BY group_meta_expires WHERE expires <= ?1 ORDER BY expires LIMIT ?2
);
