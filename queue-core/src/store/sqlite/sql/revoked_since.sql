-- revoked_since: marks newer than a version.
--
-- ?1 version, ?2 now (Unix ms)
-- Returns id, until (Unix ms), version
SELECT id, until, version FROM revoked INDEXED BY revoked_version WHERE version > ?1 AND until > ?2;
