// node-tak on a string: the real library, driven by checks.py over stdin and stdout, one JSON object a line.
//
// In: {do: connect|write|chat|reconnect|destroy, name, ...}. Out: {name, event: secureConnect|ping|cot|end|error, ...};
// every line carries the server version node-tak has read so far. What must not happen: nothing here may touch a socket
// or parse CoT by itself; that is what is being checked. node-tak logs to stderr, which checks.py shows on failure.
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import TAK, { CoT } from '@tak-ps/node-tak';
import { CoTParser, DirectChat } from '@tak-ps/node-cot';

const connections = new Map();

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
};

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
