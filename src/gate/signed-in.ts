// Is whoever sends a statement still signed in, by what the connection began with? Asked of what waits for a word, before each step that could let
// it run. Must never take silence for a yes.
import { texts, type WireText } from '../errors/catalogue.ts';
import type { State } from './state.ts';

/** What the client is told if not; null: it is. */
export const signInOver = async (s: State): Promise<WireText | null> => {
  try {
    const good = await s.options.isGood(s.opening.login);
    return good === false ? texts.signInOver({ principal: s.who.id }) : null;
  } catch (error) {
    s.options.fault('a sign-in could not be looked at again', error);
    return texts.noDirectory();
  }
};
