-- queue_id: the number of a queue.
--
-- ?1 name
SELECT id FROM queue WHERE name = ?1;
