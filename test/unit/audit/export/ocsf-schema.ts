// What OCSF 1.3.0 says of the classes and objects that events are made of, as far as Holdpoint uses them: attributes with their types, which are
// required, which numbers an enumeration has, and of which attributes an object needs at least one. Written down from the schema's own files
// (ocsf/ocsf-schema at 1.3.0: events/, objects/, dictionary.json, profiles/security_control.json); the checker below knows nothing else.

export const SCHEMA_VERSION = '1.3.0';

/** `!`: required. `[]`: a list. Types: string, integer, boolean, time (ms since the epoch), ip, any, else an object of that name. */
interface Shape {
  readonly attributes: string;
  readonly enums?: Readonly<Record<string, readonly number[]>>;
  readonly oneOf?: readonly string[];
}

const upTo = (last: number, ...more: readonly number[]) => [...Array.from({ length: last + 1 }, (_, i) => i), ...more];

const BASE =
  'activity_id:integer! activity_name:string category_uid:integer! category_name:string class_uid:integer! class_name:string type_uid:integer! type_name:string ' +
  'severity_id:integer! severity:string time:time! metadata:metadata! message:string status:string status_code:string status_detail:string status_id:integer ' +
  'count:integer duration:integer raw_data:string unmapped:any';
const BASE_ENUMS = { severity_id: upTo(6, 99), status_id: [0, 1, 2, 99] };
const CONTROL =
  'action:string action_id:integer! disposition:string disposition_id:integer firewall_rule:firewall_rule';

export const CLASSES: Readonly<Record<number, Shape & { readonly category: number }>> = {
  0: { category: 0, attributes: BASE, enums: { ...BASE_ENUMS, activity_id: [0, 99] } },
  6005: {
    category: 6,
    attributes: `${BASE} ${CONTROL} actor:actor! src_endpoint:network_endpoint! dst_endpoint:network_endpoint database:database table:table query_info:query_info type:string type_id:integer`,
    enums: {
      ...BASE_ENUMS,
      activity_id: upTo(10, 99),
      type_id: [0, 1, 2, 3, 99],
      action_id: [0, 1, 2, 99],
      disposition_id: upTo(27, 99),
    },
    oneOf: ['database', 'databucket', 'table'],
  },
  6003: {
    category: 6,
    attributes: `${BASE} actor:actor! api:api! src_endpoint:network_endpoint! dst_endpoint:network_endpoint resources:resource_details[]`,
    enums: { ...BASE_ENUMS, activity_id: upTo(4, 99) },
  },
  3002: {
    category: 3,
    attributes: `${BASE} user:user! src_endpoint:network_endpoint dst_endpoint:network_endpoint service:service session:session auth_protocol:string auth_protocol_id:integer is_mfa:boolean is_remote:boolean logon_type:string logon_type_id:integer`,
    enums: { ...BASE_ENUMS, activity_id: upTo(6, 99), auth_protocol_id: upTo(10, 99), logon_type_id: upTo(13, 99) },
    oneOf: ['service', 'dst_endpoint'],
  },
};

export const OBJECTS: Readonly<Record<string, Shape>> = {
  metadata: {
    attributes:
      'version:string! product:product! uid:string correlation_uid:string event_code:string log_level:string log_name:string log_provider:string log_version:string original_time:string profiles:string[] sequence:integer tenant_uid:string',
  },
  product: { attributes: 'name:string uid:string vendor_name:string! version:string', oneOf: ['name', 'uid'] },
  actor: {
    attributes: 'user:user session:session app_name:string app_uid:string',
    oneOf: ['process', 'user', 'invoked_by', 'session', 'app_name', 'app_uid'],
  },
  user: {
    attributes:
      'name:string uid:string uid_alt:string full_name:string domain:string groups:group[] type:string type_id:integer',
    enums: { type_id: [0, 1, 2, 3, 99] },
    oneOf: ['account', 'name', 'uid'],
  },
  group: { attributes: 'name:string uid:string type:string desc:string', oneOf: ['name', 'uid'] },
  session: { attributes: 'uid:string created_time:time issuer:string is_remote:boolean is_mfa:boolean' },
  network_endpoint: {
    attributes: 'ip:ip port:integer name:string hostname:string uid:string svc_name:string domain:string',
    oneOf: ['ip', 'uid', 'name', 'hostname', 'svc_name', 'instance_uid', 'interface_uid', 'interface_name'],
  },
  database: {
    attributes: 'name:string uid:string type:string type_id:integer! desc:string',
    enums: { type_id: upTo(6, 99) },
    oneOf: ['name', 'uid'],
  },
  table: { attributes: 'name:string uid:string desc:string', oneOf: ['name', 'uid'] },
  query_info: {
    attributes: 'query_string:string! uid:string name:string bytes:integer data:any query_time:time',
    oneOf: ['name', 'uid'],
  },
  api: { attributes: 'operation:string! service:service version:string' },
  service: { attributes: 'name:string uid:string version:string labels:string[]', oneOf: ['name', 'uid'] },
  resource_details: {
    attributes: 'name:string uid:string type:string namespace:string owner:user data:any labels:string[]',
    oneOf: ['name', 'uid'],
  },
  firewall_rule: {
    attributes: 'name:string uid:string desc:string type:string version:string',
    oneOf: ['name', 'uid'],
  },
};

/** Of an enumeration with 99 for "other", the attribute that must say which. */
const SIBLINGS: Readonly<Record<string, string>> = {
  activity_id: 'activity_name',
  action_id: 'action',
  disposition_id: 'disposition',
  type_id: 'type',
  status_id: 'status',
  severity_id: 'severity',
  auth_protocol_id: 'auth_protocol',
};

type Value = Readonly<Record<string, unknown>>;

/** What is wrong with an event; [] for nothing. */
export function problemsOf(event: Value): string[] {
  const shape = CLASSES[Number(event['class_uid'])];
  if (shape === undefined) return [`there is no class ${String(event['class_uid'])}`];
  const problems = check(event, shape, 'event');
  if (event['category_uid'] !== shape.category) problems.push('another category than its class');
  if (event['type_uid'] !== Number(event['class_uid']) * 100 + Number(event['activity_id']))
    problems.push('type_uid is not class_uid * 100 + activity_id');
  const { profiles = [] } = event['metadata'] as { readonly profiles?: readonly string[] };
  if ('action_id' in event !== profiles.includes('security_control')) problems.push('a profile is used and not named');
  return problems;
}

function check(value: Value, { attributes, enums = {}, oneOf }: Shape, at: string): string[] {
  const problems: string[] = [];
  const types = new Map(attributes.split(' ').map((one) => one.split(':') as [string, string]));
  for (const [name, type] of types)
    if (type.endsWith('!') && value[name] === undefined) problems.push(`${at} lacks ${name}`);
  if (oneOf && !oneOf.some((name) => value[name] !== undefined)) problems.push(`${at} has none of ${oneOf.join(', ')}`);
  for (const [name, one] of Object.entries(value)) {
    const type = types.get(name)?.replace('!', '');
    if (type === undefined) problems.push(`${at} has ${name}, which the schema does not know there`);
    else problems.push(...checkType(one, type, `${at}.${name}`));
    if (enums[name] !== undefined && !enums[name].includes(one as number))
      problems.push(`${at}.${name} is ${String(one)}, which the enumeration has not`);
    const sibling = SIBLINGS[name];
    if (one === 99 && sibling !== undefined && !value[sibling]) problems.push(`${at}.${name} is 99 without ${sibling}`);
  }
  return problems;
}

const TESTS: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string' && value !== '',
  integer: (value) => Number.isSafeInteger(value),
  boolean: (value) => typeof value === 'boolean',
  time: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  ip: (value) => typeof value === 'string' && /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f:.]*)$/i.test(value),
  any: (value) => value !== undefined,
};

function checkType(value: unknown, type: string, at: string): string[] {
  if (type.endsWith('[]')) {
    if (!Array.isArray(value)) return [`${at} is no list`];
    return value.flatMap((one, index) => checkType(one, type.slice(0, -2), `${at}[${index}]`));
  }
  const test = TESTS[type];
  if (test) return test(value) ? [] : [`${at} is no ${type}: ${JSON.stringify(value)}`];
  const shape = OBJECTS[type];
  if (shape === undefined) return [`${at}: the table has no object ${type}`];
  return typeof value === 'object' && value !== null ? check(value as Value, shape, at) : [`${at} is no object`];
}
