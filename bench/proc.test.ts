import t from 'tap';
import { cpuUsOfStat, listenersOf, parentOfStat, rssKbOfStatus } from './proc.ts';

t.test('CPU and parent are read from a stat line whose name holds blanks and brackets', async (t) => {
  const stat = '42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 11 0 100 200 300';
  t.equal(cpuUsOfStat(stat), 2_000_000);
  t.equal(parentOfStat(stat), 7);
});

t.test('resident memory is read from a status file', async (t) => {
  t.equal(rssKbOfStatus('Name:\tx\nVmHWM:\t 999 kB\nVmRSS:\t  1234 kB\n'), 1234);
  t.equal(rssKbOfStatus('Name:\tkworker\n'), 0);
});

t.test('only listening sockets of the port are found, IPv4 and IPv6', async (t) => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:14A0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0
   1: 0100007F:14A0 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0
   2: 00000000000000000000000000000000:14A0 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 333 1 0
   3: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1 0`;
  t.strictSame(listenersOf(table, 5280), ['111', '333']);
  t.strictSame(listenersOf(table, 81), []);
});
