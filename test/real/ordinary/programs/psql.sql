-- What people type into psql to look around. \copy is an export, rightly held: left out.
\set ON_ERROR_STOP 1
\pset pager off
\conninfo
\d
\d+
\d customers
\d+ customers
\d+ products
\d+ orders
\d+ order_items
\d+ documents
\d+ events
\d+ events_new
\d+ order_totals
\d+ active_customers
\d+ sales.by_state
\d+ sales.targets
\d+ invoice_numbers
\d+ customers_name_trgm
\d sales.*
\dt
\dt+
\dt *.*
\dv+
\dm+
\di+
\ds+
\dE
\df
\df+
\df+ public.*
\da
\dn+
\du
\du+
\dp
\ddp
\l
\l+
\dT
\dT+
\dD+
\dx
\dx+ citext
\do citext.*
\dO
\dC+
\dc
\db
\dF+
\dFd
\dFp
\dFt
\dy
\dL+
\dA+
\dAc
\dAf
\dAo
\dAp
\dP+
\dRp
\dRs
\dRp+
\dX
\dconfig work_mem
\dconfig+ search_path
\drds
\det+
\des+
\deu+
\dew+
\dl
\dd
\sf touch
\sf+ full_name
\sv order_totals
\sv+ active_customers
\z customers
\encoding
\timing on
SELECT count(*) FROM customers;
\timing off
SELECT * FROM customers WHERE id = 1 \gx
SELECT id, name FROM customers WHERE id < 3 \gdesc
SELECT 1 AS one \gset
SELECT :one;
\errverbose
BEGIN;
SAVEPOINT a;
INSERT INTO events (kind, payload) VALUES ('psql', '{"a": 1}');
ROLLBACK TO a;
COMMIT;
\set AUTOCOMMIT off
SELECT state, id % 2 AS half, count(*) FROM orders GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview state half count
ROLLBACK;
\set AUTOCOMMIT on
\set FETCH_COUNT 10
SELECT id, email FROM customers WHERE id <= 25 ORDER BY id;
\unset FETCH_COUNT
\set ON_ERROR_ROLLBACK on
BEGIN;
UPDATE customers SET name = name WHERE id = 1;
COMMIT;
EXPLAIN SELECT * FROM orders JOIN customers ON customers.id = orders.customer_id WHERE orders.id = 7;
SHOW search_path;
TABLE sales.targets;
