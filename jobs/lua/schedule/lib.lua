-- Put before every script of this folder: the keys of the schedule, and the rules that several scripts share.
--
-- KEYS[1] {u}:jobs     hash  id -> client, of all jobs that have not ended
-- KEYS[2] {u}:order    zset  id -> time of the kick-off (ms)
-- KEYS[3] {u}:pending  zset  id -> when the reservation lapses (ms)
-- KEYS[4] {u}:clients  zset  client -> virtual time, of clients with a running job
-- KEYS[5] {u}:run      zset  id -> virtual time, of running jobs
-- KEYS[6] {u}:idle     hash  id -> nothing to claim before (ms)
-- KEYS[7] {u}:cost     hash  id -> requests of its last chunk; * -> those of the last chunk of any job
-- KEYS[8] {u}:kept     zset  id -> until when (ms) the record of an ended job is kept
--
-- A virtual time is the requests had so far: who has had the least is next.
--
-- ARGV[1] is a word of the caller that is taken off here. Every reply begins with it, so that the caller can tell whose answer it got.
local word = table.remove(ARGV, 1)
local jobs, order, pending, clients, run, idle, cost, kept =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]

-- With its fraction, so that kick-offs of one millisecond keep their order.
local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + tonumber(t[2]) / 1000
end

local function map(flat)
  local m = {}
  for k = 1, #flat, 2 do m[flat[k]] = flat[k + 1] end
  return m
end

-- Takes a job out of everything; returns its client, or false when it was not there.
local function drop(id)
  local client = redis.call('HGET', jobs, id)
  redis.call('HDEL', jobs, id)
  redis.call('HDEL', idle, id)
  redis.call('HDEL', cost, id)
  redis.call('ZREM', order, id)
  redis.call('ZREM', pending, id)
  redis.call('ZREM', run, id)
  return client
end

-- Reservations that nobody used in time are free again.
local function sweep(now)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', pending, '-inf', now, 'LIMIT', 0, 100)) do drop(id) end
end

-- Lets the oldest waiting jobs of a client run, at most max at once. A job begins at the least virtual time of its client's others, a
-- client at the least of all: who was away has saved up nothing.
local function start(client, max)
  local by, running, waiting, least = map(redis.call('HGETALL', jobs)), 0, {}, nil
  for _, id in ipairs(redis.call('ZRANGE', order, 0, -1)) do
    if by[id] == client then
      local v = redis.call('ZSCORE', run, id)
      if v then
        running = running + 1
        least = math.min(least or tonumber(v), tonumber(v))
      elseif not redis.call('ZSCORE', pending, id) then
        waiting[#waiting + 1] = id
      end
    end
  end
  for _, id in ipairs(waiting) do
    if running >= max then break end
    redis.call('ZADD', run, least or 0, id)
    running = running + 1
  end
  if running == 0 then
    redis.call('ZREM', clients, client)
  elseif not redis.call('ZSCORE', clients, client) then
    redis.call('ZADD', clients, redis.call('ZRANGE', clients, 0, 0, 'WITHSCORES')[2] or 0, client)
  end
end
