-- Makes wrk send at a fixed rate: every request, of whichever connection, takes the clock's next slot.
-- wrk measures from sending, so a request that waits for its slot is not charged for it.

local ffi = require("ffi")
ffi.cdef [[
  struct sidegate_time { long seconds; long nanoseconds; };
  int clock_gettime(int clock, struct sidegate_time *time);
]]

local MONOTONIC = 1
local GAP = 1000 / tonumber(os.getenv("RATE"))
-- Behind by more than this, the rate is lost for good and what was missed is not made up for.
local LATE = 100

local time = ffi.new("struct sidegate_time")
local slot

local function now()
  ffi.C.clock_gettime(MONOTONIC, time)
  return tonumber(time.seconds) * 1e3 + tonumber(time.nanoseconds) / 1e6
end

function delay()
  local moment = now()
  slot = math.max((slot or moment) + GAP, moment - LATE)
  return math.max(0, slot - moment)
end
