-- Reads one job.
-- ARGV: none. Returns leased, record (flat), counters (flat).
-- Invariant: changes nothing; what it returns belongs to one moment.
local out = answer(redis.call('ZCARD', l))
out[5] = redis.call('HGETALL', s)
out[6] = redis.call('HGETALL', c)
return out
