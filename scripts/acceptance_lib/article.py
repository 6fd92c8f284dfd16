"""The article's two bodies: pasted as printed, mended step by step, and accepted on a fresh database."""

import re

from . import machine as on
from .first_run import start_demo
from .wire import Connection, basic

DATA = on.REPO / "tests" / "data" / "article"
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


def run(machine, report):
    report.section("The article's two bodies, verbatim and mended")
    server, demo = start_demo(machine, machine.new_data_dir("article"))
    account = Connection(server.url, basic(demo["access_key"], demo["secret_key"]))
    bank = (DATA / "bank_body.txt").read_bytes().decode()
    personal = (DATA / "personal_body.txt").read_bytes().decode()
    first = mend(report, account, "bank", bank)
    report.equal("bank: accepted with a coupon of bank 9900", (first.get("coupon_bank") or {}).get("id"), 9900)
    second = mend(report, account, "personal", personal, customer="C9912")
    report.equal("personal: accepted with Clooney1", second.get("coupon_code"), "Clooney1")
    server.terminate()
    report.equal("the server ends with exit code 0", server.wait_exit(20), 0)


def mend(report, account, name, body, customer="C9911"):
    """Mends what the answers name, one mistake after the other, and returns the last answer."""
    expect_complaint(report, account, f"{name}, verbatim: U+00A0", body, "U+00A0", body.index(NO_BREAK_SPACE))
    body = body.replace(NO_BREAK_SPACE, " ")
    comma = re.search(r",\s*}", body)
    places = comma.start(), comma.end() - 1
    expect_complaint(report, account, f"{name}, with plain spaces: the trailing comma", body, "trailing comma", *places)
    body = re.sub(r",(\s*})", r"\1", body)
    if body.count("{") > body.count("}"):
        expect_complaint(report, account, f"{name}, without the commas: the missing brace", body, "}")
        body += "}"
    body = body.replace("C9911", customer)
    answer = account.request("POST", "/v1/referral_codes", body.encode())
    report.equal(f"{name}, mended: 201", answer.status, 201)
    return answer.json()


def expect_complaint(report, account, what, body, words, *places):
    """A 400 that names the mistake, and a line and column where one can see it."""
    answer = account.request("POST", "/v1/referral_codes", body.encode())
    error = answer.json()
    message = error.get("message", "")
    report.equal(f"{what}: 400 invalid_json", (answer.status, error.get("error", {}).get("code")), (400, "invalid_json"))
    named = re.search(r"line (\d+),? column (\d+)", message, re.IGNORECASE)
    found = named and (int(named[1]), int(named[2]))
    right_place = found and (not places or found in [line_and_column(body, place) for place in places])
    report.check(f"{what} is named with its line and column", words in message and right_place, message)


def line_and_column(text, place):
    before = text[:place]
    return before.count("\n") + 1, place - (before.rfind("\n") + 1) + 1
