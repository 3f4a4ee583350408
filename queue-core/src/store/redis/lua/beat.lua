-- beat: extend a worker's leases, look for silent workers, reclaim dead ones, say what waits.
--
-- KEYS     seven per list: the list, what the worker holds of it, "{list}:workers", "{list}:silent", "{list}:suspects",
--          "{list}:scheduled", the suspect the worker holds
-- ARGV[1]  number  added to the server's clock, ms
-- ARGV[2]  number  length of the lease, ms
-- ARGV[3]  number  how long a silent worker stays a suspect, ms
-- ARGV[4]  number  sweeps further apart than this restart every suspect's grace, ms
-- ARGV[5]  number  how long tombstones and counts of deaths live, s
-- ARGV[6…] per list: the worker's incarnation
-- Returns  {now, per list: {fenced 0/1, held, suspects waiting, next due or -1, messages reclaimed, dead worker, …}}
--
-- An outage is not a death: a worker is reclaimed only when it was silent past its lease AND stayed silent for the grace
-- while this store kept answering sweeps.
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local lease, grace, gap, ttl = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]

-- Takes back what `worker` held of the list with these keys. A suspect is alone in its worker's hands: one more death of it.
local function reclaim(list, suspects, worker)
  local held, suspect = "{" .. list .. "}:held:" .. worker, "{" .. list .. "}:suspects:held:" .. worker
  local n = 0
  if redis.call("TYPE", held).ok == "list" then
    while redis.call("LMOVE", held, suspects, "RIGHT", "LEFT") do n = n + 1 end
  end
  if redis.call("TYPE", suspect).ok == "list" then
    local deaths = "{" .. list .. "}:deaths"
    if redis.call("LLEN", suspect) == 1 then
      redis.call("HINCRBY", deaths, redis.sha1hex(redis.call("LINDEX", suspect, 0)), 1)
      redis.call("EXPIRE", deaths, ttl)
    end
    while redis.call("LMOVE", suspect, suspects, "RIGHT", "LEFT") do n = n + 1 end
  end
  redis.call("SET", held, "dead", "EX", ttl)
  redis.call("SET", suspect, "dead", "EX", ttl)
  return n
end

local reply = {now}
for i = 1, #KEYS / 7 do
  local k = 7 * (i - 1)
  local list, held, workers, silent, suspects = KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4], KEYS[k + 5]
  local me = ARGV[5 + i]
  local row = {0, 0, 0, -1, 0}
  if redis.call("TYPE", held).ok == "string" then
    row[1] = 1
  else
    redis.call("ZADD", workers, now + lease, me)
    redis.call("HDEL", silent, me)
    row[2] = redis.call("LLEN", held) + redis.call("LLEN", KEYS[k + 7])
    local late = redis.call("ZRANGE", workers, "-inf", now, "BYSCORE", "LIMIT", 0, 100)
    if #late > 0 then
      local last = redis.call("HGET", silent, "")
      if last and now - last > gap then redis.call("DEL", silent) end
      for _, worker in ipairs(late) do
        local since = redis.call("HGET", silent, worker)
        if not since then
          redis.call("HSET", silent, worker, now)
        elseif now - since >= grace then
          row[5] = row[5] + reclaim(list, suspects, worker)
          row[#row + 1] = worker
          redis.call("ZREM", workers, worker)
          redis.call("HDEL", silent, worker)
        end
      end
      redis.call("HSET", silent, "", now)
      redis.call("EXPIRE", silent, ttl)
    end
    row[3] = redis.call("LLEN", suspects)
    local head = redis.call("ZRANGE", KEYS[k + 6], 0, 0, "WITHSCORES")
    if head[2] then row[4] = tonumber(head[2]) end
  end
  reply[#reply + 1] = row
end
return reply
