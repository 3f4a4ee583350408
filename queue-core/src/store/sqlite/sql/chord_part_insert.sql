-- chord_part_insert: a part came in; nothing when it was counted before.
--
-- ?1 chord, ?2 place, ?3 task id, ?4 member
INSERT INTO chord_part (chord, place, id, member) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING;
