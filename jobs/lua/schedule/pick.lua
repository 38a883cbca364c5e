-- Says which jobs to try now, the one whose turn it is first. That one is charged; settle.lua takes it back after a miss.
-- ARGV: how many at most.
-- Returns id, client, charge for each.
-- Invariant: the client with the least virtual time comes first, and of its jobs that with the least. Whoever is passed over because
-- it has nothing to do now is lifted to the one who is served: an unused turn is not saved up.
local now, most = now_ms(), tonumber(ARGV[1])
local by, rest = map(redis.call('HGETALL', jobs)), map(redis.call('HGETALL', idle))
local costs = map(redis.call('HGETALL', cost))

local turns = {} -- client -> its running jobs, least virtual time first
local flat = redis.call('ZRANGE', run, 0, -1, 'WITHSCORES')
for k = 1, #flat, 2 do
  local id, client = flat[k], by[flat[k]]
  if client then
    turns[client] = turns[client] or {}
    table.insert(turns[client], { id = id, v = flat[k + 1], ready = tonumber(rest[id] or 0) <= now })
  else
    redis.call('ZREM', run, id)
  end
end

local out, passed = { word }, {}
local function serve(client, v, t)
  local charge = costs[t.id] or costs['*'] or '1'
  if #out == 1 then
    for _, p in ipairs(passed) do redis.call('ZADD', p.key, p.key == clients and v or t.v, p.member) end
    redis.call('ZINCRBY', clients, charge, client)
    redis.call('ZINCRBY', run, charge, t.id)
  end
  out[#out + 1] = t.id
  out[#out + 1] = client
  out[#out + 1] = charge
end

flat = redis.call('ZRANGE', clients, 0, -1, 'WITHSCORES')
for k = 1, #flat, 2 do
  local waiting, ready = {}, false
  for _, t in ipairs(turns[flat[k]] or {}) do
    if not t.ready then
      if not ready then waiting[#waiting + 1] = { key = run, member = t.id } end
    elseif (#out - 1) / 3 < most then
      if #out == 1 then
        for _, w in ipairs(waiting) do passed[#passed + 1] = w end
      end
      ready = true
      serve(flat[k], flat[k + 1], t)
    end
  end
  if #out == 1 then passed[#passed + 1] = { key = clients, member = flat[k] } end
  if (#out - 1) / 3 >= most then break end
end
return out
