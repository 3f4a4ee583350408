-- chord_read: what is known of a chord.
--
-- ?1 name
-- Returns size or null, grown, parts, claim, claim_ends (Unix ms), expires (Unix ms or null)
SELECT size, grown, parts, claim, claim_ends, expires FROM chord WHERE name = ?1;
