# What the Python programs share: the line protocol of ../program.ts.
import json
import sys
import threading


def serve(version, verbs, describe):
    """Answers one line a verb until the input ends."""
    say({"version": version})
    for line in sys.stdin:
        name, *args = line.rstrip("\n").split("\t")
        try:
            answer = getattr(verbs, name)(*args) or {}
        except Exception as error:
            answer = describe(error)
        say(answer)


def say(answer):
    print(json.dumps(answer), flush=True)


def failed(sqlstate, message, error):
    """An error of the server; anything else is a fault of the program or the driver."""
    if sqlstate is None:
        return {"fault": f"{type(error).__name__}: {error}"}
    return {"error": {"sqlstate": sqlstate, "message": message}}


def rows(found):
    return {"rows": [[None if value is None else str(value) for value in row] for row in found]}


def on_next_line(act):
    """Acts when the test says so, while the statement runs."""
    thread = threading.Thread(target=lambda: (sys.stdin.readline(), act()), daemon=True)
    thread.start()
    return thread
