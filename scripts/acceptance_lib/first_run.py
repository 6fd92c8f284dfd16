"""The first run: `demo` on an empty directory, its four commands exactly as printed, and what comes after."""

import json
import re
import time
from decimal import Decimal

from . import machine as on
from .wire import Connection, basic

REFERRAL_CODE = re.compile(r"[0-9a-hjkmnp-tv-z]{8}")
KEYS = {"url", "access_key", "secret_key", "campaign_id", "coupon_bank_id", "personal_bank_id", "commands"}
EX_TEMPFAIL = 75


def start_demo(machine, data_dir):
    """Returns the server and what demo.json says, once everything is printed."""
    server = machine.start("demo", data_dir, machine.free_port())
    on.wait_until("the demo prints its commands", lambda: server.is_ready() and len(printed_commands(server)) >= 4, 120)
    return server, json.loads((data_dir / "demo.json").read_text())


def printed_commands(server):
    lines = server.stdout.read_text().splitlines()
    return [line.strip() for line in lines if line.strip().startswith("curl ")]


def run(machine, report):
    report.section("First run: the demo on an empty directory")
    data_dir = machine.new_data_dir("first")
    server, demo = start_demo(machine, data_dir)
    report.say(f"  the demo printed its commands {time.monotonic() - server.began:.1f} s after its start")
    report.none("demo.json has every key", sorted(KEYS - set(demo)))
    report.equal("demo.json has the printed commands", demo.get("commands"), printed_commands(server))
    report.equal("demo.json, which holds a secret, is for its owner only", (data_dir / "demo.json").stat().st_mode & 0o077, 0)
    first = paste_all(machine, report, demo)
    if first is None:
        return
    check_answers(report, demo, first)
    check_link(report, first[0])
    report.equal("pasted a second time they answer the same", without_statuses(paste_all(machine, report, demo)), without_statuses(first))
    check_evaluation(report, demo, first[2])
    check_statuses(machine, report, demo)
    check_second_owner(machine, report, server, data_dir)

    server.press_ctrl_c()
    check_stopped(report, "Ctrl-C", server)
    again, demo_again = start_demo(machine, data_dir)
    same = ("access_key", "secret_key", "campaign_id", "coupon_bank_id", "personal_bank_id")
    report.equal("started again it has the same key and ids", [demo_again.get(k) for k in same], [demo.get(k) for k in same])
    account = Connection(again.url, basic(demo["access_key"], demo["secret_key"]))
    stored = account.get("/v1/purchases/" + first[2]["order_id"])
    report.equal("the first key still works and the purchase is there", (stored.status, stored.json()["id"]), (200, first[2]["id"]))
    answers = without_links(without_statuses(paste_all(machine, report, demo_again)))
    report.equal("the new commands answer the same", answers, without_links(without_statuses(first)))
    again.terminate()
    check_stopped(report, "SIGTERM", again)


def paste_all(machine, report, demo):
    """The JSON that each command prints, or None when one prints something else."""
    answers = []
    for number, command in enumerate(demo["commands"], 1):
        output = machine.bash(command)
        try:
            answers.append(json.JSONDecoder(parse_float=Decimal).raw_decode(output[output.index("{"):])[0])
        except ValueError:
            report.check(f"command {number} prints JSON", False, output[:300] or "nothing")
            return None
    return answers


def check_answers(report, demo, answers):
    from_bank, personal, online, in_store = answers
    code = from_bank.get("referral_code", from_bank)
    report.check("1: a referral code of eight Crockford characters", isinstance(code, str) and REFERRAL_CODE.fullmatch(code), code)
    shown = (from_bank.get("type"), from_bank.get("campaign", {}).get("id"), (from_bank.get("coupon_bank") or {}).get("id"))
    report.equal("1: a personal_url of campaign 53345 with a coupon of bank 9900", shown, ("personal_url", 53345, 9900))
    report.check("1: names the coupon", from_bank.get("coupon_code"), from_bank)
    report.equal("1: for C9911", from_bank.get("customer", {}).get("account_id"), "C9911")
    report.equal("2: the coupon is Clooney1, for C9912",
                 (personal.get("coupon_code"), personal.get("customer", {}).get("account_id")), ("Clooney1", "C9912"))
    attribution = online.get("attribution") or {}
    report.equal("3: attributed to Georgie by the coupon code", (attribution.get("via"), attribution.get("advocate", {}).get("first_name")),
                 ("coupon_code", "Georgie"))
    report.equal("3: the conversion is pending", (online.get("conversion") or {}).get("status"), "pending")
    report.check("4: attributed, and says where it was bought", in_store.get("attribution") and in_store.get("source"), in_store)
    account = Connection(demo["url"], basic(demo["access_key"], demo["secret_key"]))
    counts = account.get(f"/v1/coupon_banks/{demo['coupon_bank_id']}").json()["counts"]
    report.equal("the bank of 1000 has issued one code", counts, {"total": 1000, "issued": 1, "retired": 0, "available": 999})


def check_evaluation(report, demo, online):
    """The server evaluates what is due by itself."""
    account = Connection(demo["url"], basic(demo["access_key"], demo["secret_key"]))
    def is_approved():
        return account.get("/v1/purchases/" + online["order_id"]).json()["conversion"]["status"] == "approved"
    on.wait_until("the conversion is approved", is_approved, 10)
    history = account.get(f"/v1/conversions/{online['conversion']['id']}/history").json()
    decided = [(entry["event"], entry["decided_by"]) for entry in history["results"]]
    report.equal("3: the rules approve its conversion within seconds", decided, [("approved", "rules")])


def check_link(report, issued):
    path = "/" + issued["trackable_link"].split("/", 3)[3]
    answer = Connection(issued["trackable_link"]).get(path)
    location = answer.headers.get("location", "")
    report.equal("the trackable link redirects without credentials", answer.status, 302)
    report.check("it carries fbuy_ref_code", f"fbuy_ref_code={issued['referral_code']}" in location, location)


def check_statuses(machine, report, demo):
    """Once more with the answers' heads shown."""
    found = []
    for command in demo["commands"]:
        heads = machine.bash(f"{command} -sS -D - -o /dev/null").lower()
        found.append((heads.split(" ")[1] if " " in heads else heads, "idempotent-replayed: true" in heads))
    wanted = [("200", False)] * 2 + [("200", True)] * 2
    report.equal("repeats answer 200, and purchases say that they are replays", found, wanted)


def check_second_owner(machine, report, server, data_dir):
    second = machine.run("demo", data_dir=data_dir, GOODWORD_LISTEN=f"127.0.0.1:{machine.free_port()}")
    report.equal("a second demo on the directory is refused with exit code 75", second.returncode, EX_TEMPFAIL)
    said = second.stderr
    report.check("it says what is in use, and by whom", "in use" in said and str(server.process.pid) in said, said)
    report.check("the first one goes on", server.is_ready())


def check_stopped(report, how, server):
    report.equal(f"{how} ends it with exit code 0", server.wait_exit(20), 0)
    report.equal(f"{how} leaves no PostgreSQL behind", on.postgres_processes(server.data_dir), [])


def without_links(answers):
    """Links name the port, which is another one now."""
    return answers and [{k: v for k, v in answer.items() if k != "trackable_link"} for answer in answers]


def without_statuses(answers):
    """A conversion is evaluated a moment after its order."""
    def settled(answer):
        conversion = answer.get("conversion")
        return {**answer, "conversion": {**conversion, "status": None}} if conversion else answer
    return answers and [settled(answer) for answer in answers]
