# psycopg 3 as a program of ../program.ts.
import psycopg
from loop import failed, on_next_line, rows, serve


class Verbs:
    def connect(self, port, user, password, database):
        self.conn = psycopg.connect(
            host="127.0.0.1", port=port, user=user, password=password, dbname=database, autocommit=True
        )
        self.heard = []
        self.conn.add_notify_handler(self.heard.append)

    def query(self, sql):
        return self._rows(self.conn.execute(sql))

    def param(self, sql, value):
        return self._rows(self.conn.execute(sql, (int(value),)))

    def prepared(self, sql, *values):
        return {"rows": [[str(self.conn.execute(sql, (int(v),), prepare=True).fetchone()[0])] for v in values]}

    def begin(self):
        self.conn.autocommit = False

    def commit(self):
        self.conn.commit()
        self.conn.autocommit = True

    def rollback(self):
        self.conn.rollback()
        self.conn.autocommit = True

    def copyin(self, table, column, *lines):
        with self.conn.cursor() as cursor, cursor.copy(f"COPY {table} ({column}) FROM STDIN") as copy:
            for line in lines:
                copy.write_row((line,))

    def copyout(self, table):
        with self.conn.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT") as copy:
            return rows(copy.rows())

    def listen(self, channel):
        self.conn.execute(f"LISTEN {channel}")

    def notified(self):
        heard = self.heard.pop(0) if self.heard else next(self.conn.notifies())
        return {"rows": [[heard.channel, heard.payload]]}

    def cancel(self, sql):
        on_next_line(self.conn.cancel)
        return self.query(sql)

    def close(self):
        self.conn.close()

    def _rows(self, cursor):
        return rows(cursor.fetchall() if cursor.description else [])


def describe(error):
    return failed(getattr(error, "sqlstate", None), getattr(getattr(error, "diag", None), "message_primary", None), error)


serve(psycopg.__version__, Verbs(), describe)
