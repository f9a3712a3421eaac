import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { freeSubnet, networkOf, routedNetworks } from '../../src/cli/demo/subnet.js'
import { bytesText, durationText, median } from '../../src/cli/render/quantities.js'

function network(address: string, prefix: number) {
  const found = networkOf(address, prefix)
  if (found === undefined) throw new Error(`${address} is no address`)
  return found
}

test('the demo takes the first subnet that shares nothing with the host', () => {
  assert.is(freeSubnet([]), '10.213.0.254/24')
  assert.is(freeSubnet([network('192.168.1.5', 24)]), '10.213.0.254/24')
  assert.is(freeSubnet([network('10.213.0.77', 24)]), '10.213.1.254/24')
  assert.is(freeSubnet([network('10.213.0.1', 32), network('10.213.1.0', 25)]), '10.213.2.254/24')
  assert.is(freeSubnet([network('10.213.3.4', 16)]), '10.214.0.254/24')
  assert.throws(() => freeSubnet([network('10.1.2.3', 8)]), /10\.213\.0\.0/)
})

test('the routing table of the kernel is read as it prints it', () => {
  const table = [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    'eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    'eth0\t0000D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    'eth0\t0002D60A\t00000000\t0001\t0\t0\t0\t00FEFFFF\t0\t0\t0',
    '',
  ].join('\n')
  assert.equal(routedNetworks(table), [network('10.213.0.0', 24), network('10.214.2.0', 23)])
})

test('an IPv6 address is no network of the demo', () => {
  assert.is(networkOf('2001:db8::1', 64), undefined)
})

test('amounts are written for people', () => {
  assert.equal([0, 1023, 1024, 15_360, 5 * 2 ** 30].map(bytesText), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '15 KiB',
    '5.0 GiB',
  ])
  assert.equal([0.842, 12.34, 250, 1240].map(durationText), ['0.84 ms', '12.3 ms', '250 ms', '1.24 s'])
  assert.equal([median([]), median([3, 1, 2]), median([4, 1, 2, 3])], [0, 2, 2.5])
})

test.run()
