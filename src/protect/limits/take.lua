-- Takes one request off each limit, or off none when one of them refuses.
--
-- KEYS  one for each limit; its value is the theoretical arrival time: whole microseconds and parts of one.
-- ARGV  the present time in microseconds (0: the clock of this store, which is what servers ask for), then for each
--       limit what a request costs (microseconds, parts), how deep the bucket is (microseconds, parts), how many parts
--       a microsecond has, and after how many milliseconds an unused key is forgotten.
-- Answer: for each limit whether it lets the request pass, and how far its arrival time is ahead (microseconds, parts).
--
-- Numbers are doubles here: whole, and below 2^53, they are exact.
local now = tonumber(ARGV[1])
if now == 0 then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function keep(key, micros, parts, ttl)
    redis.call('SET', key, string.format('%.0f %.0f', micros, parts), 'PX', ttl)
end

local limits = {}
local all_pass = true
for i, key in ipairs(KEYS) do
    local at = 2 + (i - 1) * 6
    local cost, cost_parts = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    local depth, depth_parts = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local rate = tonumber(ARGV[at + 4])
    local arrival, parts = now, 0
    local stored = redis.call('GET', key)
    if stored then
        local micros, rest = string.match(stored, '^(%d+) (%d+)$')
        micros, rest = tonumber(micros), tonumber(rest)
        -- Parts that are of another rate count as a whole microsecond.
        if rest >= rate then
            micros, rest = micros + 1, 0
        end
        if micros >= now then
            arrival, parts = micros, rest
        end
        -- More than a full bucket ahead: the clock was set back or the limit made smaller. The bucket is empty, no more,
        -- and fills from now on.
        if arrival - now > depth or (arrival - now == depth and parts > depth_parts) then
            arrival, parts = now + depth, depth_parts
            keep(key, arrival, parts, ARGV[at + 5])
        end
    end
    local next, next_parts = arrival + cost, parts + cost_parts
    if next_parts >= rate then
        next, next_parts = next + 1, next_parts - rate
    end
    local ahead = next - now
    local passes = ahead < depth or (ahead == depth and next_parts <= depth_parts)
    all_pass = all_pass and passes
    limits[i] = {
        passes = passes, before = arrival - now, before_parts = parts,
        next = next, after = ahead, after_parts = next_parts, ttl = ARGV[at + 5],
    }
end

local answer = {}
for i, key in ipairs(KEYS) do
    local limit = limits[i]
    if all_pass then
        keep(key, limit.next, limit.after_parts, limit.ttl)
        answer[i] = { 1, limit.after, limit.after_parts }
    else
        answer[i] = { limit.passes and 1 or 0, limit.before, limit.before_parts }
    end
end
return answer
