-- worker_count: how many workers are signed on and beat.
--
-- ?1 now (Unix ms)
-- Returns the count
SELECT count(*) FROM worker WHERE lease_ends > ?1;
