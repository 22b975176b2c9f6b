// A security key asked by the browser, with what the server wants to know and back to what it reads. A refusal by the person, or a
// browser that cannot, is a sentence and no fault.

type Asked = { readonly ok: true; readonly answer: unknown } | { readonly ok: false; readonly text: string };

const credential = () => globalThis.PublicKeyCredential as typeof PublicKeyCredential | undefined;

/** To sign in. */
export const askKey = (options: object): Promise<Asked> =>
  asked(() => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as PublicKeyCredentialRequestOptionsJSON);
    return navigator.credentials.get({ publicKey });
  });

/** To be taken as second factor. */
export const makeKey = (options: object): Promise<Asked> =>
  asked(() => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
      options as PublicKeyCredentialCreationOptionsJSON,
    );
    return navigator.credentials.create({ publicKey });
  });

async function asked(ask: () => Promise<Credential | null>): Promise<Asked> {
  if (credential()?.parseRequestOptionsFromJSON === undefined)
    return {
      ok: false,
      text: 'This browser, or a page that is not at the address of review.url, takes no security keys.',
    };
  try {
    const answer = (await ask()) as PublicKeyCredential | null;
    if (answer) return { ok: true, answer: answer.toJSON() };
  } catch (error) {
    const { name } = error as { name?: unknown };
    if (name === 'InvalidStateError') return { ok: false, text: 'This key is yours already.' };
    if (name === 'SecurityError') return { ok: false, text: `A key can not be bound to ${location.hostname}.` };
  }
  return { ok: false, text: 'No key answered.' };
}
