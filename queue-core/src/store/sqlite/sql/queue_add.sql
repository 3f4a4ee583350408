-- queue_add: numbers a queue that was never seen before.
--
-- ?1 name
-- Returns its id
INSERT INTO queue (name) VALUES (?1) RETURNING id;
