/** IP addresses in one form: sixteen bytes in hexadecimal, IPv4 as its mapped address, as Elasticsearch keeps them. */
import { isIPv4, isIPv6 } from 'node:net';

/** Undefined for a text that is no address. */
export function addressKey(text: string): string | undefined {
  if (isIPv4(text)) return `00000000000000000000ffff${hexOfIPv4(text)}`;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const plain = dotted === null ? text : `${dotted[1]}${groupsOf(hexOfIPv4(dotted[2] ?? ''))}`;
  const [head = '', tail] = plain.split('::', 2);
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0');
  return [...front, ...zeros, ...back].map((group) => group.toLowerCase().padStart(4, '0')).join('');
}

function hexOfIPv4(text: string): string {
  return text
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('');
}

function groupsOf(hex: string): string {
  return `${hex.slice(0, 4)}:${hex.slice(4)}`;
}
