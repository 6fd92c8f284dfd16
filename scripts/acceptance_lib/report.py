"""Counts what held and what did not, and says so as it goes."""

import sys
import time


class Report:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.began = time.monotonic()

    def section(self, title):
        self.say(f"\n== {title} ({time.monotonic() - self.began:.0f} s)")

    def say(self, line):
        print(line, flush=True)

    def check(self, what, holds, detail=""):
        """Records one check and returns whether it held."""
        if holds:
            self.passed += 1
            self.say(f"  ok    {what}")
        else:
            self.failed += 1
            self.say(f"  FAIL  {what}" + (f": {detail}" if detail != "" else ""))
        return bool(holds)

    def equal(self, what, found, wanted):
        return self.check(what, found == wanted, f"found {found!r}, wanted {wanted!r}")

    def none(self, what, violations):
        """A check that holds when the list of violations is empty; shows the first few."""
        shown = "; ".join(violations[:5])
        more = f" ... {len(violations)} in all" if len(violations) > 5 else ""
        return self.check(what, not violations, shown + more)

    def finish(self):
        self.say(f"acceptance: {self.passed} passed, {self.failed} failed")
        sys.stdout.flush()
        return 1 if self.failed else 0
