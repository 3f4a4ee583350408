-- begin: write how many parts chords wait for, and forget earlier claims.
--
-- KEYS[1]  hash    "queue:producer:<p>": lane -> the last number seen; without a number any key of the call
-- ARGV[1]  number  the lane ("" for no number)
-- ARGV[2]  number  the number
-- ARGV[3]  number  how long numbers are remembered, s
-- ARGV[4…] per chord: its group's meta key, the size, the meta ("" for none), TTL in s ("0" for ever)
-- Returns  whether it was done now
--
-- A try that comes late, when parts are in already, would take the claim away; its number was seen (see enqueue.lua).
if ARGV[1] ~= "" then
  local last = redis.call("HGET", KEYS[1], ARGV[1])
  if last and tonumber(last) >= tonumber(ARGV[2]) then return 0 end
  redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
  redis.call("EXPIRE", KEYS[1], ARGV[3])
end
local function set(key, value, ttl)
  if ttl == "0" then redis.call("SET", key, value) else redis.call("SET", key, value, "EX", ttl) end
end
for i = 4, #ARGV, 4 do
  local chord, size, meta, ttl = unpack(ARGV, i, i + 3)
  set(chord .. ".s", size, ttl)
  redis.call("DEL", chord .. ".c")
  if meta ~= "" then set(chord, meta, ttl) end
end
return 1
