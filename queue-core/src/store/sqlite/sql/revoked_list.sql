-- revoked_list: some of the marks that still count.
--
-- ?1 now (Unix ms), ?2 how many at most
-- Returns id
SELECT id FROM revoked INDEXED BY revoked_until WHERE until > ?1 ORDER BY until DESC LIMIT ?2;
