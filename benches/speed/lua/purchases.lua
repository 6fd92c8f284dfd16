-- Orders, half of them attributed.
local number = 0

function init()
  math.randomseed(os.time() + thread_number)
  codes = read_codes()
end

function request()
  number = number + 1
  return post("/v1/purchases", order(number))
end
