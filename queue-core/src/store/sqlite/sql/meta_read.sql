-- meta_read: the counters, first thing in every transaction that writes.
--
-- Returns sequence, revocations, swept (Unix ms)
SELECT sequence, revocations, swept FROM meta;
