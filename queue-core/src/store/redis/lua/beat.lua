-- beat: extend a worker's leases, look for silent workers, reclaim dead ones, say what waits.
--
-- KEYS[1]  the worker's description
-- KEYS[2…] six per list: the list, what the worker holds of it, "{list}:workers", "{list}:silent", "{list}:suspects",
--          "{list}:scheduled"; then keys of lists that were never seen used
-- ARGV[1]  number  added to the server's clock, ms
-- ARGV[2]  number  length of the lease, ms
-- ARGV[3]  number  how long a silent worker stays a suspect, ms
-- ARGV[4]  number  sweeps further apart than this, either way, restart every suspect's grace, ms
-- ARGV[5]  number  how long tombstones and counts of deaths live, s
-- ARGV[6]  number  how long the description lives, s
-- ARGV[7]  number  the longest that any worker's lease may be, ms
-- ARGV[8]  number  of lists
-- ARGV[9…] per list: the worker's incarnation
-- Returns  {now, 1 where a key of an unused list exists, 1 where the description is there, per list: {fenced 0/1, held,
--          suspects waiting 0/1, next due or -1, messages reclaimed, ready 0/1, which of its keys holds something else (1 the
--          list, 2 suspects, 3 workers, 4 silent, 5 scheduled, 6 deaths, 0 none), dead worker, …}}
--
-- What concerns a list at one of whose keys is a value of another type is left out, all others go on.
--
-- An outage is not a death: a worker is reclaimed only when it was silent past its lease AND stayed silent for the grace
-- while this store kept answering sweeps. Of the time between two of them at most half the grace counts: the store may have been
-- away for most of it. A suspicion names the lease it is about ("since lease-end"), so that a heartbeat, which moves the lease,
-- ends it without a write.
-- The description's end first: a server at its memory limit refuses only a script's first write, and not one that needs no
-- room, and this step must go on there. Not there: the server came back empty, and the worker has to sign on again.
local described = redis.call("EXPIRE", KEYS[1], ARGV[6])
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local lease, grace, gap, ttl = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local longest, lists = tonumber(ARGV[7]), tonumber(ARGV[8])

-- Takes back what `worker` held of the list. A suspect is alone in its worker's hands: one more death of it.
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

-- Cuts leases that end later than any that could begin now: the server's clock was set back, and who died before would be hidden for
-- as long as that. Who lives extends its own.
local function cut_leases(workers)
  local after = string.format("(%.0f", now + longest)
  for _, worker in ipairs(redis.call("ZRANGE", workers, after, "+inf", "BYSCORE", "LIMIT", 0, 100)) do
    redis.call("ZADD", workers, now + lease, worker)
  end
end

-- Looks at the workers whose lease is over; adds what it reclaimed to `row`.
local function sweep(row, list, workers, silent, suspects)
  cut_leases(workers)
  local late = redis.call("ZRANGE", workers, "-inf", now, "BYSCORE", "LIMIT", 0, 100, "WITHSCORES")
  if #late == 0 then return end
  local passed = now - (redis.call("HGET", silent, "") or now)
  if math.abs(passed) > gap then redis.call("DEL", silent) end
  local nap = math.max(0, math.floor(passed - grace / 2))
  for j = 1, #late, 2 do
    local worker, ended = late[j], late[j + 1]
    local since, about = string.match(redis.call("HGET", silent, worker) or "", "^(%d+) (.+)$")
    if about ~= ended then
      redis.call("HSET", silent, worker, string.format("%d ", now) .. ended)
    elseif now - since - nap < grace then
      if nap > 0 then redis.call("HSET", silent, worker, string.format("%d ", since + nap) .. ended) end
    else
      row[5] = row[5] + reclaim(list, suspects, worker)
      row[#row + 1] = worker
      redis.call("ZREM", workers, worker)
      redis.call("HDEL", silent, worker)
    end
  end
  redis.call("HSET", silent, "", string.format("%d", now))
  redis.call("EXPIRE", silent, ttl)
end

local function foreign(key, kind)
  local found = redis.call("TYPE", key).ok
  return found ~= kind and found ~= "none"
end

-- A call takes no more arguments than Lua's stack holds.
local function is_used(first)
  for i = first, #KEYS, 1000 do
    if redis.call("EXISTS", unpack(KEYS, i, math.min(i + 999, #KEYS))) > 0 then return 1 end
  end
  return 0
end

local reply = {now, is_used(6 * lists + 2), described}
for i = 1, lists do
  local list, held, workers, silent, suspects, scheduled = unpack(KEYS, 6 * i - 4, 6 * i + 1)
  local row = {0, 0, 0, -1, 0, 0, 0}
  local length = redis.pcall("LLEN", held)
  if type(length) == "table" then
    row[1] = 1
  else
    local registry = not foreign(workers, "zset")
    if registry then redis.call("ZADD", workers, now + lease, ARGV[8 + i]) end
    row[2] = length + redis.call("LLEN", "{" .. list .. "}:suspects:held:" .. ARGV[8 + i])
    local ready = redis.pcall("LLEN", list)
    if type(ready) == "table" then row[7] = 1 end
    if foreign(suspects, "list") then row[7] = 2 end
    if not registry then row[7] = 3 end
    if foreign(silent, "hash") then row[7] = 4 end
    if foreign("{" .. list .. "}:deaths", "hash") then row[7] = 6 end
    -- What dead workers hold has no place to go to while somebody else's value is there.
    if row[7] < 2 then sweep(row, list, workers, silent, suspects) end
    if foreign(scheduled, "zset") then row[7] = 5 end
    if row[7] == 0 then
      row[3] = redis.call("EXISTS", suspects)
      if ready > 0 then row[6] = 1 end
      local head = redis.call("ZRANGE", scheduled, 0, 0, "WITHSCORES")
      if head[2] then row[4] = tonumber(head[2]) end
    end
  end
  reply[#reply + 1] = row
end
return reply
