// What every section of a transcript finds: in the database one table with rows, one without, and a role that may read the first; as policy
// the starter policy and rules of its own: nothing is read from the schema `evil`, at most three rows at a time from `few`, two from `capped`,
// and nothing from `block` in a transaction block.
import { readFileSync } from 'node:fs';

export const FIXTURE = `
  DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)' LOOP
      EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reader') THEN CREATE ROLE reader; END IF;
  END $$;
  CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO public;
  CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
  INSERT INTO customers VALUES (1, 'Ann'), (2, 'Bo'), (3, 'Cy');
  CREATE TABLE notes (body text);
  GRANT SELECT ON customers TO reader`;

// Whoever is on call may break the glass; what is read from `pair` takes two reviewers.
const starter = readFileSync(new URL('../../policies/starter.yaml', import.meta.url), 'utf8');

export const POLICY = `${starter.replace(
  '\nlists:',
  '\nreviewers: {on-call: {groups: [on-call]}}\nbreak_glass: [on-call]\nlists:\n  evil: [evil.*]',
)}
  - id: evil
    when: stmt.does("read", "evil")
    then: hold
  - id: pair
    when: stmt.reads("pair.*")
    then: hold
    ask: {count: 2}
  - id: few
    when: stmt.reads("few.*") || stmt.writes("few.*") || stmt.calls("pg_catalog.quote_literal")
    limit: {rows: 3, bytes: 1KiB, then: hold}
    message: Few rows are enough.
  - id: none
    when: stmt.reads("capped.*")
    limit: {rows: 2, then: deny}
  - id: in-block
    when: session.in_transaction && stmt.reads("block.*")
    then: deny
`;
