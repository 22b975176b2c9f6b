// node-postgres with its pool and postgres (porsager), which pools by itself: plain drivers. `tour`: everything once; `day SEED COUNT`: as
// many operations, drawn by the seed.
import pg from 'pg';
import postgres from 'postgres';

const [mode = '', seed = '1', count = '0'] = process.argv.slice(2);
const pool = new pg.Pool({ max: 2, ssl: false, application_name: 'shop', statement_timeout: 60_000 });
const sql = postgres({ max: 2, ssl: false, onnotice: () => {}, password: process.env['PGPASSWORD'] ?? '' });

/** A linear congruential generator's integers: 1 to `to`. */
let state = Number(seed);
const draw = (to: number): number => {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
  return 1 + (Math.floor(state / 65_536) % to);
};

const inTransaction = async (work: (client: pg.PoolClient) => Promise<unknown>): Promise<void> => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
    await work(client);
    await client.query('ROLLBACK');
  } finally {
    client.release();
  }
};

const DAY: readonly (() => Promise<unknown>)[] = [
  () => pool.query('SELECT * FROM customers WHERE id = $1', [draw(50)]),
  () =>
    pool.query({ name: 'orders', text: 'SELECT * FROM orders WHERE customer_id = ANY($1)', values: [[draw(50), 2]] }),
  () => pool.query('INSERT INTO events (kind, payload) VALUES ($1, $2) RETURNING id', ['node', { n: draw(9) }]),
  () => pool.query('SELECT count(*)::int AS n, sum(total)::float8 FROM orders; SELECT now()'),
  () =>
    inTransaction(async (client) => {
      await client.query('SAVEPOINT a');
      await client.query('UPDATE products SET stock = stock + 1 WHERE id = $1', [draw(20)]);
      await client.query('RELEASE SAVEPOINT a');
    }),
  () =>
    sql`SELECT ${sql(['id', 'email'])} FROM customers WHERE id IN ${sql([draw(50), 3])} AND name ILIKE ${'person%'}`,
  () => sql`INSERT INTO events ${sql([{ kind: 'porsager' }, { kind: 'porsager' }])} RETURNING id`,
  () => sql`UPDATE customers SET ${sql({ name: 'Ann', active: true })} WHERE id = ${draw(50)}`,
  () =>
    sql.begin('read only', async (tx) => {
      await tx`SELECT pg_advisory_xact_lock_shared(${draw(9)})`;
      await tx.savepoint((inner) => inner`SELECT * FROM order_totals LIMIT 3`);
    }),
  async () => {
    for await (const rows of sql`SELECT * FROM customers WHERE id <= ${40 + draw(10)}`.cursor(10)) void rows.length;
  },
  () => sql`SELECT * FROM jsonb_to_recordset(${sql.json([{ a: 1 }])}) AS r (a int)`,
];

if (mode === 'tour') {
  for (const operation of DAY) await operation();
  const listening = await sql.listen('news', () => {});
  await sql.notify('news', 'hello');
  await listening.unlisten();
  await sql`SELECT 1`.describe();
}
for (let left = Number(count); left > 0; left--) await DAY[draw(DAY.length) - 1]?.();
await pool.end();
await sql.end();
