-- Extends leases of one worker in one job.
-- ARGV: lease (ms), then item, token, epoch for each.
-- Returns 1 when somebody found nothing to claim in the last 3 s, else 0; then for each lease 1 (extended) | 0 (lost).
-- Invariant: only a lease that is current is extended; one that has run out but was not taken back lives on.
local now = now_ms()
local hungry = tonumber(redis.call('HGET', s, 'hungry') or 0)
local out = answer(now - hungry < 3000 and redis.call('ZCARD', q) == 0 and 1 or 0)
for k = 2, #ARGV, 3 do
  if held(ARGV[k], ARGV[k + 1], ARGV[k + 2]) then
    redis.call('ZADD', l, now + tonumber(ARGV[1]), ARGV[k])
    out[#out + 1] = 1
  else
    out[#out + 1] = 0
  end
end
return out
