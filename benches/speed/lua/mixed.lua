-- A shop's day: of ten requests six report orders, two look at an order reported before, one asks for a code, one looks
-- at the campaign.
local number = 0
local banks = os.getenv("BANKS")

function init()
  math.randomseed(os.time() + thread_number)
  codes = read_codes()
end

function request()
  number = number + 1
  local kind = number % 10
  if kind == 0 then
    return post("/v1/referral_codes", claim(number, banks))
  elseif kind == 5 then
    return get("/v1/campaigns/1001")
  elseif (kind == 3 or kind == 8) and number > 2000 then
    -- Far enough back to have been answered.
    local back = number - number % 10 - 10 * math.random(60, 150) + 1
    return get("/v1/purchases/" .. tag .. "-" .. thread_number .. "-" .. back)
  end
  return post("/v1/purchases", order(number))
end
