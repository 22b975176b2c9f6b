# SQLAlchemy over PyMySQL or mysqlclient, which the argument names, as a program of ../program.ts. What it has no call for goes through the
# driver's connection, as its manual says.
import sys

import sqlalchemy
from loop import describe_mysql, rows, serve

if sys.argv[1] == "pymysql":
    from py_mysql import Verbs as Driver
else:
    from mysql_client import Verbs as Driver


class Verbs(Driver):
    def connect(self, port, user, password, database):
        self.to = {"host": "127.0.0.1", "port": int(port), "user": user, "password": password, "database": database}
        url = sqlalchemy.engine.URL.create(
            f"mysql+{sys.argv[1]}", user, password, "127.0.0.1", int(port), database, {"charset": "utf8mb4"}
        )
        self.engine = sqlalchemy.create_engine(
            url, future=True, isolation_level="AUTOCOMMIT", connect_args=dict(self.options)
        )
        self.session = self.engine.connect()
        self.conn = self.session.connection.dbapi_connection
        self.block = False

    def query(self, sql):
        return self._run(sql, {})

    def param(self, sql, value):
        return self._run(sql, {"v": int(value)})

    def many(self, sql, *values):
        self.session.execute(sqlalchemy.text(sql), [{"v": int(value)} for value in values])

    def blob(self, insert, select, data):
        self._run(insert, {"v": bytes.fromhex(data)})
        return rows([[self.session.execute(sqlalchemy.text(select)).scalar().hex()]])

    def begin(self):
        self._isolate("REPEATABLE READ")
        self.block = True

    def commit(self):
        self._end(self.session.commit)

    def rollback(self):
        self._end(self.session.rollback)

    def autocommit(self, on):
        self.session.rollback()
        self._isolate("AUTOCOMMIT" if on == "1" else "REPEATABLE READ")
        self.without = on != "1"

    def close(self):
        self.session.close()
        self.engine.dispose()

    without = False

    def _isolate(self, level):
        self.session = self.session.execution_options(isolation_level=level)

    def _end(self, how):
        how()
        if self.block:
            self._isolate("AUTOCOMMIT")
        self.block = False

    def _run(self, sql, values):
        try:
            result = self.session.execute(sqlalchemy.text(sql), values)
            return rows(result.fetchall() if result.returns_rows else [])
        finally:
            if not self.block and not self.without:
                self.session.rollback()  # ends what SQLAlchemy began by itself


def said(error):
    return describe_mysql(getattr(error, "orig", error))


serve(f"{sqlalchemy.__version__} ({Driver.driver.__version__})", Verbs(), said)
