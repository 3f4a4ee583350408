-- sent_read: the value of an idempotency key that stands.
--
-- ?1 key, ?2 now (Unix ms)
SELECT value FROM sent WHERE key = ?1 AND expires > ?2;
