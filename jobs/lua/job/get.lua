-- Reads one job.
-- ARGV: none. Returns leased, record (flat), counters (flat), 1 when something can be claimed now or later without anybody's doing.
-- Invariant: changes nothing; what it returns belongs to one moment.
local out = answer(redis.call('ZCARD', l))
out[5] = redis.call('HGETALL', s)
out[6] = redis.call('HGETALL', c)
local r = redis.call('HMGET', s, 'total', 'n')
out[7] = (redis.call('ZCARD', q) > 0 or tonumber(r[2] or 0) < tonumber(r[1] or 0)) and 1 or 0
return out
