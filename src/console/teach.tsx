// What an empty queue says: at first how a statement gets here, later when the last decision was.
import { signal } from '@preact/signals';
import { Fragment } from 'preact';
import { useEffect } from 'preact/hooks';
import type { MeView } from '../review/schemas.ts';
import { api } from './api.ts';
import { roughly } from './format.ts';
import { Icon } from './icons.tsx';
import { me, now } from './state.ts';

interface Lesson {
  readonly name: string;
  /** Held by the starter policy; every server can run it. */
  readonly statement: string;
  readonly about: string;
}

const LESSONS: Readonly<Record<MeView['guards'][number]['engine'], Lesson>> = {
  postgres: {
    name: 'PostgreSQL',
    statement: 'COPY (SELECT 1) TO STDOUT',
    about: 'A harmless export, for example: it reads no table.',
  },
  mysql: {
    name: 'MySQL or MariaDB',
    statement: 'CREATE DATABASE holdpoint_demo',
    about: 'DDL, for example: what it makes is empty.',
  },
};

/** undefined: not asked yet; null: none ever. */
const last = signal<number | null | undefined>(undefined);

function useLast(): number | null | undefined {
  useEffect(() => {
    void api.lastDecided().then(
      (answer) => {
        if (answer.ok) last.value = answer.value.requests[0]?.updated ?? null;
      },
      () => undefined,
    );
  }, []);
  return last.value;
}

export function LastDecision() {
  const at = useLast();
  return at ? <>Last decision {roughly(Math.max(1_000, now.value - at))} ago.</> : null;
}

export function Teach() {
  const guards = me.value?.guards ?? [];
  return (
    <main id="main" class="teach">
      <div>
        <div>
          <h1>Nothing is held</h1>
          <p class="lede">
            When an agent sends a statement that your policy holds, it waits here until a person decides. Everything
            else passes without anyone noticing. <LastDecision />
          </p>
        </div>
        <svg
          class="wire"
          viewBox="0 0 1000 104"
          role="img"
          aria-label="An agent's statement goes through Holdpoint to the database. A risky one stops at the hold line."
        >
          <g stroke="currentColor" stroke-width="1.5" fill="none">
            <rect x=".75" y="32" width="170" height="40" rx="8" />
            <rect x="829" y="32" width="170" height="40" rx="8" />
            <path d="M171 44h658M171 60h292" />
          </g>
          <g stroke="var(--ink)" stroke-width="3">
            <path d="M480 22v60M491 22v60" />
            <path d="M505 22v60M516 22v60" stroke-dasharray="8 5" />
          </g>
          <circle cx="463" cy="60" r="4" fill="var(--high)" />
          <g text-anchor="middle">
            <text class="strong" x="86" y="56">
              your agent
            </text>
            <text class="strong" x="914" y="56">
              your database
            </text>
            <text x="325" y="36">
              ordinary statements pass
            </text>
            <text x="325" y="80">
              a risky one waits here
            </text>
            <text x="498" y="101">
              hold line
            </text>
            <text x="670" y="80">
              runs after approval, once
            </text>
          </g>
        </svg>
        <ol class="three">
          <li>
            <h2>1. Point an agent at Holdpoint</h2>
            <p>Same driver, same SQL. Only host, port and user change.</p>
            <div class="copies">
              {guards.map(({ engine, address, command }) => (
                <Fragment key={engine}>
                  {address && <Copyable text={address} label={`Copy connection string of ${LESSONS[engine].name}`} />}
                  {command && <Copyable text={command} label={`Copy command line of ${LESSONS[engine].name}`} />}
                </Fragment>
              ))}
            </div>
          </li>
          <li>
            <h2>2. Send something that is held</h2>
            <p>
              {guards.length === 1
                ? LESSONS[guards[0]!.engine].about
                : 'A harmless export from PostgreSQL, or DDL for MySQL or MariaDB, for example.'}{' '}
              The card appears here at once.
            </p>
            <div class="copies">
              {guards.map(({ engine }) => (
                <Copyable
                  key={engine}
                  text={LESSONS[engine].statement}
                  label={`Copy statement for ${LESSONS[engine].name}`}
                />
              ))}
            </div>
          </li>
          <li>
            <h2>3. Decide it</h2>
            <p>Approve or deny. The agent's driver gets your words; the decision is on record before anything runs.</p>
            <p class="xs">
              In a terminal: <span class="mono">holdpoint requests</span>
            </p>
          </li>
        </ol>
      </div>
    </main>
  );
}

function Copyable({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <div class="copy">
      <code>{text}</code>
      <button class="btn" type="button" aria-label={label} onClick={() => void navigator.clipboard.writeText(text)}>
        <Icon name="copy" />
      </button>
    </div>
  );
}
