-- settle, the third part: the removals, which are the fence, and after each what follows from it.

local function store(key, value, ttl)
  local free
  if ttl == "0" then free = redis.call("SET", key, value, "NX") else free = redis.call("SET", key, value, "EX", ttl, "NX") end
  if not free then
    -- Only the beginning is looked at: a result's text may hold these words too.
    local old = redis.pcall("GETRANGE", key, 0, 19)
    if old == '{"status": "SUCCESS"' then return end
    if ttl == "0" then redis.call("SET", key, value) else redis.call("SET", key, value, "EX", ttl) end
  end
  redis.pcall("PUBLISH", key, value)
end

local function schedule(zset, message, due, channel)
  local head = redis.call("ZRANGE", zset, 0, 0, "WITHSCORES")
  local n, member = 0, message
  if string.byte(message, 1) == 0 then member = "\0" .. "0" .. "\0" .. message end
  while redis.call("ZADD", zset, "NX", due, member) == 0 do
    n = n + 1
    member = "\0" .. n .. "\0" .. message
  end
  if not head[2] or tonumber(due) < tonumber(head[2]) then redis.pcall("PUBLISH", channel, due) end
end

-- Cuts what is to be removed off the end of the held list, together with at most a quarter of as much that stays, which is
-- put back. Returns how many are gone, the first of them in order: the others lie elsewhere, or nowhere.
local function cut(group)
  local key, n, step, at = group.key, group.n, group.width, group.first
  local found = redis.call("LRANGE", key, -n, -1)
  local stay, staying = {}, 0
  for i = #found, 1, -1 do
    if found[i] == ARGV[at] then
      at = at + step
    else
      staying = staying + 1
      stay[staying] = found[i]
      if staying * 4 > n then return 0 end
    end
  end
  redis.call("LTRIM", key, 0, -#found - 1)
  for i = staying, 1, -1 do redis.call("RPUSH", key, stay[i]) end
  return (at - group.first) / step
end

local function cut_window(group)
  redis.call("LTRIM", group.key, 0, -group.window - 1)
  if #group.stay > 0 then redis.call("RPUSH", group.key, unpack(group.stay)) end
end

-- How many of a group were removed: all, or per settlement whether it was.
local function remove(group)
  local key, n, step = group.key, group.n, group.width
  if not held[key] then return 0, {} end
  if group.window > 0 then
    cut_window(group)
    return n
  end
  local gone = n > 1 and cut(group) or 0
  local done, stood = gone, {}
  for i = 1, n do
    stood[i] = i <= gone or redis.call("LREM", key, -1, ARGV[group.first + (i - 1) * step]) == 1
    if i > gone and stood[i] then done = done + 1 end
  end
  return done, stood
end

local function store_all(group, stood)
  for i = 1, group.n do
    local at = group.first + group.width * (i - 1) + group.result
    if not stood or stood[i] then store(ARGV[at], ARGV[at + 1], group.ttl) end
  end
end

local function settle_plain(group)
  local done, stood = remove(group)
  if done > 0 and group.ttl ~= "" then with_results(store_all, group, stood) end
  if done == group.n then return done end
  local answers = {}
  for i = 1, group.n do answers[i] = stood[i] and 1 or 0 end
  return answers
end

-- Dead letters of one batch keep their order.
local died = time[1] * 1000 + time[2] / 1000 + ARGV[1]
local plain, reply, leased, parts = {}, {}, {}, 0
for i, group in ipairs(groups) do
  plain[i] = settle_plain(group)
end
at = others
while at <= #ARGV do
  local key, message, deaths = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local stands
  if key == "" then
    -- The end of what was acknowledged early holds no message that could fence it.
    stands = message == "" or redis.call("SET", message, "1", "EX", 3600, "NX") ~= false
  else
    stands = held[key] and redis.call("LREM", key, -1, message) == 1
  end
  local answer = stands and 1 or 0
  -- Whatever is at that key: nothing may fail after a removal.
  if stands and deaths ~= "" then redis.pcall("HDEL", deaths, redis.sha1hex(message)) end
  local ends, claim, how, ttl = ARGV[at + 3], nil, nil, nil
  at = at + 4
  if ends ~= "" then
    claim, how, ttl = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    if stands and not with_results(may_end, ends, claim) then
      stands, answer = false, -1
    end
    at = at + 3
  end
  local results = tonumber(ARGV[at])
  at = at + 1
  if stands then
    for _ = 1, results do
      with_results(store, ARGV[at], ARGV[at + 1], ARGV[at + 2])
      at = at + 3
    end
  else
    at = at + 3 * results
  end
  local steps = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, steps do
    local after = at + width[ARGV[at]]
    if string.find("pcd", ARGV[at], 1, true) then parts = parts + 1 end
    if stands and chord_step(unpack(ARGV, at, after - 1)) then leased[#leased + 1] = parts end
    at = after
  end
  local follows = tonumber(ARGV[at])
  at = at + 1
  if stands then
    for _ = 1, follows do
      local due = ARGV[at + 2]
      if due == "" or tonumber(due) <= now then
        redis.call("LPUSH", ARGV[at], ARGV[at + 1])
      else
        schedule(ARGV[at + 3], ARGV[at + 1], due, ARGV[at + 4])
      end
      at = at + 5
    end
  else
    at = at + 5 * follows
  end
  if ARGV[at] == "1" then
    if stands then
      died = died + 0.001
      redis.call("ZADD", ARGV[at + 1], died, ARGV[at + 4])
      redis.call("HSET", ARGV[at + 2], ARGV[at + 4], ARGV[at + 5])
      redis.call("HSET", ARGV[at + 3], ARGV[at + 4], ARGV[at + 6])
    end
    at = at + 7
  else
    at = at + 1
  end
  if stands and ends ~= "" then with_results(end_chord, ends, claim, how, ttl) end
  reply[#reply + 1] = answer
end
return {plain, reply, leased}
