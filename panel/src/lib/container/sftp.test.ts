import { expect, test } from 'vitest';
import { command, url } from './sftp';

test('a client is told port, user and host', () => {
  const place = { host: 'node1.example.com', port: 2222, username: 'steve.1a2b3c4d' };
  expect(command(place)).toBe('sftp -P 2222 steve.1a2b3c4d@node1.example.com');
  expect(url(place)).toBe('sftp://steve.1a2b3c4d@node1.example.com:2222/');
});

test('an IPv6 address stands in brackets', () => {
  const place = { host: '2001:db8::1', port: 22, username: 'a.b' };
  expect(command(place)).toBe('sftp -P 22 a.b@[2001:db8::1]');
  expect(url(place)).toBe('sftp://a.b@[2001:db8::1]:22/');
});
