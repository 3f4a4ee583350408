-- producer_let_in: what a key kept out is enqueued.
--
-- ?1 producer, ?2 lane of the parcel
DELETE FROM producer WHERE name = ?1 AND lane = ?2;
