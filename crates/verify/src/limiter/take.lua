-- Takes units of several budgets, or of none, as counter.rs does it in memory.
-- KEYS: one text for each budget. It begins with the slot that was taken from last by time, the newest slot with a use,
-- the units of all slots, and those of the first named slot. The units of each other slot follow in the place of its
-- number modulo 61.
-- ARGV: the units, and for each budget its limit, the slot of this moment, and how long to keep it in milliseconds.
-- Answers whether they were taken (1 or 0), and for each budget its units, the slot of the newest of them, and the
-- slot from which on the wish fits, -1 where it fits now or never.
local HEAD, HEAD_BYTES = '<i8i8i8I4', 28
local unpacked, packed = struct.unpack, struct.pack
local cost = tonumber(ARGV[1])
local stored = redis.call('MGET', unpack(KEYS))

-- Nearly always the slot is the one that was taken from last, and the wish fits: then the beginning alone changes.
-- Texts of digits are numbers in sums, which is faster than to call for them.
local heads, answer = {}, { 1 }
for i = 1, cost > 0 and #KEYS or 0 do
  local text = stored[i]
  if not text then
    break
  end
  local head, _, used, here = unpacked(HEAD, text)
  used = used + cost
  if ARGV[3 * i] - head ~= 0 or ARGV[3 * i - 1] - used < 0 then
    break
  end
  heads[i] = packed(HEAD, head, head, used, here + cost)
  answer[3 * i - 1], answer[3 * i], answer[3 * i + 1] = used, head, -1
end
if #heads == #KEYS then
  for i = 1, #heads do
    redis.call('SETRANGE', KEYS[i], 0, heads[i])
  end
  return answer
end

local SLOTS, KEPT, UNITS, UNITS_BYTES = 60, 61, '<I4', 4
local BLANK = string.rep('\0', KEPT * UNITS_BYTES)

-- Where the units of a slot begin.
local function place(slot)
  return HEAD_BYTES + slot % KEPT * UNITS_BYTES + 1
end

local function units(text, slot)
  return (unpacked(UNITS, text, place(slot)))
end

local function with_units(text, slot, many)
  local first = place(slot)
  return text:sub(1, first - 1) .. packed(UNITS, many) .. text:sub(first + UNITS_BYTES)
end

local function look_at(i)
  local budget = { limit = tonumber(ARGV[3 * i - 1]), slot = tonumber(ARGV[3 * i]), keep = ARGV[3 * i + 1] }
  budget.used, budget.here, budget.newest = 0, 0, budget.slot
  local text, head = stored[i], nil
  if text then
    head, budget.newest, budget.used, budget.here = unpacked(HEAD, text)
  end
  if not head then
    budget.anew = true
  elseif budget.slot + SLOTS < head then
    -- The clock was set back by more than a window: all counts as used just now, whatever becomes of this wish.
    head, budget.newest, budget.here = budget.slot, budget.slot, budget.used
    text = packed(HEAD, head, head, budget.used, budget.used) .. BLANK
    redis.call('SET', KEYS[i], text, 'PX', budget.keep)
  elseif budget.slot > head + SLOTS then
    budget.anew, budget.used, budget.here, budget.newest = true, 0, 0, budget.slot
  elseif budget.slot > head then
    -- What was taken last goes to its place, and what lies wholly outside of the window goes.
    text = with_units(text, head, budget.here)
    for slot = head + 1, budget.slot do
      local outside = units(text, slot)
      if outside > 0 then
        budget.used, text = budget.used - outside, with_units(text, slot, 0)
      end
    end
    budget.here = 0
  else
    budget.slot = head
  end
  budget.text, budget.stored = text, head
  return budget
end

local function fits_from(budget)
  if cost == 0 or budget.used + cost <= budget.limit or cost > budget.limit or budget.anew then
    return -1
  end
  local left = budget.used
  for slot = budget.slot - SLOTS, budget.stored do
    left = left - (slot == budget.slot and budget.here or units(budget.text, slot))
    if left + cost <= budget.limit then
      return slot + KEPT
    end
  end
  return -1
end

local budgets, granted = {}, 1
for i = 1, #KEYS do
  local budget = look_at(i)
  budgets[i] = budget
  if cost > 0 and budget.used + cost > budget.limit then
    granted = 0
  end
end

answer = { granted }
for i, budget in ipairs(budgets) do
  local later = fits_from(budget)
  if granted == 1 and cost > 0 then
    budget.used, budget.newest = budget.used + cost, budget.slot
    local head = packed(HEAD, budget.slot, budget.slot, budget.used, budget.here + cost)
    local places = budget.anew and BLANK or budget.text:sub(HEAD_BYTES + 1)
    redis.call('SET', KEYS[i], head .. places, 'PX', budget.keep)
  end
  answer[3 * i - 1], answer[3 * i], answer[3 * i + 1] = budget.used, budget.newest, later
end
return answer
