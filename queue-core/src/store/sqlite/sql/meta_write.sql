-- meta_write: the counters, last thing in a transaction that changed them.
--
-- ?1 sequence, ?2 revocations, ?3 swept (Unix ms)
UPDATE meta SET sequence = ?1, revocations = ?2, swept = ?3;
