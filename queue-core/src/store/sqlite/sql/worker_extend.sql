-- worker_extend: a sign of life; clears suspicion.
--
-- ?1 worker id, ?2 end of the lease (Unix ms), ?3 how many tasks it runs at once now
UPDATE worker SET lease_ends = ?2, silent_since = NULL, concurrency = ?3 WHERE id = ?1;
