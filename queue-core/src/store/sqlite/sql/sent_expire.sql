-- sent_expire: deletes a slice of the idempotency keys whose time is over.
--
-- ?1 now (Unix ms), ?2 how many at most
DELETE FROM sent WHERE key IN (
  SELECT key FROM sent INDEXED BY sent_expires WHERE expires <= ?1 ORDER BY expires LIMIT ?2
);
