-- worker_queues: says what a worker consumes from now on.
--
-- ?1 worker, ?2 queues (JSON array)
UPDATE worker SET queues = ?2 WHERE id = ?1;
