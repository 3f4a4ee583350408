-- producer_kept_out: whether a key kept a parcel out of the last call of a lane, and nobody has enqueued it since.
--
-- ?1 producer, ?2 lane, ?3 number, ?4 lane of the parcel
SELECT 1 FROM producer AS parcel JOIN producer AS call ON call.name = parcel.name AND call.number = parcel.number
WHERE parcel.name = ?1 AND parcel.lane = ?4 AND call.lane = ?2 AND call.number = ?3;
