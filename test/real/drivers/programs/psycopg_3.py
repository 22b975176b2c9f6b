# psycopg 3 as a program of ../program.ts.
import psycopg
from loop import Psycopg, describe, rows, serve


class Verbs(Psycopg):
    def connect(self, port, user, password, database):
        self.conn = psycopg.connect(
            host="127.0.0.1", port=port, user=user, password=password, dbname=database, autocommit=True
        )
        self.heard = []
        self.conn.add_notify_handler(self.heard.append)

    def prepared(self, sql, *values):
        return {"rows": [[str(self.conn.execute(sql, (int(v),), prepare=True).fetchone()[0])] for v in values]}

    def copyin(self, table, column, *lines):
        with self.conn.cursor() as cursor, cursor.copy(f"COPY {table} ({column}) FROM STDIN") as copy:
            for line in lines:
                copy.write_row((line,))

    def copyout(self, table):
        with self.conn.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT") as copy:
            return rows(copy.rows())

    def notified(self):
        heard = self.heard.pop(0) if self.heard else next(self.conn.notifies())
        return {"rows": [[heard.channel, heard.payload]]}


serve(psycopg.__version__, Verbs(), describe)
