-- settle: end deliveries, each with all that follows from it or not at all.
--
-- KEYS[1]  list    any held key of the batch (routes the call; all keys are named by the arguments)
-- ARGV[1]  number  added to the server's clock, ms
-- ARGV[2]  number  length of a lease, ms
-- ARGV[3]  number  how long the claim to a chord stands, s
-- ARGV[4]  number  how long it is remembered that a chord is over, s
-- ARGV[5]  number  the database of the messages
-- ARGV[6]  number  the database of the results and chords ("" for the same)
-- ARGV[7]  number  groups of plain settlements: a message of this worker's goes, with one result or none, and nothing follows
-- ARGV[8…] per group: held key, how many, TTL of the results in s ("0" for ever, "" for no results), the length of its window
--          ("0" for none), then without a window, per settlement, in the order they were leased: the message [, result key, value];
--          with one: the group's last message, how many stay, per one of them, nearest first: how far from the end, from 1, and the
--          message; then per settlement: [result key, value]
-- ARGV[…]  per other settlement:
--          held key, the message, "{list}:deaths" ("" unless a suspect); or, when it was acknowledged early, "", the key that
--          says that this end was written ("" for no such fence), "",
--          the chord it ends ("" for none), then: our claim, and "0", "1" when a part failed, "2" to claim it and no more,
--          count of results, then per result: key, value, TTL in s ("0" for ever),
--          count of chord steps, then per step one of (TTL in s, "0" for ever):
--            "b", chord, size, group meta ("" for none), TTL
--            "g", chord, how many more, TTL
--            "p", chord, task id, index ("+inf" for none), member, TTL, our claim, the dispatch, and of its list: what this
--                 worker holds ("" for nothing), "{list}:suspects", "{list}:workers", the incarnation
--            "c", as the first half of "p", up to our claim: counted, and claimed with "?", the part and a blank
--                 before the claim
--            "k", chord, our claim: its dispatch is leased, so what stands before the claim goes
--            "d", as the second half of "p", from the dispatch on: only leased
--          count of follow-ups, then per follow-up: list, message, due in Unix ms ("" for now), "{list}:scheduled", "{list}:due",
--          "1" for a dead letter, then: "{list}:dead", "{list}:dead:why", "{list}:dead:message", entry, why (JSON), message
-- Returns  the numbers, from 1, of groups that do not stand where their windows are, and nothing happened; else
--          {per group: how many, when all are done, or per settlement of it: 1 done, 0 the lease was lost and nothing happened;
--          per other settlement: 1 and 0 likewise, -1 only removed: the chord is somebody else's;
--          {number of each "p", "c" and "d" of this call, from 1, whose dispatch this worker now holds, or whose chord it now
--          claims}}
--
-- With the results on another server, "c", "k" and "2" are for that server, "d" for this one.
--
-- A chord is named by its group's meta key; what is counted lies beside it, as Celery has it: ".j" members (zset by index),
-- ".d" who is counted (set), ".s" the size, ".t" what was added to it, ".c" who sends the body, and then "done".
--
-- Most settlements are plain, and most of what a worker ends is what it has held longest. So the plain ones are removed
-- together where they can be: the end of the held list is read, compared and cut off, three commands however many they are.
-- Where the worker knows that a group is the end of the list but for some that stay, it says so: a *window*, of which only the last
-- message and those that stay are looked at. Why that is enough stands in window.rs.
--
-- The removal from the held list is the fence and comes first within a settlement. That is safe because nothing after it
-- can fail: a full or read-only server refuses the probe before anything is touched, and the types of all keys to be written are
-- checked before the first removal. Source: a script's writes are refused by the state of the server at its start.
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]

-- Calls `step` where the results are.
local here, there = ARGV[5], ARGV[6]
local function with_results(step, ...)
  if there == "" then return step(...) end
  redis.call("SELECT", there)
  local answer = step(...)
  redis.call("SELECT", here)
  return answer
end

-- First pass: types. A wrong one stops the batch with an error that names the key.
local checked, wrong, writes = {}, nil, false
local function expect(key, kind)
  if checked[key] then return end
  local found = redis.call("TYPE", key).ok
  if found ~= kind and found ~= "none" then wrong = "WRONGTYPE key '" .. key .. "' holds a " .. found .. ", not a " .. kind end
  checked[key] = true
end
-- A count that is no number would stop the script half-way, as a wrong type does.
local function expect_number(key)
  expect(key, "string")
  local found = redis.pcall("GET", key)
  if type(found) == "string" and not string.find(found, "^-?%d+$") then wrong = "WRONGTYPE key '" .. key .. "' does not hold a number" end
end

-- Each kind of chord step: how many arguments it has.
local width = {b = 5, g = 4, p = 12, c = 7, k = 3, d = 6}
local function check_counts(kind, chord)
  if kind == "g" then expect_number(chord .. ".t") end
  if kind == "p" or kind == "c" then
    expect(chord .. ".c", "string")
    expect(chord .. ".d", "set")
    expect(chord .. ".j", "zset")
    expect(chord .. ".s", "string")
    expect(chord .. ".t", "string")
  end
end

local function check_step(at)
  local kind = ARGV[at]
  local after = at + width[kind]
  if kind ~= "d" then with_results(check_counts, kind, ARGV[at + 1]) end
  if kind == "p" or kind == "d" then
    expect(ARGV[after - 3], "list")
    expect(ARGV[after - 2], "zset")
  end
  return after
end

local held = {}
local function look_at(key)
  if held[key] == nil then held[key] = redis.call("TYPE", key).ok == "list" end
end

-- Notes what stays of a group's window, farthest first; false when it stands elsewhere.
local function look_into(group, at)
  local function is(place, message) return redis.call("LINDEX", group.key, -place) == message end
  local stands = is(group.window, ARGV[at])
  for i = tonumber(ARGV[at + 1]), 1, -1 do
    stands = stands and is(ARGV[at + 2 * i], ARGV[at + 2 * i + 1])
    group.stay[#group.stay + 1] = ARGV[at + 2 * i + 1]
  end
  return stands
end

-- A group's arguments are: `width` per settlement from `first` on, its result's key at `result` among them.
local groups, elsewhere = {}, {}
local at = 8
for i = 1, tonumber(ARGV[7]) do
  local group = {key = ARGV[at], n = tonumber(ARGV[at + 1]), ttl = ARGV[at + 2], window = tonumber(ARGV[at + 3]), stay = {}}
  look_at(group.key)
  at = at + 4
  group.width, group.result = 1, 1
  if group.window > 0 then
    if held[group.key] and not look_into(group, at) then elsewhere[#elsewhere + 1] = i end
    at = at + 2 + 2 * ARGV[at + 1]
    group.width, group.result = 0, 0
  end
  if group.ttl ~= "" then
    writes = true
    group.width = group.width + 2
  end
  group.first = at
  groups[i] = group
  at = at + group.n * group.width
end
if elsewhere[1] then return elsewhere end

local others = at
while at <= #ARGV do
  local key = ARGV[at]
  if key ~= "" then
    look_at(key)
  elseif ARGV[at + 1] ~= "" then
    writes = true
  end
  at = at + 3
  if ARGV[at] ~= "" then
    writes = true
    with_results(expect, ARGV[at] .. ".c", "string")
    at = at + 2
  end
  if ARGV[at + 1] ~= "0" then writes = true end
  at = at + 2 + 3 * ARGV[at + 1]
  local steps = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, steps do
    writes = true
    at = check_step(at)
  end
  local follows = tonumber(ARGV[at])
  if follows > 0 then writes = true end
  at = at + 1
  for _ = 1, follows do
    expect(ARGV[at], "list")
    if ARGV[at + 2] ~= "" then expect(ARGV[at + 3], "zset") end
    at = at + 5
  end
  if ARGV[at] == "1" then
    writes = true
    expect(ARGV[at + 1], "zset")
    expect(ARGV[at + 2], "hash")
    expect(ARGV[at + 3], "hash")
    at = at + 7
  else
    at = at + 1
  end
end

if wrong then return redis.error_reply(wrong) end
-- A batch that only removes is let through on a full server: that is how room comes back.
if writes then redis.call("LPUSHX", KEYS[1] .. ":probe", "") end

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

local function set(key, value, ttl)
  if ttl == "0" then redis.call("SET", key, value) else redis.call("SET", key, value, "EX", ttl) end
end

local function expire(ttl, ...)
  if ttl == "0" then return end
  for _, key in ipairs({...}) do redis.call("EXPIRE", key, ttl) end
end

-- Whether a worker of Celery <= 5.6, which writes no ".d", has counted this part: members are told apart by their beginning,
-- `[1, "<id>", "`. Looked for only where more came in than ".d" knows of.
local function is_counted(chord, index, member)
  local parts, known = chord .. ".j", chord .. ".d"
  if redis.call("ZCARD", parts) <= redis.call("SCARD", known) then return false end
  local _, ends = string.find(member, '", "', 1, true)
  if not ends then return false end
  local start = string.sub(member, 1, ends)
  for _, other in ipairs(redis.call("ZRANGEBYSCORE", parts, index, index, "LIMIT", 0, 1000)) do
    if string.sub(other, 1, ends) == start then return true end
  end
  return false
end

local function insert(chord, id, index, member)
  local seen = id .. ":" .. index
  if redis.call("SISMEMBER", chord .. ".d", seen) == 1 then return false end
  local counted = is_counted(chord, index, member)
  redis.call("SADD", chord .. ".d", seen)
  return not counted and redis.call("ZADD", chord .. ".j", index, member) == 1
end

local function is_complete(chord)
  local size = tonumber(redis.call("GET", chord .. ".s") or "")
  local grown = tonumber(redis.call("GET", chord .. ".t") or "0") or 0
  return size and redis.call("ZCARD", chord .. ".j") == size + grown
end

-- Leases a chord's dispatch to the worker that settles its last part: true. Where that worker was reclaimed meanwhile, it goes
-- among the suspects; never into the list, where Python would find it.
local function lease_dispatch(message, mine, suspects, workers, incarnation)
  if mine ~= "" and redis.call("TYPE", mine).ok ~= "string" then
    redis.call("LPUSH", mine, message)
    redis.call("ZADD", workers, now + ARGV[2], incarnation)
    return true
  end
  redis.call("LPUSH", suspects, message)
end

local function count(chord, id, index, member, ttl)
  local inserted = insert(chord, id, index, member)
  expire(ttl, chord .. ".j", chord .. ".t", chord .. ".s", chord .. ".d", chord)
  return inserted
end

-- True when the chord is complete with this part and claimed.
local function count_and_claim(chord, id, index, member, ttl, claim)
  if redis.call("GET", chord .. ".c") == "done" then return end
  if not count(chord, id, index, member, ttl) or not is_complete(chord) then return end
  -- Longer than it takes until a dead worker's dispatch is another's.
  return redis.call("SET", chord .. ".c", claim, "NX", "EX", ARGV[3])
end

-- True when the chord is complete with this part and claimed; or was so, by a worker that ran this part before and may have
-- died before it told the server of the messages. Such a claim stands as long as the chord.
local function count_and_ask(chord, id, index, member, ttl, claim)
  local owner = redis.call("GET", chord .. ".c")
  if owner == "done" then return end
  local inserted = count(chord, id, index, member, ttl)
  local unsure = "?" .. id .. ":" .. index .. " "
  local before = owner and string.sub(owner, 1, #unsure) == unsure
  if not is_complete(chord) or not (before or (inserted and not owner)) then return end
  set(chord .. ".c", unsure .. claim, ttl)
  return true
end

local function is_unsure(owner, claim)
  return owner and string.sub(owner, 1, 1) == "?" and string.sub(owner, -#claim - 1) == " " .. claim
end

local function keep_claim(chord, claim)
  if is_unsure(redis.call("GET", chord .. ".c"), claim) then redis.call("SET", chord .. ".c", claim, "EX", ARGV[3]) end
end

local function change(kind, chord, ...)
  if kind == "c" then return count_and_ask(chord, ...) end
  if kind == "k" then return keep_claim(chord, ...) end
  if kind == "g" then
    local by, ttl = ...
    redis.call("INCRBY", chord .. ".t", by)
    expire(ttl, chord .. ".t")
  else
    local size, meta, ttl = ...
    set(chord .. ".s", size, ttl)
    -- The same group applied again is a new run.
    redis.call("DEL", chord .. ".c")
    if meta ~= "" then set(chord, meta, ttl) end
  end
end

local function chord_step(kind, chord, ...)
  if kind == "d" then return lease_dispatch(chord, ...) end
  if kind ~= "p" then return with_results(change, kind, chord, ...) end
  if with_results(count_and_claim, chord, ...) then return lease_dispatch(select(6, ...)) end
end

-- Whether this worker may end the chord: its claim stands, or ran out and nobody took or ended the chord since.
local function may_end(chord, claim)
  local owner = redis.call("GET", chord .. ".c")
  return owner == claim or is_unsure(owner, claim) or (not owner and redis.call("EXISTS", chord .. ".s") == 1)
end

local function end_chord(chord, claim, how)
  if how == "2" then
    redis.call("SET", chord .. ".c", claim, "EX", ARGV[3])
    return
  end
  -- Of a failed one the parts stay until they expire, as with Celery.
  if how == "1" then
    redis.call("DEL", chord .. ".s")
  else
    redis.call("UNLINK", chord .. ".j", chord .. ".t", chord .. ".s", chord .. ".d")
  end
  redis.call("SET", chord .. ".c", "done", "EX", ARGV[4])
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
  if stands and deaths ~= "" then redis.call("HDEL", deaths, redis.sha1hex(message)) end
  local ends, claim, how = ARGV[at + 3], nil, nil
  at = at + 4
  if ends ~= "" then
    claim, how = ARGV[at], ARGV[at + 1]
    if stands and not with_results(may_end, ends, claim) then
      stands, answer = false, -1
    end
    at = at + 2
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
  if stands and ends ~= "" then with_results(end_chord, ends, claim, how) end
  reply[#reply + 1] = answer
end
return {plain, reply, leased}
