# psql on a terminal of its own, where somebody presses Tab: every word below is completed, which asks the server. A mark that psql prints
# after each tells that it is done.
import os
import pty
import sys

WORDS = """
SELECT * FROM cu|SELECT * FROM sales.|SELECT * FROM order_items o JOIN pr|SELECT * FROM pg_catalog.pg_cl|SELECT * FROM "or
UPDATE cu|UPDATE customers SET na|UPDATE customers SET name |DELETE FROM ord|INSERT INTO ord|INSERT INTO orders (|INSERT INTO orders (cust
SELECT co|SELECT gen_ra|SELECT * FROM customers WHERE |SELECT * FROM customers WHERE em|SELECT * FROM orders ORDER BY |TABLE cu
ALTER TABLE cu|ALTER TABLE customers |ALTER TABLE customers DROP COLUMN |ALTER TABLE customers DROP CONSTRAINT |ALTER TYPE ord
ALTER TABLE events DETACH PARTITION |ALTER TABLE customers ENABLE TRIGGER |ALTER TYPE order_state RENAME VALUE |ALTER ROLE a|ALTER VIEW or
ALTER INDEX cust|ALTER SEQUENCE inv|ALTER EXTENSION ci|ALTER EXTENSION citext UPDATE TO |ALTER DEFAULT PRIVILEGES FOR ROLE |ALTER DATABASE po
DROP TABLE cu|DROP INDEX cust|DROP VIEW or|DROP FUNCTION to|DROP FUNCTION full_name |DROP TRIGGER cu|DROP TRIGGER customers_touch ON |DROP DOMAIN mo
DROP SCHEMA sa|DROP TYPE ord|DROP EXTENSION ci|DROP MATERIALIZED VIEW sales.|DROP POLICY ta|DROP POLICY targets_all ON |DROP ROLE re|DROP OWNED BY
COMMENT ON TABLE cu|COMMENT ON COLUMN customers.|COMMENT ON CONSTRAINT ord|CREATE INDEX ON cu|CREATE INDEX ON customers USING |CREATE EXTENSION btree
CREATE TABLE x PARTITION OF |CREATE TRIGGER a BEFORE INSERT ON cu|CREATE VIEW x AS SELECT |CREATE INDEX ON customers USING gin (|CREATE SCHEMA AUTHORIZATION
GRANT SELECT ON |GRANT SELECT ON cu|GRANT SELECT ON customers TO |GRANT re|REVOKE SELECT ON customers FROM |GRANT ALL ON SCHEMA |GRANT EXECUTE ON FUNCTION
SET wo|SET work_mem TO |SET search_path TO |SET datestyle TO |SET TimeZone TO Europe/S|SET ROLE |SET SESSION AUTHORIZATION |SHOW sea|RESET wo
ANALYZE cu|ANALYZE customers (|VACUUM cu|CLUSTER cu|REINDEX TABLE cu|REINDEX INDEX CONCURRENTLY cu|REFRESH MATERIALIZED VIEW sales.|TRUNCATE cu|LOCK TABLE cu|LISTEN |NOTIFY
COPY cu|EXPLAIN SELECT * FROM cu|PREPARE a AS SELECT |EXECUTE |DEALLOCATE |FETCH FROM |CLOSE |CALL fu|DECLARE c CURSOR FOR SELECT * FROM cu|SECURITY LABEL ON TABLE cu|IMPORT FOREIGN SCHEMA
\\d cu|\\d+ sales.|\\df to|\\dn |\\dT ord|\\du |\\dv or|\\di cu|\\ds in|\\dx |\\sf to|\\sv or|\\c |\\dA |\\dC |\\dD mo|\\dE |\\dF |\\dL |\\dP |\\dRp |\\dy |\\dp cu|\\dconfig wor|\\ef to|\\ev or|\\dm sales.|\\password
"""

BACK = b"\x15"  # Ctrl-U: takes the line back


def main():
    inputrc = os.path.join(os.environ["TMPDIR"], "inputrc")
    with open(inputrc, "w") as file:
        file.write("set completion-query-items 0\nset page-completions off\nset enable-bracketed-paste off\nset bell-style none\n")
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(INPUTRC=inputrc, TERM="dumb", PSQL_HISTORY="/dev/null", PAGER="cat")
        os.execvp("psql", ["psql", "-X", "-q", "-v", "PROMPT1=ready> "])
    words = [word for line in WORDS.strip().split("\n") for word in line.split("|")]
    # Before its prompt the terminal would take Ctrl-U for itself.
    read_until(terminal, b"ready> ")
    for number, word in enumerate(words):
        os.write(terminal, word.encode() + b"\t\t" + BACK + f"\\echo ma'rk'-{number}\n".encode())
        read_until(terminal, f"mark-{number}\r\nready> ".encode())
    os.write(terminal, b"\\q\n")
    _, status = os.waitpid(child, 0)
    print(f"{len(words)} words")
    sys.exit(os.waitstatus_to_exitcode(status))


def read_until(terminal, mark):
    seen = b""
    while mark not in seen:
        seen += os.read(terminal, 65536)


main()
