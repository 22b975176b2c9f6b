// Capability flags: what each is called, what Holdpoint offers a client, and what it asks of the server for that client. One table: a flag that
// is not in it is offered to nobody and asked of nobody. Whatever changes the format of packets must be the same on both sides.
// Source: MySQL Server Doxygen, "Capabilities Flags"; MariaDB, "Connection: Capabilities".

export const CLIENT = {
  /** LONG_PASSWORD. MariaDB calls it CLIENT_MYSQL: a side that clears it has MariaDB's own flags. */
  MYSQL: 1,
  FOUND_ROWS: 1 << 1,
  LONG_FLAG: 1 << 2,
  CONNECT_WITH_DB: 1 << 3,
  COMPRESS: 1 << 5,
  ODBC: 1 << 6,
  LOCAL_FILES: 1 << 7,
  IGNORE_SPACE: 1 << 8,
  PROTOCOL_41: 1 << 9,
  INTERACTIVE: 1 << 10,
  SSL: 1 << 11,
  IGNORE_SIGPIPE: 1 << 12,
  TRANSACTIONS: 1 << 13,
  RESERVED: 1 << 14,
  SECURE_CONNECTION: 1 << 15,
  MULTI_STATEMENTS: 1 << 16,
  MULTI_RESULTS: 1 << 17,
  PS_MULTI_RESULTS: 1 << 18,
  PLUGIN_AUTH: 1 << 19,
  CONNECT_ATTRS: 1 << 20,
  PLUGIN_AUTH_LENENC_CLIENT_DATA: 1 << 21,
  SESSION_TRACK: 1 << 23,
  DEPRECATE_EOF: 1 << 24,
  OPTIONAL_RESULTSET_METADATA: 1 << 25,
  ZSTD_COMPRESSION_ALGORITHM: 1 << 26,
  QUERY_ATTRIBUTES: 1 << 27,
} as const;

/** MariaDB's own, bits 32 and up of its documentation. */
export const MARIADB_CLIENT = {
  PROGRESS: 1,
  STMT_BULK_OPERATIONS: 1 << 2,
  EXTENDED_METADATA: 1 << 3,
  CACHE_METADATA: 1 << 4,
  BULK_UNIT_RESULTS: 1 << 5,
} as const;

export interface Capabilities {
  /** 32 bits. */
  readonly flags: number;
  /** MariaDB's own 32 bits; 0 for MySQL. */
  readonly mariadb: number;
}

/** Who decides: `both` sides always have it; `client`: offered where the server has it, asked of the server where the client wants it. */
type How = 'both' | 'client';

/**
 * Left out on purpose: compression (COMPRESS, ZSTD), NO_SCHEMA, CAN_HANDLE_EXPIRED_PASSWORDS, several factors, and MariaDB's CACHE_METADATA
 * and BULK_UNIT_RESULTS. SSL is each line's own.
 */
const SPOKEN: Readonly<Partial<Record<keyof typeof CLIENT, How>>> = {
  FOUND_ROWS: 'client',
  LONG_FLAG: 'both',
  CONNECT_WITH_DB: 'both',
  ODBC: 'client',
  LOCAL_FILES: 'client',
  IGNORE_SPACE: 'client',
  PROTOCOL_41: 'both',
  INTERACTIVE: 'client',
  IGNORE_SIGPIPE: 'client',
  TRANSACTIONS: 'both',
  SECURE_CONNECTION: 'both',
  MULTI_STATEMENTS: 'client',
  MULTI_RESULTS: 'client',
  PS_MULTI_RESULTS: 'client',
  PLUGIN_AUTH: 'both',
  CONNECT_ATTRS: 'both',
  PLUGIN_AUTH_LENENC_CLIENT_DATA: 'both',
  SESSION_TRACK: 'client',
  DEPRECATE_EOF: 'client',
  OPTIONAL_RESULTSET_METADATA: 'client',
  QUERY_ATTRIBUTES: 'client',
};
const SPOKEN_MARIADB = MARIADB_CLIENT.PROGRESS | MARIADB_CLIENT.STMT_BULK_OPERATIONS | MARIADB_CLIENT.EXTENDED_METADATA;

const maskOf = (how: How): number =>
  Object.entries(SPOKEN).reduce(
    (mask, [name, by]) => (by === how ? mask | CLIENT[name as keyof typeof CLIENT] : mask),
    0,
  );
const BOTH = maskOf('both');
const CLIENTS = maskOf('client');

/** A client without these is not talked to, nor a server. */
export const REQUIRED = CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH;

/** What the greeting offers in front of a server that offers `server`. */
export const offered = (server: Capabilities, tls: boolean): Capabilities => {
  const flags = BOTH | (CLIENTS & server.flags) | (server.flags & CLIENT.MYSQL) | (tls ? CLIENT.SSL : 0);
  return { flags: flags >>> 0, mariadb: isMariadb(server) ? server.mariadb & SPOKEN_MARIADB : 0 };
};

/** What is in force with a client that wants `client`: a flag that was not offered does not count, as at the servers. */
export const negotiated = (client: Capabilities, offer: Capabilities): Capabilities => ({
  flags: (client.flags & offer.flags) >>> 0,
  mariadb: isMariadb(client) && isMariadb(offer) ? client.mariadb & offer.mariadb : 0,
});

/**
 * What is asked of a server that offers `server`, for a client with whom `client` is in force. Null: it lacks something that the client was
 * promised.
 */
export const asked = (client: Capabilities, server: Capabilities, tls: boolean): Capabilities | null => {
  const wanted = client.flags & CLIENTS;
  if ((wanted & ~server.flags) !== 0 || (client.mariadb & ~server.mariadb) !== 0) return null;
  const mysql = isMariadb(server) ? 0 : CLIENT.MYSQL;
  const flags = (BOTH & server.flags) | wanted | mysql | (tls ? CLIENT.SSL : 0);
  return { flags: flags >>> 0, mariadb: client.mariadb };
};

/** Has MariaDB's own flags, whatever they are. */
export const isMariadb = ({ flags }: Capabilities): boolean => (flags & CLIENT.MYSQL) === 0;
