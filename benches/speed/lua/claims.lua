-- New advocates, each with a random code of a bank. With PER_BANK the banks are used one after the other, each for that
-- many claims; without it each advocate comes to the next bank. CLAIMS_MAX ends the run before a bank is empty.
local number, per_bank, claims_max = 0, tonumber(os.getenv("PER_BANK")), tonumber(os.getenv("CLAIMS_MAX"))
local banks = {}

function init()
  for bank in string.gmatch(os.getenv("BANKS"), "%d+") do
    banks[#banks + 1] = bank
  end
end

function request()
  local index = per_bank > 0 and math.floor(number / per_bank) or number % #banks
  number = number + 1
  if number >= claims_max then
    wrk.thread:stop()
  end
  return post("/v1/referral_codes", claim(number, banks[math.min(index + 1, #banks)]))
end
