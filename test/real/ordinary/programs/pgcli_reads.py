# pgcli: what its completer reads when it starts, and its special commands, which are psql's \d family in its own words.
import os

from pgcli.pgexecute import PGExecute
from pgspecial.main import PGSpecial

execute = PGExecute(os.environ["PGDATABASE"], os.environ["PGUSER"], os.environ["PGPASSWORD"], os.environ["PGHOST"], os.environ["PGPORT"])
for read in ("search_path", "schemata", "tables", "views", "table_columns", "view_columns", "databases", "full_databases", "foreignkeys", "functions", "datatypes", "casing"):
    found = getattr(execute, read)()
    list(found) if found else None
execute.view_definition("order_totals")
execute.function_definition("full_name")
special = PGSpecial()
for command in (
    "\\d", "\\d+", "\\d customers", "\\d+ orders", "\\d order_totals", "\\dt+", "\\dv+", "\\dm", "\\di+", "\\ds+", "\\df+", "\\dn+", "\\du+", "\\dT+", "\\dD+", "\\dx+",
    "\\ddp", "\\dF+", "\\dE", "\\l+", "\\db+", "\\sf full_name",
):
    try:
        for _title, rows, *_ in execute.run(command, special):
            list(rows) if rows and not isinstance(rows, str) else None
    except Exception as error:
        raise SystemExit(f"{command}: {error}")
list(execute.run("SELECT * FROM customers WHERE id = 1; SELECT 2", special))
