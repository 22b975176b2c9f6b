# psycopg2 as a program of ../program.ts. It has no prepared statements of its own: SQL's PREPARE and EXECUTE, as its users write them.
import io
import select

import psycopg2
from loop import failed, on_next_line, rows, serve


class Verbs:
    def connect(self, port, user, password, database):
        self.conn = psycopg2.connect(host="127.0.0.1", port=port, user=user, password=password, dbname=database)
        self.conn.autocommit = True

    def query(self, sql):
        return self._execute(sql)

    def param(self, sql, value):
        return self._execute(sql, (int(value),))

    def prepared(self, sql, *values):
        self._execute(f"PREPARE by_hand(int) AS {sql}")
        found = [self._execute("EXECUTE by_hand(%s)", (int(value),))["rows"][0] for value in values]
        self._execute("DEALLOCATE by_hand")
        return {"rows": found}

    def begin(self):
        self.conn.autocommit = False

    def commit(self):
        self.conn.commit()
        self.conn.autocommit = True

    def rollback(self):
        self.conn.rollback()
        self.conn.autocommit = True

    def copyin(self, table, column, *lines):
        with self.conn.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} ({column}) FROM STDIN", io.StringIO("".join(f"{line}\n" for line in lines)))

    def copyout(self, table):
        out = io.StringIO()
        with self.conn.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} TO STDOUT", out)
        return rows(line.split("\t") for line in out.getvalue().splitlines())

    def listen(self, channel):
        self._execute(f"LISTEN {channel}")

    def notified(self):
        while not self.conn.notifies:
            select.select([self.conn], [], [])
            self.conn.poll()
        heard = self.conn.notifies.pop(0)
        return {"rows": [[heard.channel, heard.payload]]}

    def cancel(self, sql):
        on_next_line(self.conn.cancel)
        return self.query(sql)

    def close(self):
        self.conn.close()

    def _execute(self, sql, values=None):
        with self.conn.cursor() as cursor:
            cursor.execute(sql, values)
            return rows(cursor.fetchall() if cursor.description else [])


def describe(error):
    return failed(getattr(error, "pgcode", None), getattr(getattr(error, "diag", None), "message_primary", None), error)


if __name__ == "__main__":
    serve(psycopg2.__version__.split()[0], Verbs(), describe)
