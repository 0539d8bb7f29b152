// node-tak on a string: the real library, driven by checks.py over stdin and stdout, one JSON object a line.
//
// In: {do: connect|write|chat|reconnect|destroy, name, ...} for streams, {do: password|certificate|call, name, ...} for
// the HTTP API. Out: {name, event: secureConnect|ping|cot|end|error, ...}, {name, event: answer|refused, id, ...};
// every line carries the server version node-tak has read so far. What must not happen: nothing here may touch a socket
// or parse CoT by itself; that is what is being checked. Nothing but these lines may go to stdout: what libraries print
// goes to stderr, which checks.py shows on failure.
import { createInterface } from 'node:readline';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { FormatRegistry } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import TAK, { APIAuthCertificate, APIAuthPassword, CoT } from '@tak-ps/node-tak';
import TAKAPI from '@tak-ps/node-tak/lib/api';
import { CoTParser, DirectChat } from '@tak-ps/node-cot';

for (const verb of ['log', 'info', 'debug']) console[verb] = console.error;

FormatRegistry.Set('date-time', (text) => !Number.isNaN(Date.parse(text)));

const connections = new Map();
const apis = new Map();

function say(name, event, more = {}) {
  const version = connections.get(name)?.version ?? null;
  process.stdout.write(JSON.stringify({ name, event, version, ...more }) + '\n');
}

const actions = {
  async connect({ name, url, cert, key, ca }) {
    const auth = {
      cert: readFileSync(cert, 'utf8'),
      key: readFileSync(key, 'utf8'),
      ca: readFileSync(ca, 'utf8'),
      rejectUnauthorized: true,
    };
    const tak = await TAK.connect(new URL(url), auth, { id: name });
    connections.set(name, tak);
    tak.on('secureConnect', () => say(name, 'secureConnect', { tls: tak.client.getProtocol() }));
    tak.on('ping', () => say(name, 'ping'));
    tak.on('end', () => say(name, 'end'));
    tak.on('error', (error) => say(name, 'error', { text: error.message }));
    tak.on('cot', (cot) => say(name, 'cot', { uid: cot.uid(), type: cot.type(), xml: CoTParser.to_xml(cot) }));
  },
  async write({ name, events }) {
    await connections.get(name).write(events.map((xml) => CoTParser.from_xml(xml)));
  },
  async to_callsign({ name, event, callsign }) {
    await connections.get(name).write([CoTParser.from_xml(event).addDest({ callsign })]);
  },
  async chat({ name, from, to, message }) {
    await connections.get(name).write([new DirectChat({ from, to, message })]);
  },
  async reconnect({ name }) {
    await connections.get(name).reconnect();
  },
  async destroy({ name }) {
    connections.get(name).destroy();
  },
  // Logs in, as CloudTAK does.
  async password({ name, id, url, user, password }) {
    await answered(name, id, async () => {
      apis.set(name, await TAKAPI.init(new URL(url), new APIAuthPassword(user, password)));
      return apis.get(name).OAuth.parse(apis.get(name).auth.jwt);
    });
  },
  async certificate({ name, id, url, cert, key }) {
    await answered(name, id, async () => {
      apis.set(name, await TAKAPI.init(new URL(url), new APIAuthCertificate(cert, key)));
    });
  },
  // `whole`: a stream is given as base64, too, not only its digest.
  async call({ name, id, call, arguments: given, schema, whole }) {
    await answered(name, id, () => {
      const [area, verb] = call.split('.');
      return apis.get(name)[area][verb](...given.map(bytes));
    }, schema, whole);
  },
};

// What {base64: …} stands for.
function bytes(argument) {
  return argument?.base64 === undefined ? argument : Buffer.from(argument.base64, 'base64');
}

async function answered(name, id, work, schema, whole) {
  try {
    let value = (await work()) ?? null;
    if (value instanceof Readable) value = await digest(value, whole);
    if (value instanceof Map) value = Object.fromEntries(value);
    say(name, 'answer', { id, value, wrong: schema ? await wrong(schema, value) : null });
  } catch (error) {
    // What it says to users is beside the message.
    say(name, 'refused', { id, status: error?.status, text: `${error?.safe ?? ''} ${error?.stack ?? error}` });
  }
}

async function digest(stream, whole) {
  const hash = createHash('sha256');
  const pieces = [];
  let size = 0;
  for await (const piece of stream) {
    if (whole) pieces.push(piece);
    hash.update(piece);
    size += piece.length;
  }
  const content = whole ? { base64: Buffer.concat(pieces).toString('base64') } : {};
  return { sha256: hash.digest('hex'), size, ...content };
}

// The first thing that is not as node-tak's own schema has it.
async function wrong(schema, value) {
  const [file, type] = schema.split('.');
  const first = Value.Errors((await import(`@tak-ps/node-tak/lib/api/${file}`))[type], value).First();
  return first ? `${first.path}: ${first.message}` : null;
}

say('', 'started', { ping_type: CoT.ping().type() });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    await actions[command.do](command);
  } catch (error) {
    say(command.name, 'error', { text: String(error?.stack ?? error) });
  }
}
for (const tak of connections.values()) tak.destroy();
