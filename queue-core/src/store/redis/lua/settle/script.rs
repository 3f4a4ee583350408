// The text of one script, whose three parts are read in this order; for `include!`.
concat!(include_str!("check.lua"), include_str!("chords.lua"), include_str!("end.lua"))
