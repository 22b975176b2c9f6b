-- A day of an agent's work in plain SQL: questions, staging in temporary tables by a script that is run again, queues, plans, maintenance.
\set ON_ERROR_STOP on
SET statement_timeout = '30s';

-- Staging: the tables are not there yet, or are from the last run.
DROP TABLE IF EXISTS staging;
DROP TABLE IF EXISTS matched, unmatched;
BEGIN; DROP TABLE IF EXISTS staging; CREATE TEMP TABLE staging (email citext PRIMARY KEY, name text, seen boolean DEFAULT false); COMMIT;
CREATE TEMP TABLE IF NOT EXISTS staging (email citext PRIMARY KEY, name text, seen boolean DEFAULT false);
COPY staging (email, name) FROM STDIN WITH (FORMAT csv);
person1@example.org,Ann
person2@example.org,Bea
nobody@example.org,Cid
\.
CREATE INDEX ON staging (name);
ANALYZE staging;
DROP TABLE IF EXISTS matched; CREATE TEMP TABLE matched AS SELECT s.email, c.id FROM staging s JOIN customers c USING (email);
DROP TABLE IF EXISTS unmatched; CREATE TEMP TABLE unmatched (LIKE staging); INSERT INTO unmatched SELECT * FROM staging WHERE email NOT IN (SELECT email FROM matched);
UPDATE customers c SET name = s.name FROM staging s WHERE s.email = c.email RETURNING c.id;
UPDATE staging SET seen = true;
DELETE FROM staging;
DROP TABLE IF EXISTS staging;
DROP TABLE IF EXISTS staging;
DROP TABLE IF EXISTS matched, unmatched;
CREATE TEMP TABLE shape (LIKE active_customers);
CREATE TEMP TABLE readings (id int, at date) PARTITION BY RANGE (at);
CREATE TEMP TABLE readings_2024 PARTITION OF readings FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO readings VALUES (1, '2024-05-05') RETURNING tableoid::regclass;
CREATE TEMP TABLE more_readings (extra text) INHERITS (shape);
DISCARD TEMP;

-- Rows that are worked on one by one, through a view too.
BEGIN;
SELECT id FROM active_customers WHERE id < 4 ORDER BY id FOR UPDATE SKIP LOCKED;
WITH next AS (SELECT id FROM active_customers ORDER BY id LIMIT 2 FOR NO KEY UPDATE SKIP LOCKED)
  UPDATE customers c SET settings = settings || '{"seen": true}' FROM next WHERE next.id = c.id RETURNING c.id;
SAVEPOINT a;
UPDATE active_customers SET name = name WHERE id = 1;
ROLLBACK TO a;
COMMIT;

-- What it would cost, and statistics after a load.
EXPLAIN UPDATE active_customers SET name = 'x' WHERE id = 1;
EXPLAIN DELETE FROM active_customers WHERE id = 1;
EXPLAIN INSERT INTO active_customers (email, name) VALUES ('x@example.org', 'X');
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM order_totals WHERE total > 3;
SET client_min_messages = error;
ANALYZE;
ANALYZE customers, active_customers;
VACUUM (ANALYZE) order_items;
RESET client_min_messages;

-- Questions.
WITH RECURSIVE days AS (SELECT date '2024-01-01' AS d UNION ALL SELECT d + 1 FROM days WHERE d < '2024-01-07')
  SELECT d, count(o.id) FROM days LEFT JOIN orders o ON o.placed_at::date = d GROUP BY d ORDER BY d;
SELECT c.id, c.name, last.total, rank() OVER (ORDER BY last.total DESC NULLS LAST) FROM customers c
  LEFT JOIN LATERAL (SELECT total FROM orders WHERE customer_id = c.id ORDER BY placed_at DESC LIMIT 1) last ON true ORDER BY 1 LIMIT 5;
SELECT state, count(*) FILTER (WHERE total > 10), percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders GROUP BY ROLLUP (state);
SELECT settings ->> 'n', settings @> '{"n": 1}', jsonb_path_query_first(settings, '$.n'), tags && '{seed}' FROM customers ORDER BY id LIMIT 3;
SELECT name, ts_rank(search, q) FROM products, websearch_to_tsquery('simple', 'thing 3') q WHERE search @@ q;
SELECT name, similarity(name, 'Persn 7') FROM customers WHERE name % 'Person 7' ORDER BY 2 DESC LIMIT 3;
SELECT (created_at, id) > ('2020-01-01', 0) FROM customers ORDER BY created_at, id LIMIT 3;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT count(*) FROM orders; DECLARE c CURSOR FOR SELECT id FROM orders; FETCH 3 FROM c; COMMIT;
SELECT pg_try_advisory_xact_lock(hashtext('nightly')), pg_size_pretty(pg_total_relation_size('orders')), obj_description('customers'::regclass);
SELECT pg_get_functiondef('touch'::regproc), pg_get_viewdef('order_totals'::regclass);
