-- Notes that an assertion id was used.
-- KEYS[1] jti:<hash of client and jti>   ARGV: a random word of the caller, expiry (ms since 1970), ms to keep it beyond that.
-- Returns the word, 1 (fresh) | 0 (used before).
-- Invariant: one call with one word is told fresh, however often it is repeated; the key expires by itself.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local till = math.max(tonumber(ARGV[2]), now) + tonumber(ARGV[3])
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PXAT', string.format('%.0f', till)) then
  return { ARGV[1], 1 }
end
return { ARGV[1], redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0 }
