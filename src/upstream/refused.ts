// What either server is said to have done with the gateway's own login, in one place: who reads it asks for another password.

export const LOGIN_REFUSED = "the database server refused the gateway's login";

/** A file or a command that should give its password does not; why is for the log. */
export const NO_CREDENTIAL = 'the gateway can not get its password for the database server now';

/** Did the server refuse the name or password that it was given? */
export const wasRefused = (error: unknown): boolean => error instanceof Error && error.message === LOGIN_REFUSED;
