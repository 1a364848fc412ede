"""What is done inside Redis, each as one step and one round trip.

Keys of a partition, all in one slot of a cluster, since `{partition}` is their hash tag:

    prefix:{partition}:groups      sorted set: the group's name by the milliseconds of its last write
    prefix:{partition}:g:<group>   set: the keys of its records
    prefix:{partition}:r:<key>     a record: `<group> <milliseconds of its write>`, a line feed, the value
    prefix:{partition}:l:<key>     a lease: `<token> <until, ms> <kept after that, ms>`; it outlives its validity, so
                                   that the next turn learns that it was never given back

Every script is given the first as its key, and `prefix:{partition}:` as its first argument.  Times are the server's.
"""

from dataclasses import dataclass, field
from hashlib import sha1

COMMON = """
local groups, base = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function whole(number) return string.format('%.0f', number) end

local function stays(key, ms)  -- from now on, however long it would have stayed
    if ms == 0 then redis.call('PERSIST', key) else redis.call('PEXPIRE', key, ms) end
end

local function covers(key, left, ms)  -- an index stays as long as anything in it; left is its PTTL from before
    if left == -1 then return end
    if ms == 0 then redis.call('PERSIST', key)
    elseif left < ms then redis.call('PEXPIRE', key, ms) end
end

local function header(key)  -- of a record: its group, and when it was written
    return string.match(redis.call('GETRANGE', base .. 'r:' .. key, 0, 255), '^(%x+) (%d+)\\n')
end

local function leave(group, key)
    local set = base .. 'g:' .. group
    redis.call('SREM', set, key)
    if redis.call('EXISTS', set) == 0 then redis.call('ZREM', groups, group) end
end

local function put(key, group, value, written, ms)
    local before = header(key)
    if before and before ~= group then leave(before, key) end
    local record, set = base .. 'r:' .. key, base .. 'g:' .. group
    local text = group .. ' ' .. whole(written) .. '\\n' .. value
    if ms == 0 then redis.call('SET', record, text) else redis.call('SET', record, text, 'PX', ms) end
    local set_left, groups_left = redis.call('PTTL', set), redis.call('PTTL', groups)
    redis.call('SADD', set, key)
    redis.call('ZADD', groups, 'GT', whole(written), group)
    covers(set, set_left, ms)
    covers(groups, groups_left, ms)
end

local function drop(key)
    local group = header(key)
    redis.call('DEL', base .. 'r:' .. key)
    if group then leave(group, key) end
end

local function holder(lease)  -- its token, until when it may not be taken, and how long it is kept after that
    local stored = redis.call('GET', lease)
    if not stored then return nil end
    local token, till, kept = string.match(stored, '^(%x+) (%d+) (%d+)$')
    return token, tonumber(till), tonumber(kept)
end

local function hold(lease, token, hold_ms, kept)
    local text = token .. ' ' .. whole(now + hold_ms) .. ' ' .. whole(kept)
    if kept == 0 then redis.call('SET', lease, text) else redis.call('SET', lease, text, 'PX', hold_ms + kept) end
end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and the name that Redis knows it by once it has run."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


TAKE = Script(
    COMMON
    + """
local token, hold_ms, keep_ms, lease = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), base .. 'l:' .. ARGV[5]
local held, abandoned = 1, 0
local other, till = holder(lease)
if other and other ~= token then
    if till > now then held = 0 else abandoned = 1 end
end
if held == 1 then hold(lease, token, hold_ms, keep_ms) end
local reply = {token, held, abandoned}
for i = 6, #ARGV do
    local record = base .. 'r:' .. ARGV[i]
    local text = redis.call('GET', record)
    if text then
        stays(record, keep_ms)
        local set = base .. 'g:' .. string.match(text, '^%x+')
        covers(set, redis.call('PTTL', set), keep_ms)
        covers(groups, redis.call('PTTL', groups), keep_ms)
    end
    reply[#reply + 1] = text
end
return reply
"""
)
"""token, hold ms, keep ms, lease's key, keys to read… → token, held, abandoned, texts…"""

SETTLE = Script(
    COMMON
    + """
local token, keep_ms, lease, puts = ARGV[2], tonumber(ARGV[3]), base .. 'l:' .. ARGV[4], tonumber(ARGV[5])
if holder(lease) ~= token then return {token, 0} end
for i = 6, 5 + 3 * puts, 3 do put(ARGV[i], ARGV[i + 1], ARGV[i + 2], now, keep_ms) end
for i = 6 + 3 * puts, #ARGV do drop(ARGV[i]) end
redis.call('DEL', lease)
return {token, 1}
"""
)
"""token, keep ms, lease's key, number of puts, (key, group, value)…, keys to drop… → token, done"""

RENEW = Script(
    COMMON
    + """
local hold_ms, reply = tonumber(ARGV[2]), {ARGV[4]}
for i = 3, #ARGV, 2 do
    local lease = base .. 'l:' .. ARGV[i]
    local token, _, kept = holder(lease)
    if token == ARGV[i + 1] then
        hold(lease, token, hold_ms, kept)
        reply[#reply + 1] = 1
    else
        reply[#reply + 1] = 0
    end
end
return reply
"""
)
"""hold ms, (lease's key, token)… → the first token, done…"""

WRITE = Script(
    COMMON
    + """
for i = 3, #ARGV, 3 do put(ARGV[i], ARGV[i + 1], ARGV[i + 2], now, tonumber(ARGV[2])) end
return 1
"""
)
"""keep ms, (key, group, value)…"""

MERGE = Script(
    COMMON
    + """
local puts, merged = tonumber(ARGV[2]), 0
local function untouched_since(key, age_ms)
    local _, written = header(key)
    return not written or tonumber(written) <= now - age_ms
end
for i = 3, 2 + 5 * puts, 5 do
    local key, age_ms = ARGV[i], tonumber(ARGV[i + 3])
    if untouched_since(key, age_ms) then
        put(key, ARGV[i + 1], ARGV[i + 2], now - age_ms, tonumber(ARGV[i + 4]))
        merged = merged + 1
    end
end
for i = 3 + 5 * puts, #ARGV, 2 do
    if untouched_since(ARGV[i], tonumber(ARGV[i + 1])) then drop(ARGV[i]) end
end
return merged
"""
)
"""number of puts, (key, group, value, age ms, keep ms)…, (key dropped, age ms)… → how many were newer"""

LIST = Script(
    COMMON
    + """
local limit, reply = tonumber(ARGV[2]), {}
if limit == 0 then return reply end
for _, group in ipairs(redis.call('ZREVRANGE', groups, 0, -1)) do
    local set, live = base .. 'g:' .. group, 0
    for _, key in ipairs(redis.call('SMEMBERS', set)) do
        if redis.call('EXISTS', base .. 'r:' .. key) == 1 then live = live + 1 else leave(group, key) end
    end
    if live == 0 then
        redis.call('ZREM', groups, group)
    else
        reply[#reply + 1] = {group, redis.call('ZSCORE', groups, group), live, redis.call('GET', base .. 'r:' .. group)}
        if #reply == limit then break end
    end
end
return reply
"""
)
"""limit → (group, ms of its last write, records, text of its head or nil)…; what has expired is forgotten"""

DELETE = Script(
    COMMON
    + """
local deleted = 0
for _, group in ipairs(ARGV[2] and {ARGV[2]} or redis.call('ZRANGE', groups, 0, -1)) do
    local set, live = base .. 'g:' .. group, 0
    for _, key in ipairs(redis.call('SMEMBERS', set)) do
        live = live + redis.call('DEL', base .. 'r:' .. key)
        redis.call('DEL', base .. 'l:' .. key)
    end
    redis.call('DEL', set, base .. 'l:' .. group)
    redis.call('ZREM', groups, group)
    if live > 0 then deleted = deleted + 1 end
end
return deleted
"""
)
"""group, or nothing for all → how many groups there were"""
