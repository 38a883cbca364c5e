-- Names all jobs, in the order of their kick-offs, then those that have ended and are kept.
-- ARGV: none. Returns the ids.
-- Invariant: changes nothing.
local out = { word }
for _, id in ipairs(redis.call('ZRANGE', order, 0, -1)) do out[#out + 1] = id end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', kept, now_ms(), '+inf')) do
  if not redis.call('ZSCORE', order, id) then out[#out + 1] = id end
end
return out
