-- sweep_cut: leases that end later than any that could begin now are cut.
--
-- ?1 when a lease that begins now ends, ?2 when the longest does (Unix ms)
UPDATE worker SET lease_ends = ?1 WHERE lease_ends > ?2;
