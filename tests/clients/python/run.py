"""Runs the checks of a folder and prints what became of each, in the form of the Test Anything Protocol."""

import sys
import unittest


class Tap(unittest.TestResult):
    """A line for each check, with its trace below where it failed."""

    def say(self, result, test, remark=""):
        # What fails before a class's checks is told of as `setUpClass (module.Class)`.
        name = test.id().split(" ")[0].rsplit(".", 1)[-1].removeprefix("test_")
        print(f"{result} - {name}{remark}", flush=True)

    def addSuccess(self, test):
        self.say("ok", test)

    def addSkip(self, test, reason):
        self.say("ok", test, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("not ok", test)
        self.trace(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.say("not ok", test)
        self.trace(test, err)

    def trace(self, test, err):
        for line in self._exc_info_to_string(err, test).splitlines():
            print(f"# {line}", flush=True)


def main():
    suite = unittest.defaultTestLoader.discover(sys.argv[1])
    result = Tap()
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)


main()
