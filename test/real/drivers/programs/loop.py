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


def failed(sqlstate, message, error, errno=None):
    """An error of the server; anything else is a fault of the program or the driver."""
    if errno is not None:
        return {"error": {"sqlstate": "", "errno": errno, "message": message}}
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


def describe_mysql(error):
    """For PyMySQL and mysqlclient, which tell the number alone. Below 1000 and from 2000 to 2999 it is the driver's own."""
    errno, message = (*error.args, None, None)[:2]
    ours = not isinstance(errno, int) or errno < 1000 or 2000 <= errno < 3000
    return failed(None, message, error, None if ours else errno)


class MySQL:
    """The verbs that PyMySQL and mysqlclient perform alike. They have no prepared statements: SQL's, as their users write them."""

    driver = None
    options = {}

    def connect(self, port, user, password, database):
        self.to = {"host": "127.0.0.1", "port": int(port), "user": user, "password": password, "database": database}
        self.conn = self.driver.connect(**self.to, **self.options, charset="utf8mb4", autocommit=True)

    def query(self, sql):
        return self._execute(sql)

    def param(self, sql, value):
        return self._execute(sql, (int(value),))

    def prepared(self, sql, *values):
        self._execute("PREPARE by_hand FROM %s", (sql,))
        found = []
        for value in values:
            self._execute("SET @v = %s", (int(value),))
            found += self._execute("EXECUTE by_hand USING @v")["rows"]
        self._execute("DEALLOCATE PREPARE by_hand")
        return {"rows": found}

    def many(self, sql, *values):
        with self.conn.cursor() as cursor:
            cursor.executemany(sql, [(int(value),) for value in values])

    def blob(self, insert, select, data):
        self._execute(insert, (bytes.fromhex(data),))
        with self.conn.cursor() as cursor:
            cursor.execute(select)
            return rows([[cursor.fetchone()[0].hex()]])

    def multi(self, sql):
        with self.conn.cursor() as cursor:
            cursor.execute(sql)
            found = rows(cursor.fetchall())["rows"]
            while cursor.nextset():
                found += rows(cursor.fetchall() if cursor.description else [])["rows"]
            return {"rows": found}

    def begin(self):
        self.conn.begin()

    def commit(self):
        self.conn.commit()

    def rollback(self):
        self.conn.rollback()

    def autocommit(self, on):
        self.conn.autocommit(on == "1")

    def cancel(self, sql):
        on_next_line(self._kill)
        return self.query(sql)

    def close(self):
        self.conn.close()

    def _kill(self):
        other = self.driver.connect(**self.to)
        other.cursor().execute(f"KILL QUERY {self.conn.thread_id()}")
        other.close()

    def _execute(self, sql, values=None):
        with self.conn.cursor() as cursor:
            cursor.execute(sql, values)
            return rows(cursor.fetchall() if cursor.description else [])
