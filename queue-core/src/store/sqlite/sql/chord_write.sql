-- chord_write: what is known of a chord from now on.
--
-- ?1 name, ?2 size or null, ?3 grown, ?4 parts, ?5 claim, ?6 claim_ends (Unix ms), ?7 expires (Unix ms or null)
INSERT INTO chord (name, size, grown, parts, claim, claim_ends, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (name) DO UPDATE SET size = ?2, grown = ?3, parts = ?4, claim = ?5, claim_ends = ?6, expires = ?7;
