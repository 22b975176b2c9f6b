# SQLAlchemy over psycopg2 as a program of ../program.ts. COPY, LISTEN and cancel as its manual says: through the driver's connection.
import psycopg2
import sqlalchemy
from loop import describe, rows, serve
from psycopg_2 import Verbs as Driver


class Verbs(Driver):
    def connect(self, port, user, password, database):
        url = sqlalchemy.engine.URL.create("postgresql+psycopg2", user, password, "127.0.0.1", int(port), database)
        self.engine = sqlalchemy.create_engine(url, future=True, isolation_level="AUTOCOMMIT")
        self.session = self.engine.connect()
        self.conn = self.session.connection.dbapi_connection
        self.block = False

    def query(self, sql):
        return self._run(sql, {})

    def param(self, sql, value):
        return self._run(sql, {"v": int(value)})

    def begin(self):
        self.session = self.session.execution_options(isolation_level="READ COMMITTED")
        self.block = True

    def commit(self):
        self._end(self.session.commit)

    def rollback(self):
        self._end(self.session.rollback)

    def close(self):
        self.session.close()
        self.engine.dispose()

    def _end(self, how):
        how()
        self.session = self.session.execution_options(isolation_level="AUTOCOMMIT")
        self.block = False

    def _run(self, sql, values):
        try:
            result = self.session.execute(sqlalchemy.text(sql), values)
            return rows(result.fetchall() if result.returns_rows else [])
        finally:
            if not self.block:
                self.session.rollback()  # ends what SQLAlchemy began by itself; nothing is sent in AUTOCOMMIT but a rollback


def said(error):
    return describe(getattr(error, "orig", error))


serve(f"{sqlalchemy.__version__} (psycopg2 {psycopg2.__version__.split()[0]})", Verbs(), said)
