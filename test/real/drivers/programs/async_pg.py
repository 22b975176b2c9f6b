# asyncpg as a program of ../program.ts. Its cancel is a cancelled task: the program sees no error of the server.
import asyncio
import io
import sys

import asyncpg
from loop import failed, rows, say


class Verbs:
    async def connect(self, port, user, password, database):
        self.conn = await asyncpg.connect(
            host="127.0.0.1", port=int(port), user=user, password=password, database=database
        )
        self.heard = asyncio.Queue()

    async def query(self, sql):
        return rows(await self.conn.fetch(sql))

    async def param(self, sql, value):
        return rows(await self.conn.fetch(sql, int(value)))

    async def prepared(self, sql, *values):
        statement = await self.conn.prepare(sql)
        return {"rows": [[str(await statement.fetchval(int(value)))] for value in values]}

    async def begin(self):
        self.block = self.conn.transaction()
        await self.block.start()

    async def commit(self):
        await self.block.commit()

    async def rollback(self):
        await self.block.rollback()

    async def copyin(self, table, column, *lines):
        source = io.BytesIO("".join(f"{line}\n" for line in lines).encode())
        await self.conn.copy_to_table(table, columns=[column], source=source)

    async def copyout(self, table):
        out = io.BytesIO()
        await self.conn.copy_from_table(table, output=out)
        return rows(line.split("\t") for line in out.getvalue().decode().splitlines())

    async def listen(self, channel):
        await self.conn.add_listener(channel, lambda _c, _pid, name, payload: self.heard.put_nowait([name, payload]))

    async def notified(self):
        return {"rows": [await self.heard.get()]}

    async def cancel(self, sql):
        task = asyncio.create_task(self.conn.fetch(sql))
        await read_line()
        task.cancel()
        try:
            return rows(await task)
        except asyncio.CancelledError:
            return {"cancelled": "asyncio.CancelledError"}

    async def close(self):
        await self.conn.close()


async def read_line():
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def main():
    say({"version": asyncpg.__version__})
    verbs = Verbs()
    while line := await read_line():
        name, *args = line.rstrip("\n").split("\t")
        try:
            answer = await getattr(verbs, name)(*args) or {}
        except Exception as error:
            answer = failed(getattr(error, "sqlstate", None), getattr(error, "message", None) or str(error), error)
        say(answer)


asyncio.run(main())
