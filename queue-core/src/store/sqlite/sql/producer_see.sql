-- producer_see: notes a number of a lane; changes no row when it, or a later one, was seen. What a key kept out of a call has a lane
-- of its own, which no call has: that of the call, and in the upper half which parcel it is, from 1.
--
-- ?1 producer, ?2 lane, ?3 number, ?4 until when it is remembered (Unix ms), ?5 now (Unix ms)
INSERT INTO producer (name, lane, number, expires) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (name, lane) DO UPDATE SET number = excluded.number, expires = excluded.expires
WHERE number < excluded.number OR expires <= ?5;
