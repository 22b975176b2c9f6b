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


def describe(error):
    """For all that stands on psycopg2 or psycopg 3."""
    diag = getattr(error, "diag", None)
    return failed(getattr(diag, "sqlstate", None), getattr(diag, "message_primary", None), error)


def on_next_line(act):
    """Acts when the test says so, while the statement runs."""
    thread = threading.Thread(target=lambda: (sys.stdin.readline(), act()), daemon=True)
    thread.start()
    return thread


class Psycopg:
    """The verbs that psycopg2 and psycopg 3 perform alike."""

    def query(self, sql):
        return self._execute(sql)

    def param(self, sql, value):
        return self._execute(sql, (int(value),))

    def begin(self):
        self.conn.autocommit = False

    def commit(self):
        self.conn.commit()
        self.conn.autocommit = True

    def rollback(self):
        self.conn.rollback()
        self.conn.autocommit = True

    def listen(self, channel):
        self._execute(f"LISTEN {channel}")

    def cancel(self, sql):
        on_next_line(self.conn.cancel)
        return self.query(sql)

    def close(self):
        self.conn.close()

    def _execute(self, sql, values=None):
        with self.conn.cursor() as cursor:
            cursor.execute(sql, values)
            return rows(cursor.fetchall() if cursor.description else [])
