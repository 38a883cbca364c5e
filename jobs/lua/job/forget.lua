-- Nothing is left of the job.
-- ARGV: none. Returns nothing more.
-- Invariant: none of the job's keys is left, so every lease is lost.
local out = answer()
redis.call('DEL', s, q, l, i, d, c)
return out
