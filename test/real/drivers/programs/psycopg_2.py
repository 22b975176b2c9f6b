# psycopg2 as a program of ../program.ts. It has no prepared statements of its own: SQL's PREPARE and EXECUTE, as its users write them.
import io
import select

import psycopg2
from loop import Psycopg, describe, rows, serve


class Verbs(Psycopg):
    def connect(self, port, user, password, database):
        self.conn = psycopg2.connect(host="127.0.0.1", port=port, user=user, password=password, dbname=database)
        self.conn.autocommit = True

    def prepared(self, sql, *values):
        self._execute(f"PREPARE by_hand(int) AS {sql}")
        found = [self._execute("EXECUTE by_hand(%s)", (int(value),))["rows"][0] for value in values]
        self._execute("DEALLOCATE by_hand")
        return {"rows": found}

    def copyin(self, table, column, *lines):
        with self.conn.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} ({column}) FROM STDIN", io.StringIO("".join(f"{line}\n" for line in lines)))

    def copyout(self, table):
        out = io.StringIO()
        with self.conn.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} TO STDOUT", out)
        return rows(line.split("\t") for line in out.getvalue().splitlines())

    def notified(self):
        while not self.conn.notifies:
            select.select([self.conn], [], [])
            self.conn.poll()
        heard = self.conn.notifies.pop(0)
        return {"rows": [[heard.channel, heard.payload]]}


if __name__ == "__main__":
    serve(psycopg2.__version__.split()[0], Verbs(), describe)
