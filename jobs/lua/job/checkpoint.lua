-- Adds the counters of one committed segment.
-- ARGV: item, token, epoch, seq, patients, rows, bytes, errors, requests, then type, rows for each type.
-- Returns 'ok' | 'lost'.
-- Invariant: a seq of an item counts once, whoever reports it and however often; it ends the counts of panics and deaths.
if not held(ARGV[1], ARGV[2], ARGV[3]) then
  return answer('lost')
end
local last = tonumber(redis.call('HGET', i, ARGV[1] .. ':s') or -1)
if tonumber(ARGV[4]) > last then
  redis.call('HSET', i, ARGV[1] .. ':s', ARGV[4])
  redis.call('HINCRBY', i, ARGV[1] .. ':r', ARGV[9])
  redis.call('HSET', i, ARGV[1] .. ':g', redis.call('HINCRBY', s, 'cps', 1))
  redis.call('HDEL', i, ARGV[1] .. ':p', ARGV[1] .. ':x')
  for k, name in ipairs({ 'patients', 'rows', 'bytes', 'errors', 'requests' }) do
    redis.call('HINCRBY', c, name, ARGV[4 + k])
  end
  for k = 10, #ARGV, 2 do
    redis.call('HINCRBY', c, 't:' .. ARGV[k], ARGV[k + 1])
  end
end
progress()
return answer('ok')
