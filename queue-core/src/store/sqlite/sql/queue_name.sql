-- queue_name: the name of a queue.
--
-- ?1 queue id
SELECT name FROM queue WHERE id = ?1;
