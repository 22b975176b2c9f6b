// Starts the reviewers' page: who am I, then the line to the server for as long as somebody is signed in.
import { effect } from '@preact/signals';
import { render } from 'preact';
import { api } from './api.ts';
import { App } from './app.tsx';
import { listen } from './keys.tsx';
import { connect, disconnect } from './line.ts';
import { takeUp } from './step-up.tsx';
import { environment, loaded, me, mine, mode, place, requests, sso } from './state.ts';

render(<App />, document.getElementById('app') as HTMLElement);
listen();

let who: string | null = null;
effect(() => {
  const person = me.value;
  const id = person && place.value.page === 'queue' ? person.id : null;
  if (id === who) return;
  who = id;
  if (person && id !== null) {
    // Another person sees other things; nothing of the last one stays.
    requests.value = new Map();
    loaded.value = false;
    mine.value = person.roles.includes('reviewer');
    environment.value = person.environment;
    mode.value = person.mode;
    connect();
  } else disconnect();
});

async function start(): Promise<void> {
  try {
    const door = await api.door();
    if (door.ok) {
      environment.value = door.value.environment;
      mode.value = door.value.mode;
      sso.value = door.value.sso;
    }
    const answer = door.ok && door.value.signed_in ? await api.me() : null;
    if (answer?.ok) {
      me.value = answer.value;
      takeUp();
      return;
    }
  } catch {
    // The sign-in page says that there is no answer when it is used.
  }
  me.value = null;
}
void start();
