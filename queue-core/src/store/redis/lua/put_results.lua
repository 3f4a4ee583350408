-- put_results: store results, never over a SUCCESS, and wake those who wait.
--
-- KEYS     the results' keys
-- ARGV     per key: the value, its TTL in s ("0" for ever)
-- Returns  how many were stored
local stored = 0
for i, key in ipairs(KEYS) do
  local value, ttl = ARGV[2 * i - 1], ARGV[2 * i]
  -- pcall: a key of another type is not a SUCCESS of ours, and SET replaces it.
  if redis.pcall("GETRANGE", key, 0, 19) ~= '{"status": "SUCCESS"' then
    if ttl == "0" then redis.call("SET", key, value) else redis.call("SET", key, value, "EX", ttl) end
    redis.pcall("PUBLISH", key, value)
    stored = stored + 1
  end
end
return stored
