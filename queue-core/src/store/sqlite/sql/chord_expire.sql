-- chord_expire: deletes a slice of the chords whose time is over and whose parts are gone already.
--
-- ?1 now (Unix ms), ?2 how many at most
DELETE FROM chord WHERE name IN (
  SELECT name FROM chord INDEXED BY chord_expires
  WHERE expires <= ?1 AND claim_ends <= ?1 AND NOT EXISTS (SELECT 1 FROM chord_part WHERE chord = name)
  ORDER BY expires LIMIT ?2
);
