-- tally_read: how many jobs a queue has, by kind and step.
--
-- ?1 queue id
-- Returns kind, step, n
SELECT kind, step, n FROM tally WHERE queue = ?1 AND n > 0;
