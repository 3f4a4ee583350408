-- progress: store results while the delivery stands.
--
-- KEYS[1]  list    what the worker holds; a string is the tombstone of a reclaimed worker
-- KEYS[2…] the results' keys
-- ARGV[1]  string  the message
-- ARGV[2]  number  the database of the results ("" for that of the messages)
-- ARGV[3…] per result: the value, its TTL in s ("0" for ever)
-- Returns  1, or 0 when the lease was lost and nothing was stored
if redis.call("TYPE", KEYS[1]).ok ~= "list" then return 0 end
if not redis.call("LPOS", KEYS[1], ARGV[1], "RANK", -1) then return 0 end
if ARGV[2] ~= "" then redis.call("SELECT", ARGV[2]) end
for i = 2, #KEYS do
  local value, ttl = ARGV[2 * i - 1], ARGV[2 * i]
  if redis.pcall("GETRANGE", KEYS[i], 0, 19) ~= '{"status": "SUCCESS"' then
    if ttl == "0" then redis.call("SET", KEYS[i], value) else redis.call("SET", KEYS[i], value, "EX", ttl) end
    redis.pcall("PUBLISH", KEYS[i], value)
  end
end
return 1
