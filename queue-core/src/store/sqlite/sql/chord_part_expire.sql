-- chord_part_expire: deletes a slice of the parts of chords whose time is over.
--
-- ?1 now (Unix ms), ?2 how many at most
DELETE FROM chord_part WHERE (chord, place, id) IN (
  SELECT chord, place, id FROM chord INDEXED BY chord_expires CROSS JOIN chord_part ON chord = name
  WHERE expires <= ?1 LIMIT ?2
);
