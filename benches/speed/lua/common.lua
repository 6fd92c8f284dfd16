-- What the scripts share: unique names, requests made by hand (wrk.format costs more than the rest), and the figures.
-- Settings come from the environment: TAG (no other run has it), HOST, AUTHORIZATION, CODES (a file), BANKS, PER_BANK.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("thread_number", #threads)
end

tag = os.getenv("TAG")

local tail = " HTTP/1.1\r\nHost: " .. os.getenv("HOST") .. "\r\nAuthorization: " .. os.getenv("AUTHORIZATION") .. "\r\n"
local head = {}

function post(path, body)
  local first = head[path]
  if not first then
    first = "POST " .. path .. tail .. "Content-Type: application/json\r\nContent-Length: "
    head[path] = first
  end
  return first .. #body .. "\r\n\r\n" .. body
end

function get(path)
  return "GET " .. path .. tail .. "\r\n"
end

function read_codes()
  local codes = {}
  for line in io.lines(os.getenv("CODES")) do
    codes[#codes + 1] = line
  end
  return codes
end

-- An order of a new customer. Every second one comes with the code of an advocate.
function order(number)
  local name = tag .. "-" .. thread_number .. "-" .. number
  local body = '{"order":{"id":"' .. name .. '","amount":49.90,"email":"' .. name .. '@example.com","new_customer":true}'
  if number % 2 == 0 then
    body = body .. ',"coupon_code":"' .. codes[math.random(#codes)] .. '"'
  end
  return body .. "}"
end

-- An advocate whom nobody knows yet asks for a code of a bank.
function claim(number, bank)
  local name = tag .. "-" .. thread_number .. "-" .. number
  return '{"campaign":{"id":1001},"customer":{"id":"' .. name .. '","first_name":"Ada","last_name":"Shaw","email":"'
    .. name .. '@example.net"},"coupon_bank_id":{"id":"' .. bank .. '"}}'
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'FIGURES {"requests":%d,"duration_us":%d,"refused":%d,"broken":%d,"p50_us":%d,"p99_us":%d,"max_us":%d}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
