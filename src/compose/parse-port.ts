import { isIP } from 'node:net';
import type { Where } from '../domain/compose-model.ts';
import { refuse } from './problems.ts';
import { integer, mapOf, text } from './tree.ts';
import type { MapNode } from './tree.ts';

interface Range {
  readonly start: number;
  readonly end: number;
}

/** The long forms of the short port syntax `[ip:][published:]target[/protocol]`, one for each port of a range. */
export function toLongPorts(spec: string, where: Where): readonly MapNode[] {
  const parts = spec.split(':');
  const container = parts.pop() ?? '';
  const published = parts.pop() ?? '';
  const address = parts.join(':');
  const [targetText = '', protocolText = ''] = container.split('/');
  const protocol = protocolText === '' ? 'tcp' : protocolText.toLowerCase();

  const hostIp = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address;
  if (hostIp !== '' && (isIP(hostIp) === 0 || (hostIp === address && isIP(hostIp) === 6))) {
    refuse(where, `invalid port ${spec}: ${address} is no IP address`, 'write an IPv6 address in brackets');
  }
  if (targetText === '') refuse(where, `invalid port ${spec}: no container port`);
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) refuse(where, `invalid port ${spec}: unknown protocol ${protocol}`);
  const target = parseRange(targetText) ?? refuse(where, `invalid port ${spec}: ${targetText} is no port`);
  const host = published === '' ? undefined : (parseRange(published) ?? refuse(where, `invalid port ${spec}: ${published} is no port`));
  const count = target.end - target.start;
  if (host !== undefined && count > 0 && host.end - host.start !== count) {
    refuse(where, `invalid port ${spec}: the ranges ${published} and ${targetText} differ in length`);
  }

  const ports: { readonly target: number; readonly published: string | undefined }[] = [];
  for (let index = 0; index <= count; index += 1) {
    const first = host === undefined ? undefined : String(host.start + index);
    const isDynamic = host !== undefined && count === 0 && host.end !== host.start;
    ports.push({ target: target.start + index, published: isDynamic ? `${first ?? ''}-${host.end}` : first });
  }
  // Compose sorts them as text.
  ports.sort((a, b) => (`${a.target}/` < `${b.target}/` ? -1 : 1));
  return ports.map((port) =>
    mapOf(
      {
        mode: text('ingress', where),
        host_ip: hostIp === '' ? undefined : text(hostIp, where),
        target: integer(port.target, where),
        published: port.published === undefined ? undefined : text(port.published, where),
        protocol: text(protocol, where),
      },
      where,
    ),
  );
}

function parseRange(value: string): Range | undefined {
  const found = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(value);
  if (found === null) return undefined;
  const start = Number(found[1]);
  const end = Number(found[2] ?? found[1]);
  return end < start || end > 65_535 ? undefined : { start, end };
}
